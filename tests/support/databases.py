"""Databases of their own, beside the one that tests share, on the same server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import create_engine, raw_connection
from pagersync.settings import Settings
from pagersync.tables import Base

DELETE_ALL = ";".join(
    [
        "SET session_replication_role = replica",  # without triggers: the audit log keeps its rows
        *(
            f"DELETE FROM {table.name}"  # noqa: S608 - our own table names
            for table in reversed(Base.metadata.sorted_tables)
        ),
        "SET session_replication_role = origin",
    ]
)


async def empty(engine: AsyncEngine) -> None:
    """Delete every row: one message is a twentieth of what as many statements take."""
    async with raw_connection(engine) as connection:
        await connection.execute(DELETE_ALL)


@asynccontextmanager
async def scratch_database(server: AsyncEngine) -> AsyncIterator[str]:
    """Yield the address of an empty database; it is gone when the block ends."""
    name = f"scratch_{uuid4().hex}"
    url = make_url(server.url).set(database=name)
    async with raw_connection(server) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        async with raw_connection(server) as connection:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def engine_at(url: str) -> AsyncIterator[AsyncEngine]:
    """Yield an engine on the database at `url`."""
    engine = create_engine(Settings(database_url=SecretStr(url)))
    try:
        yield engine
    finally:
        await engine.dispose()
