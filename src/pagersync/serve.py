"""The long-lived processes: `serve` and `worker`.

Both end on SIGTERM or SIGINT: they take nothing new, finish what is in flight, and exit 0 within
ten seconds. Whatever they could not finish comes back when they are gone.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.process import BaseProcess
from threading import Thread
from time import monotonic, sleep
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import multiprocess

from pagersync.database.engine import create_engine, create_engines, dispose
from pagersync.database.notify import Listener
from pagersync.errors import PagersyncError
from pagersync.front.limits import Limits
from pagersync.front.listening import let_nobody_new_in, raise_open_files
from pagersync.front.server import FrontConfig, FrontServer
from pagersync.integrations.secret_key import open_checked_vault
from pagersync.settings import Settings
from pagersync.worker import create_clients, run_workers

REQUESTS_FINISH_S: Final = 3
END_S: Final = 8
WORK_FINISHES_S: Final = 3
PROCESS_ANSWERS_S: Final = 30
"""One of several processes that is silent for longer is replaced; a busy machine starts slowly."""

BACKLOG: Final = 2048

log = structlog.get_logger()


class ListenError(PagersyncError):
    """The address cannot be listened on."""

    code = "listen"
    title = "Listen"


class ServingProcess(FrontServer):
    """A process that serves, and ends in time when it is told to."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Make what ends this process for sure, then start."""
        self._watchdog = Watchdog()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end, and see to it that it does end."""
        self._watchdog.bark()
        super().handle_exit(sig, frame)


class OneServer(ServingProcess):
    """The only process: says where it serves once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started and sockets:
            addresses = [each.getsockname()[:2] for each in sockets]
            urls = dict(
                zip(("url", "ops_url"), (f"http://{h}:{p}" for h, p in addresses), strict=False)
            )
            log.info("pagersync is ready", **urls, pid=os.getpid())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody new in, then end."""
        for each in sockets or []:
            let_nobody_new_in(each)
        await super().shutdown(sockets)


class OneOfSeveral(multiprocess.Process):
    """A process of `SeveralServers`: uvicorn's serves with uvicorn's own server."""

    @property
    def server(self) -> uvicorn.Server:
        """What serves in this process."""
        if self._server is None:
            self._server = ServingProcess(config=self.config)
        return self._server


class SeveralServers(multiprocess.Multiprocess):
    """Several processes that end together, in time."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        """Let nobody new in at once: where all processes got the signal, the others end already."""
        for each in self.sockets:
            let_nobody_new_in(each)
        self.signal_queue.append(number)

    def join_all(self) -> None:
        """Wait until all have ended; kill those that hang."""
        deadline = monotonic() + END_S
        for child in self.processes:
            child.process.join(max(0.0, deadline - monotonic()))
            if child.process.is_alive():
                log.error(HANGS, pid=child.process.pid)
                child.process.kill()


class Watchdog:
    """Ends this process in a few seconds even if it cannot finish, say because PostgreSQL hangs.

    Nothing is lost: what was in flight was not answered, or comes back when its lease runs out. Its
    thread is made at once: when memory is short, no thread can be started.
    """

    def __init__(self) -> None:
        self._hear, self._speak = os.pipe()
        Thread(target=self._wait, daemon=True, name="watchdog").start()

    def bark(self) -> None:
        """Begin to count. May be called in a signal handler: it takes no lock."""
        os.write(self._speak, b"!")

    def _wait(self) -> None:
        os.read(self._hear, 1)
        sleep(END_S)
        try:
            log.error(HANGS, pid=os.getpid())
        finally:
            os._exit(0)


HANGS: Final = "could not finish in time: ended all the same, what was in flight comes back"


def serve(
    settings: Settings, create: Callable[[Settings], ASGIApp], factory: str, *, processes: int
) -> None:
    """Serve HTTP until SIGTERM or SIGINT.

    Args:
        settings: with the database's address in it.
        create: makes the application, for one process; it is given the port that was chosen.
        factory: `module:function` that makes it from the environment, for several.
        processes: how many.

    Raises:
        ListenError: the address is taken or not ours.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(listen(settings.host, port)) for port in _ports(settings)]
        ports = (each.getsockname()[1] for each in sockets)
        chosen = dict(zip(("port", "ops_port"), ports, strict=False))
        settings = settings.model_copy(update=chosen)
        if processes == 1:
            with ending_well():
                config = _uvicorn_config(settings, lambda: create(settings), processes=1)
                OneServer(config).run(sockets=sockets)
            return
        with _shared_environment(settings):
            log.info("pagersync starts", processes=processes, **chosen)
            config = _uvicorn_config(settings, factory, processes=processes)
            multiprocess.Process = OneOfSeveral  # type: ignore[misc] # uvicorn has no other way
            SeveralServers(config, sockets=sockets).run()


