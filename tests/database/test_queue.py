"""The queue on a table of its own: claims, leases, and how rows end."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.database.queue import (
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    ERROR_CHARACTERS_MAX,
    Outcome,
    backoff_s,
)
from pagersync.settings import Settings
from tests.support.things import (
    TABLE,
    add_thing,
    add_things,
    queue_of_things,
    read_thing,
)
from tests.support.wait import eventually

CLAIM_AND_HANG = """
import asyncio, sys
from pydantic import SecretStr
from pagersync.database.engine import create_engine, raw_connection
from pagersync.settings import Settings
from tests.support.things import queue_of_things

async def claim_and_hang():
    engine = create_engine(Settings(database_url=SecretStr(sys.argv[1])))
    async with raw_connection(engine) as connection:
        batch = await queue_of_things(lease_s=0.6).claim(connection, rows_max=10)
        print(len(batch.rows), flush=True)
        await asyncio.sleep(60)

asyncio.run(claim_and_hang())
"""

jitters = st.floats(0, 1)


async def test_rows_are_claimed_in_batches_oldest_first(connection: Connection) -> None:
    queue = queue_of_things()
    last = await add_thing(connection, 1, delay_s=-10)
    first, second, third = [
        await add_thing(connection, number, delay_s=-20) for number in (2, 3, 4)
    ]
    await add_thing(connection, 5, delay_s=60)
    assert [row["id"] for row in (await queue.claim(connection, rows_max=2)).rows] == [
        first,
        second,
    ]
    assert {row["id"] for row in (await queue.claim(connection, rows_max=9)).rows} == {third, last}
    assert not await queue.claim(connection, rows_max=9)


async def test_a_claim_counts_the_attempt_and_says_until_when_it_holds(
    connection: Connection,
) -> None:
    thing = await add_thing(connection, 1, lock_key="key")
    batch = await queue_of_things(lease_s=60).claim(connection, rows_max=1)
    assert [dict(row) for row in batch.rows] == [{"id": thing, "attempt": 1, "lock_key": "key"}]
    row = await read_thing(connection, thing)
    assert (row["state"], row["attempt"], row["lease_token"]) == ("running", 1, batch.token)
    left = row["leased_until"] - datetime.now(UTC)
    assert timedelta(seconds=55) < left <= timedelta(seconds=60)


async def test_workers_that_claim_at_once_never_get_the_same_row(
    connection: Connection, things: AsyncEngine
) -> None:
    every = await add_things(connection, [None] * 300)

    async def claim_all() -> list[UUID]:
        mine: list[UUID] = []
        async with raw_connection(things) as own:
            while batch := await queue_of_things().claim(own, rows_max=7):
                mine += [row["id"] for row in batch.rows]
        return mine

    claimed = await asyncio.gather(*(claim_all() for _ in range(5)))
    assert sorted(thing for mine in claimed for thing in mine) == every
    assert sum(map(bool, claimed)) > 1


async def test_a_claim_does_not_wait_for_rows_that_another_is_claiming(
    connection: Connection, other: Connection
) -> None:
    queue = queue_of_things()
    every = await add_things(connection, [None] * 4)
    async with connection.transaction():
        mine = await queue.claim(connection, rows_max=2)
        async with asyncio.timeout(5):
            theirs = await queue.claim(other, rows_max=4)
    assert sorted(row["id"] for row in [*mine.rows, *theirs.rows]) == every


async def test_a_finished_row_has_an_end_and_no_holder(connection: Connection) -> None:
    queue = queue_of_things()
    thing = await add_thing(connection, 1)
    batch = await queue.claim(connection, rows_max=1)
    assert (await read_thing(connection, thing))["finished_at"] is None
    assert await queue.finish(connection, batch.token, [Outcome.done(thing)]) == {thing}
    row = await read_thing(connection, thing)
    assert (row["state"], row["attempt"], row["last_error"]) == ("done", 1, None)
    assert row["finished_at"] is not None
    assert (row["lease_token"], row["leased_until"]) == (None, None)
    assert not await queue.claim(connection, rows_max=1)


async def test_a_row_whose_lease_ran_out_comes_back_and_its_late_worker_changes_nothing(
    connection: Connection, other: Connection
) -> None:
    hasty, queue = queue_of_things(lease_s=0), queue_of_things()
    thing = await add_thing(connection, 1)
    late = await hasty.claim(connection, rows_max=1)
    assert await queue.expire(other) == 1
    assert "ended without a word" in (await read_thing(other, thing))["last_error"]
    taken_over = await queue.claim(other, rows_max=1)
    assert [(row["id"], row["attempt"]) for row in taken_over.rows] == [(thing, 2)]
    before = await read_thing(connection, thing)
    assert await queue.finish(connection, late.token, [Outcome.done(thing)]) == set()
    assert await read_thing(connection, thing) == before
    assert await queue.finish(other, taken_over.token, [Outcome.done(thing)]) == {thing}
    row = await read_thing(connection, thing)
    assert (row["state"], row["last_error"]) == ("done", None)


async def test_a_late_worker_cannot_finish_a_row_that_waits_again(connection: Connection) -> None:
    queue = queue_of_things(lease_s=0)
    thing = await add_thing(connection, 1)
    late = await queue.claim(connection, rows_max=1)
    await queue.expire(connection)
    before = await read_thing(connection, thing)
    assert before["state"] == "queued"
    assert await queue.finish(connection, late.token, [Outcome.done(thing)]) == set()
    assert await read_thing(connection, thing) == before


async def test_of_a_batch_only_what_is_still_held_is_finished(connection: Connection) -> None:
    queue = queue_of_things()
    held, lost = await add_things(connection, [None, None])
    batch = await queue.claim(connection, rows_max=2)
    await connection.execute(f"UPDATE {TABLE} SET lease_token = $1 WHERE id = $2", uuid4(), lost)  # noqa: S608 - a constant
    both = [Outcome.done(held), Outcome.done(lost)]
    assert await queue.finish(connection, batch.token, both) == {held}
    assert (await read_thing(connection, lost))["state"] == "running"


async def test_a_wrong_token_finishes_nothing(connection: Connection) -> None:
    queue = queue_of_things()
    thing = await add_thing(connection, 1)
    await queue.claim(connection, rows_max=1)
    before = await read_thing(connection, thing)
    for outcome in (Outcome.done(thing), Outcome.bury(thing, error="no")):
        assert await queue.finish(connection, uuid4(), [outcome]) == set()
    assert await read_thing(connection, thing) == before


async def test_an_expiry_that_meets_a_finish_leaves_the_row_to_it(
    connection: Connection, other: Connection
) -> None:
    queue = queue_of_things(lease_s=0)
    thing = await add_thing(connection, 1)
    batch = await queue.claim(connection, rows_max=1)
    async with connection.transaction():
        assert await queue.finish(connection, batch.token, [Outcome.done(thing)]) == {thing}
        async with asyncio.timeout(5):
            assert await queue.expire(other) == 0
    assert (await read_thing(connection, thing))["state"] == "done"


async def test_a_failed_row_is_tried_again_after_a_pause(connection: Connection) -> None:
    queue = queue_of_things(attempts_max=2)
    thing = await add_thing(connection, 1)
    batch = await queue.claim(connection, rows_max=1)
    failed = Outcome.failed(thing, attempt=1, attempts_max=2, error="first")
    await queue.finish(connection, batch.token, [failed])
    row = await read_thing(connection, thing)
    assert (row["state"], row["attempt"], row["last_error"]) == ("queued", 1, "first")
    assert row["finished_at"] is None
    assert row["run_at"] > datetime.now(UTC)
    assert not await queue.claim(connection, rows_max=1)
    batch = await eventually(lambda: queue.claim(connection, rows_max=1))
    failed = Outcome.failed(thing, attempt=2, attempts_max=2, error="second")
    await queue.finish(connection, batch.token, [failed])
    row = await read_thing(connection, thing)
    assert (row["state"], row["attempt"], row["last_error"]) == ("dead", 2, "second")
    assert row["finished_at"] is not None


@given(attempt=st.integers(1, 10_000), jitter=jitters)
def test_a_pause_is_never_nothing_and_never_over_the_cap(attempt: int, jitter: float) -> None:
    pause_s = backoff_s(attempt, jitter)
    assert BACKOFF_FIRST_S / 10 <= pause_s <= BACKOFF_MAX_S
    assert pause_s <= BACKOFF_FIRST_S * 2 ** min(attempt - 1, 60)


@given(attempt=st.integers(1, 10_000), jitter=jitters)
def test_pauses_grow_with_the_attempts_up_to_the_cap(attempt: int, jitter: float) -> None:
    assert backoff_s(attempt, jitter) <= backoff_s(attempt + 1, jitter)
    doubled = min(BACKOFF_MAX_S, 2 * backoff_s(attempt, 1))
    assert backoff_s(attempt + 1, 1) == doubled


@given(attempt=st.integers(1, 10_000), one=jitters, more=jitters)
def test_jitter_spreads_a_pause_over_its_whole_range(attempt: int, one: float, more: float) -> None:
    low, high = sorted((one, more))
    assert backoff_s(attempt, low) <= backoff_s(attempt, high)
    assert backoff_s(attempt, 0) == BACKOFF_FIRST_S / 10
    assert backoff_s(30, 1) == BACKOFF_MAX_S


async def test_snoozing_gives_the_attempt_back(connection: Connection) -> None:
    queue = queue_of_things(attempts_max=1)
    thing = await add_thing(connection, 1)
    for _ in range(3):
        batch = await queue.claim(connection, rows_max=1)
        snooze = Outcome.snooze(thing, delay_s=0, reason="the account is disabled")
        await queue.finish(connection, batch.token, [snooze])
    row = await read_thing(connection, thing)
    assert (row["state"], row["attempt"]) == ("queued", 0)
    assert row["last_error"] == "the account is disabled"
    batch = await queue.claim(connection, rows_max=1)
    await queue.finish(connection, batch.token, [Outcome.snooze(thing, delay_s=60)])
    assert not await queue.claim(connection, rows_max=1)


async def test_a_buried_row_is_dead_at_once_and_says_why(connection: Connection) -> None:
    queue = queue_of_things()
    thing = await add_thing(connection, 1)
    batch = await queue.claim(connection, rows_max=1)
    long = "x" * (ERROR_CHARACTERS_MAX + 1)
    await queue.finish(connection, batch.token, [Outcome.bury(thing, error=long)])
    row = await read_thing(connection, thing)
    assert (row["state"], row["attempt"]) == ("dead", 1)
    assert row["last_error"] == long[:ERROR_CHARACTERS_MAX]
    assert row["finished_at"] is not None


async def test_a_row_that_kills_its_workers_ends_among_the_dead(connection: Connection) -> None:
    queue = queue_of_things(attempts_max=3, lease_s=0)
    poison = await add_thing(connection, 1)
    for attempt in (1, 2, 3):
        (row,) = (await queue.claim(connection, rows_max=1)).rows
        assert row["attempt"] == attempt
        assert await queue.expire(connection) == 1
    assert not await queue.claim(connection, rows_max=1)
    dead = await read_thing(connection, poison)
    assert (dead["state"], dead["attempt"]) == ("dead", 3)
    assert dead["finished_at"] is not None
    assert await queue.expire(connection) == 0


async def test_a_row_that_kills_its_workers_takes_no_other_row_along(
    connection: Connection,
) -> None:
    queue = queue_of_things(attempts_max=3, lease_s=0)
    every = await add_things(connection, [None] * 7)
    poison = every[3]
    deaths = 0
    for _ in range(10):
        batch = await queue.claim(connection, rows_max=9)
        claimed = [row["id"] for row in batch.rows]
        if poison in claimed:
            deaths += 1
            assert await queue.expire(connection) == len(claimed)
        else:
            await queue.finish(connection, batch.token, map(Outcome.done, claimed))
    assert deaths == 3
    states = [(await read_thing(connection, thing))["state"] for thing in every]
    assert states == ["done", "done", "done", "dead", "done", "done", "done"]


async def test_rows_that_lost_their_worker_do_not_keep_others_from_being_claimed_together(
    connection: Connection,
) -> None:
    queue = queue_of_things(lease_s=0)
    lost, *fresh = [await add_thing(connection, number, delay_s=-number) for number in (4, 3, 2, 1)]
    await queue.claim(connection, rows_max=1)
    await queue.expire(connection)
    batch = await queue.claim(connection, rows_max=9)
    assert {row["id"] for row in batch.rows} == set(fresh)
    assert [row["id"] for row in (await queue.claim(connection, rows_max=9)).rows] == [lost]


async def test_a_row_held_by_a_killed_process_is_finished_by_another_worker(
    connection: Connection, settings: Settings
) -> None:
    queue = queue_of_things()
    thing = await add_thing(connection, 1, lock_key="key")
    assert settings.database_url is not None
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM_AND_HANG, settings.database_url.get_secret_value()],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "1\n"
        process.kill()
    assert await queue.expire(connection) == 0
    assert not await queue.claim(connection, rows_max=1)
    await eventually(lambda: queue.expire(connection))
    assert (await read_thing(connection, thing))["attempt"] == 1
    batch = await queue.claim(connection, rows_max=1)
    assert [row["attempt"] for row in batch.rows] == [2]
    assert await queue.finish(connection, batch.token, [Outcome.done(thing)]) == {thing}


async def test_a_redriven_row_starts_anew(connection: Connection) -> None:
    queue = queue_of_things(attempts_max=1)
    dead, waiting, held = await add_things(connection, [None, "key", None])
    batch = await queue.claim(connection, rows_max=1)
    failed = Outcome.failed(dead, attempt=1, attempts_max=1, error="no")
    await queue.finish(connection, batch.token, [failed])
    await connection.execute(f"UPDATE {TABLE} SET run_at = 'infinity' WHERE id = $1", waiting)  # noqa: S608 - a constant
    await queue.claim(connection, rows_max=1)
    untouched = [await read_thing(connection, thing) for thing in (waiting, held)]
    assert await queue.redrive(connection, [dead, waiting, held, UUID(int=99)]) == {dead}
    assert [await read_thing(connection, thing) for thing in (waiting, held)] == untouched
    row = await read_thing(connection, dead)
    assert (row["state"], row["attempt"]) == ("queued", 0)
    assert (row["last_error"], row["finished_at"]) == (None, None)
    (again,) = (await queue.claim(connection, rows_max=9)).rows
    assert (again["id"], again["attempt"]) == (dead, 1)


async def test_no_statement_looks_through_the_finished_rows(
    connection: Connection, other: Connection
) -> None:
    queue = queue_of_things(lease_s=0)
    await connection.execute(
        f"INSERT INTO {TABLE} (id, state, lock_key, finished_at, last_error)"  # noqa: S608 - a constant
        " SELECT gen_random_uuid(), 'done', 'key ' || n % 500, now(), repeat('x', 200)"
        " FROM generate_series(1, 20000) AS n"
    )
    await add_things(connection, [f"key {n % 40}" if n % 2 else None for n in range(400)])
    await connection.execute(f"ANALYZE {TABLE}")
    scans = await _count_scans(connection, other)
    for _ in range(10):  # the plan of a prepared statement may change with the sixth execution
        batch = await queue.claim(connection, rows_max=20)
        some = [Outcome.done(row["id"]) for row in batch.rows[:10]]
        assert len(await queue.finish(connection, batch.token, some)) == 10
        assert await queue.expire(connection) == 10
        await queue.redrive(connection, [outcome.id for outcome in some])
    assert await _count_scans(connection, other) == scans


async def _count_scans(connection: Connection, other: Connection) -> int:
    """Return how often anybody has read the whole table so far."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    scans: int = await other.fetchval(
        "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = $1", TABLE
    )
    return scans
