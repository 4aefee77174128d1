"""Leave to call and the note that a page may have been sent, in one statement."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.errors import CredentialsRefused
from pagersync.integrations.gate import Permit, enter, record_failure
from pagersync.paging.batches import loaded
from pagersync.paging.permits import Held, Permits
from pagersync.paging.sender import operations_queue
from pagersync.settings import Settings
from tests.paging.conftest import Paging


@pytest.fixture
async def connection(idle: Paging, engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Yield a connection; the account's rate limiter is there, and has all its tokens."""
    async with raw_connection(engine) as borrowed:
        await enter(borrowed, idle.integration_id, calls_per_s=1000, burst=1000)
        yield borrowed


async def start(
    connection: Connection, engine: AsyncEngine, settings: Settings
) -> dict[UUID | None, Permit | None]:
    """Claim what waits and start all of it at once; return the permits by page."""
    batch = await operations_queue(settings).claim(connection, rows_max=9)
    every = [Held(batch.token, loaded(row).work) for row in batch.rows]
    permits = Permits(engine, settings)
    given = await asyncio.gather(*(permits.start(held) for held in every))
    await permits.aclose()
    return {held.work.page_id: permit for held, permit in zip(every, given, strict=True)}


async def tokens(connection: Connection) -> float:
    left: float = await connection.fetchval("SELECT tokens FROM integration_gates")
    return left


async def test_pages_that_start_are_noted_and_paid_for(
    idle: Paging, connection: Connection, engine: AsyncEngine, paging_settings: Settings
) -> None:
    pages = [await idle.page() for _ in range(3)]
    settings = paging_settings.model_copy(update={"pagertree_calls_per_s": 0.001})
    await connection.execute("UPDATE integration_gates SET tokens = 10")
    given = await start(connection, engine, settings)
    assert all(given[page_id] for page_id in pages)
    assert round(await tokens(connection)) == 7
    for page_id in pages:
        assert (await idle.get(page_id)).status == "sending"
        assert (await idle.operations(page_id))[0].may_have_been_sent


async def test_nothing_starts_while_the_rate_limiter_is_shut(
    idle: Paging, connection: Connection, engine: AsyncEngine, paging_settings: Settings
) -> None:
    page_id = await idle.page()
    batch = await operations_queue(paging_settings).claim(connection, rows_max=9)
    await record_failure(connection, idle.integration_id, CredentialsRefused("no"))
    permits = Permits(engine, paging_settings)
    assert await permits.start(Held(batch.token, loaded(batch.rows[0]).work)) is None
    await permits.aclose()
    await has_not_started(idle, page_id)


async def test_nothing_starts_when_there_are_too_few_tokens_for_all(
    idle: Paging, connection: Connection, engine: AsyncEngine, paging_settings: Settings
) -> None:
    pages = [await idle.page() for _ in range(3)]
    settings = paging_settings.model_copy(update={"pagertree_calls_per_s": 0.001})
    await connection.execute("UPDATE integration_gates SET tokens = 2.5")
    given = await start(connection, engine, settings)
    assert set(given.values()) == {None}
    assert round(await tokens(connection), 1) == 2.5
    for page_id in pages:
        await has_not_started(idle, page_id)


async def test_who_looks_for_a_page_gives_way_to_a_new_one(
    idle: Paging, connection: Connection, engine: AsyncEngine, paging_settings: Settings
) -> None:
    settings = paging_settings.model_copy(update={"pagertree_calls_per_s": 1})
    permits = Permits(engine, settings)
    await connection.execute("UPDATE integration_gates SET tokens = 1, refilled_at = now()")
    assert await permits.give_way(idle.integration_id) is not None
    await connection.execute("UPDATE integration_gates SET tokens = -1, refilled_at = now()")
    assert await permits.give_way(idle.integration_id) is None
    waits = await permits.enter(idle.integration_id)
    assert waits is not None
    assert waits.wait_s > 0
    await permits.aclose()


async def test_a_page_that_somebody_holds_is_left_out_and_holds_up_no_other(
    idle: Paging, connection: Connection, engine: AsyncEngine, paging_settings: Settings
) -> None:
    held, free = await idle.page(), await idle.page()
    async with raw_connection(engine) as holding:
        await holding.execute("BEGIN")
        await holding.execute("SELECT FROM pages WHERE id = $1 FOR UPDATE", held)
        given = await asyncio.wait_for(start(connection, engine, paging_settings), 5)
        await holding.execute("ROLLBACK")
    assert given[held] is None
    assert given[free] is not None
    await has_not_started(idle, held)


async def test_a_page_that_pagertree_has_does_not_start(
    idle: Paging, connection: Connection, engine: AsyncEngine, paging_settings: Settings
) -> None:
    page_id = await idle.page()
    batch = await operations_queue(paging_settings).claim(connection, rows_max=9)
    await connection.execute("UPDATE pages SET pagertree_alert_id = 'alt_1'")
    permits = Permits(engine, paging_settings)
    assert await permits.start(Held(batch.token, loaded(batch.rows[0]).work)) is None
    await permits.aclose()
    assert not (await idle.operations(page_id))[0].may_have_been_sent


async def test_a_page_whose_lease_is_lost_does_not_start(
    idle: Paging, connection: Connection, engine: AsyncEngine, paging_settings: Settings
) -> None:
    page_id = await idle.page()
    batch = await operations_queue(paging_settings).claim(connection, rows_max=9)
    permits = Permits(engine, paging_settings)
    stranger = Held(idle.integration_id, loaded(batch.rows[0]).work)
    assert await permits.start(stranger) is None
    await permits.aclose()
    assert not (await idle.operations(page_id))[0].may_have_been_sent


async def has_not_started(idle: Paging, page_id: UUID) -> None:
    assert (await idle.get(page_id)).status == "queued"
    assert not (await idle.operations(page_id))[0].may_have_been_sent
