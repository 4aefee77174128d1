"""From stored deliveries to alerts: how many a second, and how soon one."""

import asyncio
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from time import monotonic, perf_counter
from typing import Final

import asyncpg
import uvloop

from bench.bodies import PATH, alert_id_of, body_of, write_storm
from bench.client import Address, Exchange
from bench.database import Account, Database
from bench.figures import Figure, Target, percentile
from bench.processes import ProcessError, running, serving
from pagersync.database.engine import Connection
from pagersync.inbox.endpoint import examine
from pagersync.inbox.writer import insert_deliveries

APPLIED: Final = Target(value_min=3000)
READABLE: Final = Target(p50_ms_max=15)
PRELOAD_ROWS: Final = 1000
DRAIN_TIMEOUT_S: Final = 60.0
LOOK_EVERY_S: Final = 0.25
POLL_EVERY_S: Final = 0.0005
PAUSE_MIN_S: Final = 0.002
PAUSE_MAX_S: Final = 0.020
READABLE_TIMEOUT_S: Final = 10.0
LATENCY_RUN: Final = 99
"""The run of the load generators that they never get to."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker did: events a second, events done, events that still wait."""

    per_second: float
    done: int
    waiting: int


def measure_drain(database: Database, account: Account, log: Path, *, events: int) -> Figure:
    """Time one `pagersync worker` on a backlog of whole lives of alerts.

    The rate is taken between the first and the last batch: the start of the worker is left out.
    """
    uvloop.run(_preload(database, account, write_storm(events)))
    with running("pagersync", "worker", environment=database.environment, log=log) as worker:
        uvloop.run(_wait_until_drained(database, worker))
    pace = uvloop.run(_read_pace(database))
    left = f"{pace.waiting:,} left after {DRAIN_TIMEOUT_S:.0f} s; " if pace.waiting else ""
    return Figure(
        name=f"worker, backlog of {events:,} events",
        value=pace.per_second,
        target=APPLIED,
        failures=events - pace.done - pace.waiting,
        note=f"{left}all alerts began within ten minutes: the events of a batch are about many",
    )


async def _preload(database: Database, account: Account, bodies: list[bytes]) -> None:
    await database.empty()
    async with database.connection() as connection:
        for first in range(0, len(bodies), PRELOAD_ROWS):
            batch = bodies[first : first + PRELOAD_ROWS]
            await insert_deliveries(connection, [examine(account.id, body) for body in batch])


async def _wait_until_drained(database: Database, worker: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + DRAIN_TIMEOUT_S
    async with database.connection() as connection:
        while await connection.fetchval(_WAITING) and monotonic() < deadline:
            if worker.poll() is not None:
                raise ProcessError("the worker ended before its work was done")
            await asyncio.sleep(LOOK_EVERY_S)


async def _read_pace(database: Database) -> Pace:
    async with database.connection() as connection:
        batches = await connection.fetch(_BATCHES)
        waiting = await connection.fetchval(_COUNT_WAITING)
    return pace_of(batches, waiting)


def pace_of(batches: Sequence[asyncpg.Record], waiting: int) -> Pace:
    """Return the pace of batches, each with its `events` and when it was `finished_at`."""
    done = sum(batch["events"] for batch in batches)
    if len(batches) < 2:  # noqa: PLR2004 - a pace needs a beginning and an end
        return Pace(0.0, done, waiting)
    first: datetime = batches[0]["finished_at"]
    last: datetime = batches[-1]["finished_at"]
    # A batch is stamped when its transaction begins: the last one's work is after the last stamp.
    timed = done - batches[-1]["events"]
    return Pace(timed / (last - first).total_seconds(), done, waiting)


def measure_latency(
    database: Database, account: Account, templates: list[bytes], log: Path, *, samples: int
) -> Figure:
    """Send one webhook at a time to an idle `serve`; time from its 202 until the alert is there."""
    uvloop.run(database.empty())
    with serving(environment=database.environment, log=log) as server:
        address = Address.of(account.webhook(server.url))
        latencies_ms = uvloop.run(_read_latencies(database, address, templates, samples))
    return Figure(
        name="idle: webhook answered -> alert readable",
        value=len(latencies_ms),
        unit="samples",
        p50_ms=percentile(latencies_ms, 50),
        p99_ms=percentile(latencies_ms, 99),
        target=READABLE,
        failures=samples - len(latencies_ms),
        note=f"looked for in the database every {POLL_EVERY_S * 1000:g} ms",
    )


async def _read_latencies(
    database: Database, address: Address, templates: list[bytes], samples: int
) -> list[float]:
    """Return the latencies of those webhooks that were accepted and became readable."""
    latencies_ms = []
    exchange = await Exchange.open(address)
    async with database.connection() as connection:
        for number in range(samples):
            await asyncio.sleep(random.uniform(PAUSE_MIN_S, PAUSE_MAX_S))
            index = number * len(PATH)
            status = await exchange.send(address.post(body_of(templates, LATENCY_RUN, index)))
            answered = perf_counter()
            if status == HTTPStatus.ACCEPTED and await _appears(
                connection, alert_id_of(LATENCY_RUN, index)
            ):
                latencies_ms.append((perf_counter() - answered) * 1000)
    exchange.close()
    return latencies_ms


async def _appears(connection: Connection, external_id: str) -> bool:
    deadline = monotonic() + READABLE_TIMEOUT_S
    while not await connection.fetchval(_IS_READABLE, external_id):
        if monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_EVERY_S)
    return True


_WAITING = "SELECT EXISTS (SELECT FROM deliveries WHERE state IN ('queued', 'running'))"
_COUNT_WAITING = "SELECT count(*) FROM deliveries WHERE state IN ('queued', 'running')"
_BATCHES = """
SELECT finished_at, count(*) AS events FROM deliveries WHERE state = 'done'
GROUP BY finished_at ORDER BY finished_at
"""
_IS_READABLE = "SELECT EXISTS (SELECT FROM alerts WHERE external_id = $1)"