def _ports(settings: Settings) -> list[int]:
    return [settings.port, *([] if settings.ops_port is None else [settings.ops_port])]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the address; port 0 means a free one.

    Raises:
        ListenError: the address is taken or not ours.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = str(error.strerror).partition(" (while attempting")[0]  # repeats the address
        raise ListenError(f"cannot listen on {host}:{port}: {reason}") from None


class ProcessConfig(FrontConfig):
    """Makes a process that is one of several end when the one that started it is gone."""

    def load(self) -> None:
        """Load the application, in the process that will run it."""
        super().load()
        gc.freeze()  # looking for garbage in what was loaded took a fifth of a worker's Python time
        if (parent := multiprocessing.parent_process()) is not None:
            Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    log.warning("the parent process is gone: ending")
    os.kill(os.getpid(), signal.SIGTERM)


def _uvicorn_config(
    settings: Settings, app: str | Callable[[], ASGIApp], *, processes: int
) -> uvicorn.Config:
    return ProcessConfig(
        app,
        limits=Limits.of(settings, open_files_max=raise_open_files()),
        factory=True,
        workers=processes,
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies,
        log_config=None,
        access_log=False,  # the webhook's secret stands in its URL
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=REQUESTS_FINISH_S,
        timeout_worker_healthcheck=PROCESS_ANSWERS_S,
    )


@contextmanager
def ending_well() -> Iterator[None]:
    """Let a signal that uvicorn has served end this process with 0.

    uvicorn raises it once more when it is done, which would kill the process instead.
    """
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing: the signal did its work."""


@contextmanager
def _shared_environment(settings: Settings) -> Iterator[None]:
    """Hand the settings to the child processes, and give their metrics a place to meet."""
    assert settings.database_url is not None  # noqa: S101 - it was found before
    os.environ["PAGERSYNC_DATABASE_URL"] = settings.database_url.get_secret_value()
    os.environ["PAGERSYNC_PORT"] = str(settings.port)
    if settings.ops_port is not None:
        os.environ["PAGERSYNC_OPS_PORT"] = str(settings.ops_port)
    with tempfile.TemporaryDirectory(prefix="pagersync-metrics-") as metrics:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
        yield


async def check_key(settings: Settings) -> None:
    """Return if the secret key is the one that the database's credentials need.

    Raises:
        SecretKeyError: it is not.
    """
    engine = create_engine(settings)
    try:
        await open_checked_vault(engine, settings)
    finally:
        await dispose(engine)


async def work(settings: Settings) -> None:
    """Work the queues, without HTTP, until SIGTERM or SIGINT.

    Raises:
        SecretKeyError: the secret key cannot be right.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    watchdog = Watchdog()
    engines = create_engines(settings)
    vault = await open_checked_vault(engines.paging, settings)
    gc.freeze()  # as `ProcessConfig.load`
    clients = create_clients(settings)
    listener = Listener(engines.paging)
    listening = asyncio.create_task(listener.run())
    log.info("pagersync works", pid=os.getpid())
    working = asyncio.create_task(
        run_workers(engines, listener, settings, stop, clients=clients, vault=vault)
    )
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    watchdog.bark()
    await asyncio.wait([working], timeout=WORK_FINISHES_S)
    for task in (working, stopping, listening):
        task.cancel()
    ends = await asyncio.gather(working, stopping, listening, return_exceptions=True)
    await clients.aclose()
    await engines.dispose()
    if isinstance(ends[0], Exception):
        raise ends[0]
