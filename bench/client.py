"""The load generator for machines without wrk: 64 connections kept alive, in its own process.

Slower than wrk and on the same cores, so it lowers every rate that it measures, the no-op
endpoint's included. Sends what `wrk.lua` sends: change both together.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import uvloop

from bench.bodies import body_of
from bench.figures import percentile

CONNECTIONS: Final = 64
PERIOD: Final = 128
"""Requests between two sends of one body."""

TIMEOUT_S: Final = 10.0
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go."""

    host: str
    port: int
    target: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """Take a URL with a host and a port apart."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return cls(parts.hostname or "", parts.port or 80, target)

    def post(self, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """Return a whole request."""
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST {self.target} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{more}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Exchange:
    """One connection that is kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: Address) -> "Exchange":
        """Connect."""
        return cls(*await asyncio.open_connection(address.host, address.port))

    async def send(self, request: bytes) -> int:
        """Send a request and return the status of its answer, once that is complete.

        Raises:
            OSError: the connection broke.
            EOFError: it was closed before the answer was complete.
        """
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readexactly(_content_length(head))
        return int(head[9:12])

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0] or 0)


@dataclass(slots=True)
class Tally:
    """What happened so far, on all connections."""

    latencies_ms: list[float] = field(default_factory=list)
    refused: int = 0
    unanswered: int = 0


def _bodies(templates: list[bytes], run: int, repeats: int) -> Iterator[bytes]:
    for sent in count():
        block = sent // (PERIOD * repeats)
        yield body_of(templates, run, block * PERIOD + sent % PERIOD)


async def _work(address: Address, bodies: Iterator[bytes], deadline: float, tally: Tally) -> None:
    """Send until the deadline, connecting again after each failure."""
    while perf_counter() < deadline:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                exchange = await Exchange.open(address)
            await _converse(exchange, address, bodies, deadline, tally)
            exchange.close()
        except (OSError, EOFError, TimeoutError):
            tally.unanswered += 1
            await asyncio.sleep(0.01)


async def _converse(
    exchange: Exchange, address: Address, bodies: Iterator[bytes], deadline: float, tally: Tally
) -> None:
    while (began := perf_counter()) < deadline:
        async with asyncio.timeout(TIMEOUT_S):
            status = await exchange.send(address.post(next(bodies)))
        tally.latencies_ms.append((perf_counter() - began) * 1000)
        if status // 100 != 2:  # noqa: PLR2004 - the class of success
            tally.refused += 1


async def run_load(url: str, templates: list[bytes], run: int, seconds: int, repeats: int) -> Tally:
    """Send bodies to `url` over all connections at once."""
    tally, bodies = Tally(), _bodies(templates, run, repeats)
    deadline = perf_counter() + seconds
    address = Address.of(url)
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_work(address, bodies, deadline, tally))
    return tally


def main(url: str, file: str, run: str, seconds: str, repeats: str) -> None:
    """Print one line of JSON, as `wrk.lua` does."""
    templates = Path(file).read_bytes().splitlines()
    began = perf_counter()
    tally = uvloop.run(run_load(url, templates, int(run), int(seconds), int(repeats)))
    result = {
        "duration_s": perf_counter() - began,
        "answers": len(tally.latencies_ms),
        "refused": tally.refused,
        "unanswered": tally.unanswered,
        "p50_ms": percentile(tally.latencies_ms or [0], 50),
        "p99_ms": percentile(tally.latencies_ms or [0], 99),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
