"""A program that works in processes of its own, each killed at an await of one's choice.

`python -m tests.support.kill_points` is warmed up once and then forks for every job: the child
has an event loop, connections and HTTP clients of its own. It works like a worker does
(`killed_work.py`), and sends itself SIGKILL at the moment that was asked for. Tests talk to it
through `Gallows`.
"""

import asyncio
import gc
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pagersync.database.engine import create_engine, dispose, raw_connection
from pagersync.log import configure_logging
from pagersync.settings import Settings
from pagersync.worker import create_clients
from tests.support.killed_work import WORK, Tools

Moment = Literal["suspended", "resumed"]
CONNECTIONS = 2


@dataclass(frozen=True)
class Job:
    """What one process is to do.

    Attributes:
        subject_id: the only thing that it works on.
        work: what it does about it, by its name in `WORK`.
        fatal: number of the await that the process does not survive; None: it survives.
        moment: whether it dies when that await has begun to wait, or when it goes on.
        is_rehearsal: whether the program does it itself, so that the processes that it forks
            later know already what takes time to find out.
    """

    subject_id: str
    work: str = "send"
    fatal: int | None = None
    moment: Moment = "suspended"
    is_rehearsal: bool = False


@dataclass
class Points:
    """Counts the awaits of all tasks, and ends the process at the fatal one."""

    fatal: int | None
    moment: Moment
    passed: int = 0

    def make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        """Return a task whose awaits are counted: the task factory of the event loop."""
        is_idle = getattr(coroutine, "__qualname__", "") == "Event.wait"
        return asyncio.Task(coroutine if is_idle else self._run(coroutine), loop=loop, **options)

    async def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await _Counted(coroutine, self)

    def note(self, moment: Moment) -> None:
        """Count a moment."""
        if moment != self.moment:
            return
        self.passed += 1
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class _Counted:
    """Drives a coroutine, and notes where it is suspended and resumed."""

    coroutine: Coroutine[Any, Any, Any]
    points: Points

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            try:
                future = self.coroutine.throw(error) if error else self.coroutine.send(None)
            except StopIteration as end:
                return end.value
            self.points.note("suspended")
            error = None
            try:
                yield future
            except BaseException as thrown:  # noqa: BLE001 - passed on to the coroutine
                error = thrown
            self.points.note("resumed")


async def work(job: Job, tools: Tools) -> int:
    """Do a job; return how many moments passed."""
    async with AsyncExitStack() as stack:  # connecting is not what is to be killed
        for _ in range(CONNECTIONS):
            await stack.enter_async_context(raw_connection(tools.engine))
    points = Points(job.fatal, job.moment)
    asyncio.get_running_loop().set_task_factory(points.make_task)
    await WORK[job.work](tools, UUID(job.subject_id))
    await dispose(tools.engine)
    return points.passed


async def rehearse(job: Job, tools: Tools) -> int:
    """Do a job with clients whose connections nobody inherits."""
    clients = create_clients(tools.settings)
    passed = await work(job, replace(tools, clients=clients))
    await clients.aclose()
    return passed


def serve(settings: Settings) -> None:
    """Fork for every job that stands on a line of the input, and say how each ended."""
    tools = Tools(create_engine(settings), settings, create_clients(settings))
    children: dict[int, int] = {}
    unread = b""
    gc.freeze()  # or the children copy everything when they collect
    ended = _wake_when_children_end()
    is_open = True
    while is_open or children:
        ready = select.select([0, ended] if is_open else [ended], [], [])[0]
        if ended in ready:
            os.read(ended, 4096)
        if 0 in ready:
            said = os.read(0, 65536)
            is_open = bool(said)
            *lines, unread = (unread + said).split(b"\n")
            for line in lines:
                number, job = json.loads(line)
                if job["is_rehearsal"]:
                    _do(number, rehearse(Job(**job), tools))
                else:
                    children[_fork(number, Job(**job), tools)] = number
        _reap(children)


def _wake_when_children_end() -> int:
    """Return a file that can be read when a child has ended."""
    ended, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write)
    return ended


def _fork(number: int, job: Job, tools: Tools) -> int:
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        gc.disable()  # it does not live long
        _do(number, work(job, tools))
        os._exit(0)
    return pid


def _do(number: int, doing: Coroutine[Any, Any, int]) -> None:
    try:
        _say({"job": number, "passed": asyncio.run(doing)})
    except BaseException:  # noqa: BLE001 - told to the test
        _say({"job": number, "error": traceback.format_exc()[-3000:]})


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        number = children.pop(pid)
        if os.WIFSIGNALED(status):
            _say({"job": number, "passed": None})


def _say(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


@dataclass
class Gallows:
    """The program, as tests see it."""

    process: asyncio.subprocess.Process
    _numbers: "count[int]" = field(default_factory=count)
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def run(self, job: Job) -> int | None:
        """Do a job in a process of its own; return how many moments passed, None: it was killed."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([number, asdict(job)]).encode() + b"\n")
        end = await self._waiting[number]
        assert "error" not in end, end["error"]
        passed: int | None = end["passed"]
        return passed

    async def listen(self) -> None:
        """Pass on what the program says, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            said = json.loads(line)
            self._waiting.pop(said["job"]).set_result(said)


@asynccontextmanager
async def running_gallows(settings: Settings) -> AsyncIterator[Gallows]:
    """Yield the program, with these settings; it has ended when the block ends."""
    shown = settings.model_dump(mode="json", exclude_none=True) | {"log_level": "error"}
    for name in ("database_url", "secret_key"):
        shown[name] = getattr(settings, name).get_secret_value()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.kill_points",
        json.dumps(shown),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    gallows = Gallows(process)
    listening = asyncio.create_task(gallows.listen())
    try:
        yield gallows
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
        await listening


def main() -> None:
    """Read the settings from the command line, and serve."""
    settings = Settings(**json.loads(sys.argv[1]))
    configure_logging(settings)
    serve(settings)


if __name__ == "__main__":
    main()
