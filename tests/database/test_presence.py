"""What a process held that is gone is given back at once; what another holds is not touched."""

import os
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database import presence
from pagersync.database.base import new_id
from pagersync.database.engine import Connection, raw_connection
from pagersync.database.presence import Presence
from pagersync.settings import Settings
from pagersync.tables import Base
from pagersync.worker import every_queue
from tests.support.wait import eventually

OTHER = 2**62 + 7
"""The number of another process."""

TOKEN = UUID(int=OTHER << 64 | 1)


GIVE_BACK = {queue.table: queue.give_back for queue in every_queue(Settings())}


async def beat(connection: Connection) -> None:
    await Presence(connection, GIVE_BACK).beat()


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[Connection]:
    async with raw_connection(engine) as connection:
        await beat(connection)
        yield connection


async def seen(connection: Connection, *, ago_s: float) -> None:
    """Let the other process have been seen for the last time so long ago."""
    await connection.execute(
        "INSERT INTO processes (id, seen_at) VALUES ($1, now() - make_interval(secs => $2))",
        OTHER,
        ago_s,
    )


async def held(connection: Connection, token: UUID = TOKEN) -> UUID:
    """Let a delivery be worked under a token; return its id."""
    id_ = new_id()
    await connection.execute(
        "INSERT INTO deliveries (id, integration_id, body, body_sha256, state, attempt,"
        " lease_token, leased_until)"
        " VALUES ($1, $1, 'x', sha256('x'), 'running', 1, $2, now() + interval '1 hour')",
        id_,
        token,
    )
    return id_


async def running(connection: Connection) -> int:
    """Return how many deliveries of the other process are still held."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM deliveries WHERE state = 'running' AND lease_token = $1", TOKEN
    )
    return count


async def test_what_a_process_held_that_is_gone_is_given_back_at_once(
    connection: Connection,
) -> None:
    await seen(connection, ago_s=3)
    await held(connection)
    own = await held(connection, presence.new_token())
    await beat(connection)
    left = await connection.fetch("SELECT id FROM deliveries WHERE state = 'running'")
    assert [row["id"] for row in left] == [own]
    assert await connection.fetchval("SELECT count(*) FROM processes WHERE id = $1", OTHER) == 0


async def test_a_process_that_stalls_keeps_what_it_holds(
    connection: Connection, engine: AsyncEngine
) -> None:
    await seen(connection, ago_s=3600)
    await held(connection)
    async with raw_connection(engine) as another:
        await another.execute("SELECT pg_advisory_lock($1)", OTHER)
        await beat(connection)
        assert await running(connection) == 1
        await another.execute("SELECT pg_advisory_unlock($1)", OTHER)
    await beat(connection)
    assert await running(connection) == 0


async def test_a_process_whose_connection_broke_keeps_what_it_holds(
    connection: Connection,
) -> None:
    await seen(connection, ago_s=0.5)
    await held(connection)
    await beat(connection)
    assert await running(connection) == 1


async def test_after_the_database_has_started_others_have_time_to_come_back(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seen(connection, ago_s=3600)
    await held(connection)
    monkeypatch.setattr("pagersync.database.presence.YOUNG_S", 1e6)
    looking = Presence(connection, GIVE_BACK, come_back_s=60)
    await looking.enter()
    await looking.beat()
    assert await running(connection) == 1
    monkeypatch.setattr("pagersync.database.presence.YOUNG_S", 0)
    await looking.enter()
    await looking.beat()
    assert await running(connection) == 0
    await connection.execute("SELECT pg_advisory_unlock_all()")


async def test_what_kills_each_process_that_works_it_is_dead_in_the_end(
    connection: Connection, settings: Settings
) -> None:
    most = settings.apply_attempts_max
    for attempt in range(1, most + 1):
        await seen(connection, ago_s=3)
        if attempt == 1:
            await held(connection)
        await connection.execute(
            "UPDATE deliveries SET state = 'running', attempt = $1, lease_token = $2",
            attempt,
            TOKEN,
        )
        await beat(connection)
        state = await connection.fetchval("SELECT state FROM deliveries")
        assert state == ("dead" if attempt == most else "queued")


async def test_a_call_that_was_under_way_is_in_doubt_from_now_on(connection: Connection) -> None:
    await seen(connection, ago_s=3)
    for may_have_been_sent in (True, False):
        await connection.execute(
            "INSERT INTO operations (id, integration_id, kind, params, requested_by, state,"
            " attempt, may_have_been_sent, last_sent_at, lease_token, leased_until)"
            " VALUES ($1, $1, 'create_alert', '{}', 'x', 'running', 1, $2,"
            " CASE WHEN $2 THEN now() - interval '1 hour' END, $3, now() + interval '1 hour')",
            new_id(),
            may_have_been_sent,
            TOKEN,
        )
    await beat(connection)
    over = await connection.fetch(
        "SELECT last_sent_at > now() - interval '1 minute' AS is_new FROM operations"
        " WHERE state = 'queued' ORDER BY may_have_been_sent"
    )
    assert [row["is_new"] for row in over] == [None, True]


async def test_a_listener_tells_that_its_process_is_there(
    connection: Connection, engine: AsyncEngine
) -> None:
    async with raw_connection(engine) as another:
        await Presence(connection, {}).enter()
        number = presence.new_token().int >> 64
        assert not await another.fetchval("SELECT pg_try_advisory_lock($1)", number)
        await connection.execute("SELECT pg_advisory_unlock_all()")

        async def is_free() -> bool:
            free: bool = await another.fetchval("SELECT pg_try_advisory_lock($1)", number)
            return free

        await eventually(is_free)
        await another.execute("SELECT pg_advisory_unlock_all()")


def test_every_queue_gives_back_what_the_gone_held() -> None:
    leased = {
        name for name, table in Base.metadata.tables.items() if "lease_token" in table.columns
    }
    assert leased == GIVE_BACK.keys()


def test_a_copy_of_a_process_has_a_number_of_its_own() -> None:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, presence.new_token().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    other = UUID(bytes=os.read(reading, 16))
    os.close(reading)
    os.close(writing)
    tokens = [presence.new_token() for _ in range(100)]
    assert len({token.int >> 64 for token in tokens}) == 1
    assert len(set(tokens)) == 100
    assert other.int >> 64 != tokens[0].int >> 64
