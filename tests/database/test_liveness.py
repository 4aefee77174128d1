"""Connections of the pool that have ended, and those that may have."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database import liveness
from pagersync.database.engine import create_engine, dispose, raw_connection
from pagersync.settings import Settings

PID = "SELECT pg_backend_pid()"


@pytest.fixture
async def pool(engine: AsyncEngine, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Yield a pool in which nobody else's connections are."""
    address = engine.url.render_as_string(hide_password=False)
    own = create_engine(settings.at_database(address))
    yield own
    await dispose(own)


async def test_a_connection_that_postgresql_has_closed_is_handed_out_to_nobody(
    engine: AsyncEngine, pool: AsyncEngine
) -> None:
    async with raw_connection(pool) as closed:
        pid = await closed.fetchval(PID)
    async with raw_connection(engine) as other:
        await other.execute("SELECT pg_terminate_backend($1)", pid)
    while not closed.is_closed():
        await asyncio.sleep(0.01)
    async with raw_connection(pool) as connection:
        assert await connection.fetchval(PID) != pid


async def test_a_connection_that_was_just_used_is_not_asked_whether_it_works(
    pool: AsyncEngine,
) -> None:
    assert await said_before_it_is_used_again(pool) == []


async def test_a_connection_that_nobody_used_for_a_while_is_asked_whether_it_works(
    pool: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "TRUSTED_S", 0)
    assert ";" in await said_before_it_is_used_again(pool)


async def test_a_connection_that_was_lost_silently_is_replaced(
    pool: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "TRUSTED_S", 0)
    async with raw_connection(pool) as lost:
        pid = await lost.fetchval(PID)
    lost.terminate()
    monkeypatch.setattr(type(lost), "is_closed", lambda _: False)
    async with raw_connection(pool) as connection:
        assert await connection.fetchval(PID) != pid


async def said_before_it_is_used_again(pool: AsyncEngine) -> list[str]:
    said: list[str] = []
    async with raw_connection(pool) as connection:
        connection.add_query_logger(lambda query: said.append(query.query))
    async with raw_connection(pool) as again:
        assert again is connection
    return said
