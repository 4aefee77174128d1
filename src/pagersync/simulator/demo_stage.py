"""Where the demo plays: a temporary directory, a simulated PagerTree API and the real service."""

import asyncio
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeVar

import uvicorn

from pagersync.http import HTTPError
from pagersync.simulator.options import SimulatorOptions
from pagersync.simulator.simulator import Simulator

START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 15.0
REMOVE_TIMEOUT_S: Final = 10.0
LOOK_EVERY_S: Final = 0.02
LOG_TAIL_LINES: Final = 12
SEARCH_SETTLE_S: Final = "1"
"""The simulated search lags behind nothing, and nobody wants to wait."""

T = TypeVar("T")


class DemoError(Exception):
    """The demo cannot go on; the message says why, to a person."""


@dataclass(frozen=True, slots=True)
class PagerTree:
    """The simulated REST API: where it is, and the only key that it lets in."""

    control_url: str
    api_key: str = field(repr=False)

    @property
    def url(self) -> str:
        """The base of the REST API."""
        return f"{self.control_url}/api/v4"


@dataclass(frozen=True, slots=True)
class Service:
    """A `pagersync serve` of our own; `url` has no slash at its end."""

    url: str
    directory: Path
    process: Process

    async def accompany(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work for as long as the service runs.

        Raises:
            DemoError: the service ended, or did not answer as it should.
        """
        working = asyncio.create_task(work)
        ending = asyncio.create_task(self.process.wait())
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise DemoError(_obituary(self.process, self.directory))
            return working.result()
        except HTTPError as error:
            tail = _log_tail(self.directory)
            raise DemoError(f"The service did not answer as it should: {error!r}.{tail}") from None
        finally:
            working.cancel()
            ending.cancel()
            await asyncio.gather(working, ending, return_exceptions=True)

    async def command(self, *arguments: str) -> Any:
        """Run a command of pagersync beside the service and return the JSON that it prints.

        Raises:
            DemoError: it failed.
        """
        return json.loads(await self.text(*arguments))

    async def text(self, *arguments: str) -> str:
        """Run a command of pagersync beside the service and return what it prints.

        Raises:
            DemoError: it failed.
        """
        process = await _start(self.directory, arguments, out=PIPE)
        try:
            printed, _ = await process.communicate()
        finally:
            await _stop(process)
        if process.returncode != 0:
            tail = _log_tail(self.directory)
            raise DemoError(f"`pagersync {' '.join(arguments)}` failed.{tail}")
        return printed.decode()


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Yield a directory that is gone afterwards.

    Its name is short because the path of a socket has a limit, and it can be passed through
    because PostgreSQL runs as `nobody` when we are root.
    """
    directory = Path(tempfile.mkdtemp(prefix="ps-demo-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        _remove(directory)


def _remove(directory: Path) -> None:
    """Remove a directory; a PostgreSQL whose owner was killed may write to it a little longer."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            time.sleep(LOOK_EVERY_S)


@contextmanager
def simulated_pagertree() -> Iterator[PagerTree]:
    """Yield a running API, served by a thread of this process."""
    api_key = secrets.token_urlsafe()
    app = Simulator(SimulatorOptions(api_keys=frozenset({api_key}))).app
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield PagerTree(f"http://127.0.0.1:{listening.getsockname()[1]}", api_key)
        finally:
            server.should_exit = True
            thread.join()


@asynccontextmanager
async def running_service(directory: Path) -> AsyncIterator[Service]:
    """Yield the real service with its data in `directory`; it has ended when the block ends.

    Raises:
        DemoError: it does not start.
    """
    process = await _start(directory, ("serve", "--host", "127.0.0.1", "--port", "0"), out=DEVNULL)
    try:
        yield Service(await _ready(process, directory), directory, process)
    finally:
        await _stop(process)


async def _start(directory: Path, arguments: tuple[str, ...], *, out: int) -> Process:
    """Start pagersync; a session of its own keeps the terminal's Ctrl-C for us alone."""
    log = os.open(_log_path(directory), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pagersync", *arguments),
            env=environment(os.environ, directory),
            stdin=DEVNULL,
            stdout=out,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)


def environment(own: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return the environment of the demo's service: no setting of the caller decides anything."""
    foreign = {name: value for name, value in own.items() if not name.startswith("PAGERSYNC_")}
    return foreign | {
        "PAGERSYNC_DATA_DIR": str(directory),
        "PAGERSYNC_LOG_FORMAT": "json",
        "PAGERSYNC_SEARCH_SETTLE_S": SEARCH_SETTLE_S,
    }


async def _ready(process: Process, directory: Path) -> str:
    """Return the address that the service announces in its log, once it does."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while (url := announced_url(_read_log(directory))) is None:
        if process.returncode is not None:
            raise DemoError(_obituary(process, directory))
        if time.monotonic() > deadline:
            tail = _log_tail(directory)
            raise DemoError(f"The service is not ready after {START_TIMEOUT_S:.0f} s.{tail}")
        await asyncio.sleep(LOOK_EVERY_S)
    return url


def announced_url(log: str) -> str | None:
    """Return where the service says that it is ready, or None while it does not."""
    for line in log.splitlines():
        with suppress(ValueError):  # the line is still being written, or is not the service's
            entry = json.loads(line)
            if isinstance(entry, dict) and entry.get("event") == "pagersync is ready":
                return str(entry["url"])
    return None


async def _stop(process: Process) -> None:
    """End a process, politely at first."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _obituary(process: Process, directory: Path) -> str:
    return f"The service has ended with status {process.returncode}.{_log_tail(directory)}"


def _log_tail(directory: Path) -> str:
    lines = _read_log(directory).splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([" Its log ends with:", *lines]) if lines else " Its log is empty."


def _read_log(directory: Path) -> str:
    return _log_path(directory).read_text(errors="replace")


def _log_path(directory: Path) -> Path:
    return directory / "service.log"
