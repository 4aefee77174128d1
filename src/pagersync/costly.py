"""What takes much computing, in a process of its own: requests must not take the one that pages.

Threads share Python's lock, so a template that loops in one of them slows the event loop, and with
it every page. The process is started when it is first needed, gives way to all others (`nice`), is
killed when it does not answer, and ends with this one. One job is done at a time, callers by turns.
"""

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Generic, TypeVar

import structlog

from pagersync.costly_process import SIZE_BYTES, Job, Reply, framed, size_of
from pagersync.errors import BusyError, RateLimitedError
from pagersync.fair import Gate, Limits

T = TypeVar("T")

WAIT_S: Final = 10.0
WAITING_MAX: Final = 4
ANSWER_S: Final = 30.0
"""A process that is silent for longer is killed: a busy machine gives it little time."""

CALLERS_MAX: Final = 1_000
RETRY_AFTER_S: Final = 5

log = structlog.get_logger()


class CpuUsedUpError(RateLimitedError):
    """The requests of this API key have used their computing time of a minute."""

    code = "cpu_used_up"
    title = "Computing time used up"


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What came of a job.

    Attributes:
        results: what it yielded, in its order.
        is_complete: False: its time was up after these.
    """

    results: list[T]
    is_complete: bool


class Budget:
    """How much computing time callers have used in the last minute, more or less."""

    def __init__(self, cpu_s_per_minute: float) -> None:
        self._most_s = cpu_s_per_minute
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, caller: str) -> None:
        """Let a caller begin a job who has time left.

        Raises:
            CpuUsedUpError: none is left.
        """
        over_s = self._used_s(caller) - self._most_s
        if over_s >= 0:
            retry_after_s = int(over_s * 60 / self._most_s) + 1
            raise CpuUsedUpError(
                f"your requests have used {self._most_s:g} s of computing time in a minute, which "
                f"is as much as one API key may: try again in {retry_after_s} s",
                retry_after_s=retry_after_s,
            )

    def use(self, caller: str, cpu_s: float) -> None:
        """Note what a job took."""
        self._used[caller] = self._used_s(caller) + cpu_s, monotonic()
        self._used.move_to_end(caller)
        if len(self._used) > CALLERS_MAX:
            self._used.popitem(last=False)

    def _used_s(self, caller: str) -> float:
        used_s, at_s = self._used.get(caller, (0.0, 0.0))
        return max(0.0, used_s - (monotonic() - at_s) * self._most_s / 60)


class CostlyWork:
    """Does jobs in a process of its own.

    Args:
        cpu_s: how much computing time one job may take.
        cpu_s_per_minute: how much those of one caller may take together in a minute.
    """

    def __init__(self, *, cpu_s: float, cpu_s_per_minute: float) -> None:
        self._cpu_s = cpu_s
        self._budget = Budget(cpu_s_per_minute)
        self._gate = Gate(Limits(slots=1, of_one=1, wait_s=WAIT_S, waiting_max=WAITING_MAX))
        self._process: Process | None = None

    async def run(self, caller: str, function: Callable[..., Iterable[T]], *args: Any) -> Done[T]:
        """Return what a function of a module yields, as far as it comes in its time.

        Args:
            caller: whose turn it is.
            function: what is called, by its name: it, its arguments and results are pickled.
            args: its arguments.

        Raises:
            TooManyAtOnceError, BusyError: other jobs take too long.
            CpuUsedUpError: the caller's jobs took all the time that they may.
        """
        self._budget.check(caller)
        await self._gate.enter(caller)
        try:
            self._budget.check(caller)  # its jobs before it may have used it up
            reply = await self._ask(Job(function, args, self._cpu_s))
        finally:
            self._gate.leave(caller)
        self._budget.use(caller, reply.cpu_s)
        if reply.error is not None:
            raise RuntimeError(f"a costly job failed: {reply.error}")
        return Done(reply.results, reply.is_complete)

    async def aclose(self) -> None:
        """End the process, if there is one."""
        await self._kill()

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, job: Job) -> Reply:
        process = self._process = self._process or await self._start()
        assert process.stdin is not None  # noqa: S101 - it was started with pipes
        assert process.stdout is not None  # noqa: S101 - likewise
        try:
            async with asyncio.timeout(ANSWER_S):
                process.stdin.write(framed(job))
                await process.stdin.drain()
                size = size_of(await process.stdout.readexactly(SIZE_BYTES))
                reply: Reply = pickle.loads(await process.stdout.readexactly(size))  # noqa: S301 - our own process
        except BaseException as error:
            await self._kill()  # whatever it does, nobody waits for its answer any more
            if not isinstance(error, Exception):
                raise
            log.warning("the process for costly work was replaced", error=repr(error))
            raise BusyError(
                f"this took too long: ask for less, or try again in {RETRY_AFTER_S} s",
                retry_after_s=RETRY_AFTER_S,
            ) from error
        return reply

    @staticmethod
    async def _start() -> Process:
        own = {k: v for k, v in os.environ.items() if not k.startswith("PAGERSYNC_")}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from pagersync.costly_process import main; main()"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=own,  # no secret is handed on
            start_new_session=True,  # it does not get the terminal's signals
        )
