"""A running `serve`, what attacks it, and who needs it meanwhile."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pagersync.http import AsyncClient
from tests.support.program import Program

PATIENCE_S = 15
"""An answer that takes longer is none; a busy machine takes its time."""

GONE = (OSError, EOFError)
MIB = 1024 * 1024


@dataclass
class Watch:
    """Who needs the service: PagerTree and a health check, each time on a new connection."""

    url: str
    secret: str
    failures: list[str] = field(default_factory=list)
    answers: int = 0

    @asynccontextmanager
    async def looking(self) -> AsyncIterator["Watch"]:
        """Ask all the time, until the block ends; then fail if one answer was bad or missing."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._look(stop))
        try:
            yield self
        finally:
            stop.set()
            await task
        assert self.failures == []
        assert self.answers >= 2

    async def _look(self, stop: asyncio.Event) -> None:
        while not stop.is_set() or self.answers < 2:
            await self.webhook(b'{"type": "alert.open", "data": {"id": "alt_1"}}')
            await self._ask(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n", b"200")
            if self.failures:
                return
            await asyncio.sleep(0.02)

    async def webhook(self, body: bytes) -> None:
        """Deliver one webhook, as PagerTree does."""
        target = f"{urlsplit(self.url).path}?secret={self.secret}"
        head = f"POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        await self._ask(head.encode() + body, b"202")

    async def _ask(self, request: bytes, status: bytes) -> None:
        got = b"nothing"
        with suppress(*GONE, TimeoutError):
            async with asyncio.timeout(PATIENCE_S), connection(self.url) as (reader, writer):
                writer.write(request)
                got = await reader.readuntil(b"\r\n\r\n")
        if got.split(b" ")[1:2] != [status]:
            self.failures.append(got.decode()[:200])
        self.answers += 1


@asynccontextmanager
async def connection(
    url: str, *, source: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection, from another address if one is given; it is torn down afterwards."""
    address = urlsplit(url)
    local = None if source is None else (source, 0)
    reader, writer = await asyncio.open_connection(
        address.hostname, address.port, local_addr=local, limit=MIB
    )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def flood(url: str, begin: bytes, part: bytes, *, mib_max: int = 64) -> tuple[int, bytes]:
    """Send `begin`, then `part` without end; return how many MiB got out, and what was answered."""
    sent = 0
    async with connection(url) as (reader, writer):
        with suppress(*GONE):
            writer.write(begin)
            while sent < mib_max * MIB and not reader.at_eof():
                writer.write(part)
                sent += len(part)
                await writer.drain()
                await asyncio.sleep(0)
        answer = b""
        with suppress(*GONE, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.read(65536)
    return sent // MIB, answer


@contextmanager
def sockets_to(
    url: str, count: int, *, source: str, send: bytes = b""
) -> Iterator[list[socket.socket]]:
    """Yield open connections from an address, each of which has sent the same."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 0
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            each = socket.create_connection((host, port), source_address=(source, 0), timeout=10)
            made.append(stack.enter_context(each))
            each.settimeout(0)
            with suppress(OSError):
                each.send(send)
        yield made


def open_ones(sockets: list[socket.socket]) -> list[socket.socket]:
    """Return those that the other end has not closed."""
    return [each for each in sockets if not _is_closed(each)]


def _is_closed(each: socket.socket) -> bool:
    try:
        while each.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def resident_mib(program: Program, *, figure: str = "VmRSS") -> float:
    """Return the memory of the process that serves: now, or with `VmHWM` its most so far."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return int(status.partition(f"{figure}:")[2].split()[0]) / 1024


def descriptors(program: Program) -> int:
    """Return how many files the process that serves has open."""
    return len(os.listdir(f"/proc/{program.process.pid}/fd"))  # noqa: PTH208 - numbers, no paths


async def metric(url: str, reason: str) -> float:
    """Return how many connections were refused for a reason."""
    address = urlsplit(url)
    async with AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://{address.netloc}/metrics")).text
    name = f'pagersync_connections_refused_total{{reason="{reason}"}} '
    return float(text.partition(name)[2].partition("\n")[0] or 0)
