"""The program itself, as an operator runs it: real processes, looked at from outside."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pagersync.database.embedded import EmbeddedPostgres
from tests.support.clusters import copy_cluster
from tests.support.forked import Fork
from tests.support.wait import eventually

START_S = 40
"""Patience with a program that starts on a busy machine."""

ADMIN_KEY = "key-of-the-tests-0123456789abcdef"
"""So that the first `serve` does not print one."""

SHORT = "/tmp"  # noqa: S108 - a socket's path has a limit

END_S = 10
"""What the program promises: it ends this long after SIGTERM, at most."""


@dataclass(frozen=True)
class Program:
    """One process that stays."""

    process: subprocess.Popen[bytes] | Fork
    log: Path

    def said(self) -> list[dict[str, Any]]:
        """Return its log so far; a line that is not of the log is a fact with an `event` alone."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) if line[:1] == "{" else {"event": line} for line in lines]

    async def says(self, event: str) -> dict[str, Any]:
        """Return the first log line with that message, as soon as it stands there."""

        async def find() -> dict[str, Any] | None:
            found = next((line for line in self.said() if line["event"] == event), None)
            assert found or self.process.poll() is None, self.log.read_text()
            return found

        line = await eventually(find, timeout_s=START_S)
        assert line is not None
        return line

    async def url(self) -> str:
        """Return the address at which it serves, as soon as it does."""
        url: str = (await self.says("pagersync is ready"))["url"]
        return url

    async def terminate(self) -> int:
        """Send SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Return the exit code; fail when it takes longer than the program promises."""
        return await asyncio.to_thread(self.process.wait, END_S)


@dataclass(frozen=True)
class Setup:
    """What makes two processes one installation: the data directory, or the database's address.

    Attributes:
        is_quick: start processes as copies of one that has imported the program already.
    """

    directory: Path
    variables: Mapping[str, str]
    is_quick: bool = True

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of its processes: nothing of PagerTree's is called."""
        ours = {
            "PAGERSYNC_DATA_DIR": str(self.directory),
            "PAGERSYNC_PORT": "0",
            "PAGERSYNC_DIRECTORY_SYNC_S": "0",
            "PAGERSYNC_ADMIN_KEY": ADMIN_KEY,
        }
        return {**os.environ, **ours, **self.variables}

    def having(self, **variables: str) -> Self:
        """Return the same installation with further settings."""
        return replace(self, variables={**self.variables, **variables})

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[Program]:
        """Yield a process of `pagersync`; none is left when the block ends."""
        with (
            tempfile.NamedTemporaryFile() as log,
            self._process(arguments, Path(log.name), Path(log.name)) as process,
        ):
            try:
                yield Program(process, Path(log.name))
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _process(
        self, arguments: tuple[str, ...], out: Path, err: Path
    ) -> subprocess.Popen[bytes] | Fork:
        if self.is_quick:
            return Fork(arguments, self.environment, out=out, err=err)
        command = [sys.executable, "-m", "pagersync", *arguments]
        with out.open("ab") as stdout, err.open("ab") as stderr:
            return subprocess.Popen(
                command, env=self.environment, stdout=stdout, stderr=stderr, start_new_session=True
            )

    async def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a short command and return how it ended."""
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            with self._process(arguments, Path(out.name), Path(err.name)) as process:
                try:
                    code = await asyncio.to_thread(process.wait, START_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
            said = [Path(file.name).read_text() for file in (out, err)]
        return subprocess.CompletedProcess(arguments, code, *said)

    async def ask(self, *arguments: str) -> Any:
        """Run a short command that must succeed; return the JSON that it prints."""
        ended = await self.run(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    async def tell(self, *arguments: str) -> str:
        """Run a short command that must succeed; return what it prints."""
        ended = await self.run(*arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@contextmanager
def embedded_setup(parent: Path | None = None, **variables: str) -> Iterator[Setup]:
    """Yield an installation on an embedded database, which was made already: that takes a while."""
    directory = Path(tempfile.mkdtemp(prefix="ps-", dir=parent or SHORT))
    directory.chmod(0o711)
    try:
        copy_cluster(directory / "postgres")
        yield Setup(directory, variables)
    finally:
        shutil.rmtree(directory)


def embedded_url(setup: Setup) -> str:
    """Return the address of the embedded database, for while a process runs it."""
    return EmbeddedPostgres(setup.directory / "postgres").url
