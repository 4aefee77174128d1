"""A queue of its own, for the tests of the queue."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from tests.support.things import TABLE, Tables


@pytest.fixture(scope="module")
async def things(migrated_engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Yield an engine on a database that has the table."""
    async with migrated_engine.begin() as connection:
        await connection.run_sync(Tables.metadata.create_all)
    yield migrated_engine
    async with migrated_engine.begin() as connection:
        await connection.run_sync(Tables.metadata.drop_all)


@pytest.fixture
async def connection(things: AsyncEngine) -> AsyncIterator[Connection]:
    async with raw_connection(things) as borrowed:
        yield borrowed
        await borrowed.execute(f"TRUNCATE {TABLE}")


@pytest.fixture
async def other(things: AsyncEngine, connection: Connection) -> AsyncIterator[Connection]:
    """Yield a second worker's connection."""
    async with raw_connection(things) as borrowed:
        assert borrowed is not connection
        yield borrowed
