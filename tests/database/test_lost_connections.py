"""Connections that break while rows are held: the rows are worked soon, not after their lease."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.database.insist import insist
from pagersync.database.pool import Pool
from pagersync.database.queue import Batch, Outcome, Queue
from pagersync.worker import run_queue
from tests.support.things import add_thing, queue_of_things, read_thing
from tests.support.wait import eventually


async def break_off(connection: Connection) -> None:
    """Let the server end a connection."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    raise ConnectionError


@asynccontextmanager
async def working(
    run: Callable[[asyncio.Event, asyncio.Event], Awaitable[None]],
) -> AsyncIterator[None]:
    wake, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.ensure_future(run(wake, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def is_done(engine: AsyncEngine, id_: UUID) -> None:
    async def state() -> str:
        async with raw_connection(engine) as connection:
            return str((await read_thing(connection, id_))["state"])

    await eventually(state, lambda state: state == "done", timeout_s=20)


async def test_a_batch_whose_connection_broke_is_worked_again_at_once(
    things: AsyncEngine, connection: Connection
) -> None:
    queue, times = queue_of_things(lease_s=600), 0

    async def work(connection: Connection, queue: Queue, batch: Batch) -> None:
        nonlocal times
        times += 1
        if times == 1:
            await break_off(connection)
        await queue.finish(connection, batch.token, [Outcome.done(r["id"]) for r in batch.rows])

    id_ = await add_thing(connection, 1)

    async def run(wake: asyncio.Event, stop: asyncio.Event) -> None:
        await run_queue(things, queue, work, rows_max=5, wake=wake, stop=stop)

    async with working(run):
        await is_done(things, id_)


class _LosesOneAnswer(Queue):
    has_lost = False

    async def claim(
        self, connection: Connection, *, rows_max: int, token: UUID | None = None
    ) -> Batch:
        batch = await super().claim(connection, rows_max=rows_max, token=token)
        if batch and not self.has_lost:
            self.has_lost = True
            await break_off(connection)
        return batch


async def test_rows_are_worked_at_once_whose_claim_was_not_heard_of(
    things: AsyncEngine, connection: Connection
) -> None:
    queue = queue_of_things(lease_s=600)
    queue.__class__ = _LosesOneAnswer

    async def take(token: UUID, row: asyncpg.Record) -> None:
        async with raw_connection(things) as own:
            await queue.finish(own, token, [Outcome.done(row["id"])])

    id_ = await add_thing(connection, 1)
    pool = Pool(things, queue, take, concurrency=2, poll_s=0.05)
    async with working(pool.run):
        await is_done(things, id_)


@pytest.mark.parametrize("failures", [0, 2, 5])
async def test_what_cannot_be_given_back_is_tried_again_for_a_while(failures: int) -> None:
    tried = 0

    async def give_back() -> None:
        nonlocal tried
        tried += 1
        if tried <= failures:
            raise ConnectionError

    await insist(give_back, times=4, pause_s=0)
    assert tried == min(failures + 1, 4)
