"""Rows with one lock key: in the order of their ids, one at a time, whoever works them."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from random import Random
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.database.queue import Batch, Outcome
from tests.support.things import (
    add_thing,
    add_things,
    queue_of_things,
    work_things,
)
from tests.support.wait import eventually

WORKERS = 5


def ids(batch: Batch) -> list[UUID]:
    return [row["id"] for row in batch.rows]


async def test_of_one_key_only_the_oldest_row_is_claimed(connection: Connection) -> None:
    queue = queue_of_things()
    a1, _, b1, a3 = await add_things(connection, ["a", "a", "b", "a"])
    assert a1 < a3
    batch = await queue.claim(connection, rows_max=9)
    assert ids(batch) == [a1, b1]
    assert not await queue.claim(connection, rows_max=9)
    await queue.finish(connection, batch.token, [Outcome.done(a1)])
    assert ids(await queue.claim(connection, rows_max=9)) == [UUID(int=2)]


async def test_rows_without_a_key_do_not_wait_for_one_another(connection: Connection) -> None:
    every = await add_things(connection, [None] * 3)
    assert ids(await queue_of_things().claim(connection, rows_max=9)) == every


async def test_a_row_that_waits_for_its_next_attempt_holds_back_those_behind_it(
    connection: Connection,
) -> None:
    queue = queue_of_things()
    first, second = await add_things(connection, ["key", "key"])
    batch = await queue.claim(connection, rows_max=1)
    await queue.finish(connection, batch.token, [Outcome.snooze(first, delay_s=0.2)])
    assert not await queue.claim(connection, rows_max=9)
    batch = await eventually(lambda: queue.claim(connection, rows_max=9))
    assert ids(batch) == [first]
    await queue.finish(connection, batch.token, [Outcome.bury(first, error="no")])
    assert ids(await queue.claim(connection, rows_max=9)) == [second]


async def test_an_older_row_that_is_committed_late_does_not_run_beside_a_younger(
    connection: Connection, other: Connection
) -> None:
    queue = queue_of_things()
    async with other.transaction():
        older = await add_thing(other, 1, lock_key="key")
        younger = await add_thing(connection, 2, lock_key="key")
        batch = await queue.claim(connection, rows_max=9)
        assert ids(batch) == [younger]
    assert not await queue.claim(connection, rows_max=9)
    await queue.finish(connection, batch.token, [Outcome.done(younger)])
    assert ids(await queue.claim(connection, rows_max=9)) == [older]


class RolledBack(Exception):
    """Ends a transaction without a commit."""


@pytest.mark.parametrize("is_committed", [True, False])
async def test_two_rows_of_one_key_are_not_claimed_at_the_same_moment(
    connection: Connection, other: Connection, *, is_committed: bool
) -> None:
    """A claim that cannot see the other claim yet is stopped by the unique index."""
    queue = queue_of_things()
    younger = await add_thing(connection, 2, lock_key="key")
    async with asyncio.TaskGroup() as group:
        with suppress(RolledBack):
            async with connection.transaction():
                assert ids(await queue.claim(connection, rows_max=9)) == [younger]
                older = await add_thing(other, 1, lock_key="key")
                free = await add_thing(other, 3)
                claiming = group.create_task(queue.claim(other, rows_max=9))
                await eventually(lambda: is_waiting(connection, other))
                if not is_committed:
                    raise RolledBack
    assert ids(claiming.result()) == ([free] if is_committed else [older, free])


async def test_claims_that_wait_for_each_other_end_without_an_error(
    connection: Connection, other: Connection
) -> None:
    """Two claims may take rows of the same two keys in opposite order."""
    queue = queue_of_things()
    a2 = await add_thing(connection, 12, lock_key="a", delay_s=-9)
    b2 = await add_thing(connection, 22, lock_key="b")
    await other.execute("SET deadlock_timeout = '100ms'")  # so that this one is the victim
    async with (
        asyncio.TaskGroup() as group,
        connection.transaction(isolation="repeatable_read"),
    ):
        first = await queue.claim(connection, rows_max=1)
        await add_thing(other, 21, lock_key="b", delay_s=-8)
        await add_thing(other, 11, lock_key="a", delay_s=-7)
        claiming = group.create_task(queue.claim(other, rows_max=9))
        await eventually(lambda: is_waiting(connection, other))
        second = await queue.claim(connection, rows_max=1)
    assert (ids(first), ids(second), ids(claiming.result())) == ([a2], [b2], [])
    await other.execute("RESET deadlock_timeout")


async def is_waiting(connection: Connection, other: Connection) -> bool:
    waits: bool = await connection.fetchval(
        "SELECT cardinality(pg_blocking_pids($1)) > 0", other.get_server_pid()
    )
    return waits


@pytest.mark.parametrize("seed", [1, 2])
async def test_many_workers_keep_the_order_of_every_key(
    connection: Connection, things: AsyncEngine, seed: int
) -> None:
    rng = Random(seed)
    keys = [None, *(f"key {number}" for number in range(15))]
    every = await add_things(connection, rng.choices(keys, k=200))
    journal = await work_things(things, WORKERS)
    assert {thing for _, thing in journal.ended} == set(every)
    assert journal.together_max > 1
    assert len(journal.begun) > len(every), "some rows had more than one attempt"
    worked: dict[str, list[UUID]] = defaultdict(list)
    for key, thing in journal.begun:
        if key is not None:
            worked[key].append(thing)
    assert dict(worked) == {key: sorted(worked[key]) for key in worked}


@pytest.mark.usefixtures("connection")
async def test_rows_that_come_in_any_order_while_many_work_run_one_at_a_time(
    things: AsyncEngine,
) -> None:
    numbers = list(range(1, 201))
    Random(3).shuffle(numbers)
    inserters = [asyncio.create_task(insert(things, numbers[n::2], Random(n))) for n in range(2)]
    journal = await work_things(
        things, WORKERS - 1, lambda: all(inserter.done() for inserter in inserters)
    )
    await asyncio.gather(*inserters)
    assert {thing for _, thing in journal.ended} == {UUID(int=number) for number in numbers}
    assert journal.together_max > 1


async def insert(engine: AsyncEngine, numbers: list[int], rng: Random) -> None:
    """Insert a few things at a time, in transactions that take a while to commit."""
    async with raw_connection(engine) as connection:
        while numbers:
            async with connection.transaction():
                for number in numbers[:4]:
                    await add_thing(connection, number, lock_key=f"key {rng.randint(1, 6)}")
                    await asyncio.sleep(rng.uniform(0, 0.003))
            numbers = numbers[4:]
