"""The plain way to keep a request: one durable transaction for one row."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter
from typing import Final

from bench.database import Database
from bench.figures import Figure, percentile
from pagersync.database.base import new_id
from pagersync.database.engine import Connection

SEQUENTIAL: Final = "single-row commits, one after another"
CONCURRENT: Final = "single-row commits, 64 at once on 16 connections"

_TABLE: Final = """
DROP TABLE IF EXISTS bench_rows;
CREATE TABLE bench_rows (id uuid PRIMARY KEY, body bytea)
"""
_INSERT: Final = "INSERT INTO bench_rows (id, body) VALUES ($1, $2)"


@dataclass(frozen=True)
class Shared:
    """A connection whose users take turns."""

    connection: Connection
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


async def measure_commits(database: Database, bodies: list[bytes], *, seconds: int) -> list[Figure]:
    """Insert single rows as simply as can be, with asyncpg alone, into a table with one index."""
    async with database.connection() as connection:
        await connection.execute(_TABLE)
    figures = []
    for name, callers, connections in ((SEQUENTIAL, 1, 1), (CONCURRENT, 64, 16)):
        async with AsyncExitStack() as stack:
            opened = [
                Shared(await stack.enter_async_context(database.connection()))
                for _ in range(connections)
            ]
            figures.append(await _measure(name, opened, callers, bodies, seconds=seconds))
    return figures


async def _measure(
    name: str, opened: list[Shared], callers: int, bodies: list[bytes], *, seconds: int
) -> Figure:
    latencies_ms: list[float] = []
    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _, shared in zip(range(callers), cycle(opened), strict=False):
            group.create_task(_insert_until(began + seconds, shared, bodies, latencies_ms))
    return Figure(
        name=name,
        value=len(latencies_ms) / (perf_counter() - began),
        p50_ms=percentile(latencies_ms, 50),
        p99_ms=percentile(latencies_ms, 99),
    )


async def _insert_until(
    deadline: float,
    shared: Shared,
    bodies: list[bytes],
    latencies_ms: list[float],
) -> None:
    for body in cycle(bodies):
        began = perf_counter()
        if began > deadline:
            return
        async with shared.turn:
            await shared.connection.execute(_INSERT, new_id(), body)
        latencies_ms.append((perf_counter() - began) * 1000)
