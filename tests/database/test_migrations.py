"""Migrations: what they make, how they meet each other, and what an operator is told."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.access import DatabaseError, open_database
from pagersync.database.engine import raw_connection
from pagersync.database.migrate import (
    MIGRATION_LOCK,
    alembic_config,
    current_revision,
    newest_revision,
    upgrade,
)
from pagersync.settings import Settings
from pagersync.tables import Base
from tests.support.databases import engine_at, scratch_database

DESCRIBE = """
WITH ours AS (
    SELECT oid FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
)
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid IN (SELECT * FROM ours)
UNION ALL
SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid IN (SELECT * FROM ours)
UNION ALL
SELECT attrelid::regclass || ' ' || attname || ' ' || format_type(atttypid, atttypmod)
    || ' ' || attnotnull || ' ' || coalesce(pg_get_expr(adbin, adrelid), '')
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (SELECT * FROM ours)
UNION ALL
SELECT 'sequence ' || relname FROM pg_class
WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""

LEFT_BEHIND = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND relname NOT IN ('alembic_version', 'alembic_version_pkc')
UNION ALL
SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
    AND typname NOT IN ('alembic_version', '_alembic_version')
"""


@pytest.fixture
async def url(migrated_engine: AsyncEngine) -> AsyncIterator[str]:
    """Yield the address of an empty external database."""
    async with scratch_database(migrated_engine) as url:
        yield url


@pytest.fixture
async def empty(url: str) -> AsyncIterator[AsyncEngine]:
    async with engine_at(url) as engine:
        yield engine


async def alembic(engine: AsyncEngine, action: Callable[..., None], *arguments: str) -> None:
    """Run an Alembic command in the database."""

    def run(connection: Connection) -> None:
        config: Config = alembic_config(connection)
        action(config, *arguments)

    async with engine.begin() as connection:
        await connection.run_sync(run)


async def revision(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return await current_revision(connection)


async def described(engine: AsyncEngine) -> list[str]:
    """Return every column, index, constraint and sequence, in PostgreSQL's words."""
    async with engine.connect() as connection:
        return sorted((await connection.scalars(text(DESCRIBE))).all())


async def test_migrations_make_exactly_what_the_models_say(
    empty: AsyncEngine, migrated_engine: AsyncEngine
) -> None:
    await upgrade(empty)
    await alembic(empty, command.check)
    async with scratch_database(migrated_engine) as url, engine_at(url) as other:
        async with other.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        wanted = await described(other)
    assert any("INDEX deliveries_queued_idx" in line for line in wanted)
    assert await described(empty) == wanted


async def test_a_database_goes_back_to_nothing_and_up_again(empty: AsyncEngine) -> None:
    await upgrade(empty)
    before = await described(empty)
    await alembic(empty, command.downgrade, "base")
    async with empty.connect() as connection:
        assert (await connection.scalars(text(LEFT_BEHIND))).all() == []
    assert await revision(empty) is None
    await upgrade(empty)
    assert await described(empty) == before
    assert await revision(empty) == newest_revision()


async def test_upgrading_what_is_up_to_date_changes_nothing(empty: AsyncEngine) -> None:
    await upgrade(empty)
    before = await described(empty)
    await upgrade(empty)
    assert await described(empty) == before


async def test_processes_that_migrate_at_once_wait_for_each_other(url: str) -> None:
    async with engine_at(url) as one, engine_at(url) as other, engine_at(url) as third:
        await asyncio.gather(upgrade(one), upgrade(other), upgrade(third))
        assert await revision(one) == newest_revision()


async def test_a_migration_that_fails_changes_nothing_and_holds_up_nobody(
    empty: AsyncEngine,
) -> None:
    async with raw_connection(empty) as raw:
        await raw.execute("CREATE TABLE deliveries ()")
    with pytest.raises(ProgrammingError, match='relation "deliveries" already exists'):
        await upgrade(empty)
    assert await revision(empty) is None
    async with raw_connection(empty) as raw:
        assert await raw.fetchval("SELECT to_regclass('alerts')") is None
        assert await raw.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
        await raw.execute("DROP TABLE deliveries")
    await upgrade(empty)
    assert await revision(empty) == newest_revision()


async def open_and_close(url: str, *, migrate: bool = False) -> None:
    def open_it() -> None:
        with open_database(Settings(database_url=SecretStr(url)), migrate=migrate):
            pass

    await asyncio.to_thread(open_it)


async def test_a_database_that_is_behind_is_refused_until_pagersync_migrate(
    url: str, empty: AsyncEngine, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseError, match="`pagersync migrate`") as refused:
        await open_and_close(url)
    assert "\n" not in refused.value.detail
    assert await revision(empty) is None
    served = await asyncio.to_thread(pagersync, url, tmp_path, "serve")
    assert (served.returncode, served.stderr) == (1, f"pagersync: {refused.value.detail}\n")
    migrated = await asyncio.to_thread(pagersync, url, tmp_path, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert migrated.stdout == f"The database is at revision {newest_revision()}.\n"
    await open_and_close(url)


def pagersync(url: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pagersync", *arguments],
        env={
            **os.environ,
            "PAGERSYNC_DATABASE_URL": url,
            "PAGERSYNC_DATA_DIR": str(directory),
            "PAGERSYNC_PORT": "0",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_opening_may_bring_the_database_up_to_date(url: str, empty: AsyncEngine) -> None:
    await open_and_close(url, migrate=True)
    assert await revision(empty) == newest_revision()


@pytest.mark.parametrize("migrate", [True, False])
async def test_a_database_of_a_newer_version_is_refused_and_not_touched(
    url: str, empty: AsyncEngine, *, migrate: bool
) -> None:
    await upgrade(empty)
    async with empty.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="revision 9999, which is newer") as refused:
        await open_and_close(url, migrate=migrate)
    assert "\n" not in refused.value.detail
    assert await revision(empty) == "9999"


async def test_a_database_that_is_away_is_one_line() -> None:
    with pytest.raises(DatabaseError, match="cannot be reached") as refused:
        await open_and_close("postgresql://user:planted-password@127.0.0.1:1/pagersync")
    assert "\n" not in refused.value.detail
    assert "planted-password" not in refused.value.detail


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
async def test_any_way_to_write_a_postgresql_address_works(
    url: str, empty: AsyncEngine, scheme: str
) -> None:
    await upgrade(empty)
    pasted = make_url(url).set(drivername=scheme).render_as_string(hide_password=False)
    assert pasted.startswith(f"{scheme}://")
    await open_and_close(pasted)


async def test_the_lock_of_a_migration_is_waited_for(url: str, empty: AsyncEngine) -> None:
    async with raw_connection(empty) as holder:
        await holder.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        async with engine_at(url) as other:
            upgrading = asyncio.create_task(upgrade(other))
            done, _ = await asyncio.wait([upgrading], timeout=0.3)
            assert not done
            assert await revision(empty) is None
            await holder.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)
            await upgrading
    assert await revision(empty) == newest_revision()


async def test_a_revision_that_may_not_be_read_is_not_taken_for_an_empty_database(
    empty: AsyncEngine,
) -> None:
    assert await revision(empty) is None
    await upgrade(empty)
    async with empty.connect() as connection:
        await connection.execute(text("SET ROLE pg_monitor"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            await current_revision(connection)
