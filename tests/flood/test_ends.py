"""SIGTERM under load: who has asked is answered, with one process and with several."""

import asyncio
import re
import resource
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions
from tests.flood.attack import GONE, Watch, connection
from tests.flood.conftest import watch_at
from tests.support.program import START_S, Setup
from tests.support.wait import eventually

BODY = b'{"type": "alert.open", "data": {"id": "alt_1"}}'
CLIENTS = 12


@dataclass
class Crowd:
    """Many who send webhooks without pause: half of them keep their connection.

    Attributes:
        cut: requests that were sent on a working connection and got no answer.
    """

    watch: Watch
    answered: int = 0
    closes: int = 0
    cut: list[str] = field(default_factory=list)

    async def kept(self) -> None:
        """Send on one connection until the service says that it was the last request."""
        while True:
            try:
                async with connection(self.watch.url) as (reader, writer):
                    while await self._post(reader, writer):
                        pass
            except ConnectionError:  # no connection was made: nobody was promised anything
                return

    async def new(self) -> None:
        """Send each on a connection of its own."""
        with suppress(ConnectionError):
            while True:
                async with connection(self.watch.url) as (reader, writer):
                    await self._post(reader, writer)

    async def _post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Return whether the connection can be used again."""
        target = f"{urlsplit(self.watch.url).path}?secret={self.watch.secret}"
        head = f"POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n\r\n"
        if reader.at_eof():
            return False
        try:
            writer.write(head.encode() + BODY)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer)
            assert length is not None
            await reader.readexactly(int(length[1]))
        except GONE as error:
            self.cut.append(repr(error))
            return False
        self.answered += answer.startswith(b"HTTP/1.1 202")
        is_last = b"connection: close" in answer
        self.closes += is_last
        return not is_last


@pytest.mark.parametrize("processes", [1, 2])
async def test_who_has_asked_before_the_end_is_answered(
    setup: Setup, engine: AsyncEngine, sessions: Sessions, tmp_path: Path, processes: int
) -> None:
    del engine
    anew = replace(setup, is_quick=False, directory=tmp_path)
    count = ("--processes", str(processes))
    async with anew.running("serve", "--no-workers", *count) as program:
        if processes == 1:
            url = await program.url()
        else:
            url = f"http://127.0.0.1:{(await program.says('pagersync starts'))['port']}"

        async def started() -> int:
            return program.log.read_text().count("Application startup complete")

        await eventually(started, lambda many: many == processes, timeout_s=START_S)
        crowd = Crowd(await watch_at(url, sessions))
        tasks = [
            asyncio.create_task(each())
            for _ in range(CLIENTS // 2)
            for each in (crowd.kept, crowd.new)
        ]

        async def answered() -> int:
            return crowd.answered

        await eventually(answered, lambda many: many > 200)
        assert await program.terminate() == 0
        await asyncio.gather(*tasks)
    assert crowd.cut == []
    assert crowd.closes > 0


async def test_it_ends_in_time_when_no_memory_is_left_for_a_thread(
    setup: Setup, engine: AsyncEngine, tmp_path: Path
) -> None:
    del engine
    anew = replace(setup, is_quick=False, directory=tmp_path)
    async with anew.running("serve", "--no-workers") as program:
        await program.url()
        status = Path(f"/proc/{program.process.pid}/status").read_text()
        taken = int(status.partition("VmSize:")[2].split()[0]) * 1024
        resource.prlimit(program.process.pid, resource.RLIMIT_AS, (taken, taken))
        assert await program.terminate() == 0
