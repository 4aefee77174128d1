"""Bringing a database to this version's schema."""

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from asyncpg import UndefinedTableError
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import pagersync

MIGRATION_LOCK: Final = 7_266_833_052
"""Key of the advisory lock that lets one process migrate at a time. Any number, never another."""


def migrations_dir() -> Path:
    """Return the migrations: inside the installed package, or beside `src` in a checkout."""
    package = Path(pagersync.__file__).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def newest_revision() -> str:
    """Return the revision that this version of the program needs."""
    head = ScriptDirectory(str(migrations_dir())).get_current_head()
    assert head is not None  # noqa: S101 - there is a first migration
    return head


def is_known(revision: str | None) -> bool:
    """Tell whether this version of the program has that revision, or the database is empty."""
    revisions = ScriptDirectory(str(migrations_dir())).walk_revisions()
    return revision is None or any(known.revision == revision for known in revisions)


_CURRENT: Final = text("SELECT version_num FROM alembic_version")


async def current_revision(connection: AsyncConnection) -> str | None:
    """Return the revision that the database is at; None when it is empty.

    Raises:
        ProgrammingError: the revision is there but cannot be read.
    """
    try:
        async with connection.begin_nested():
            revision: str | None = await connection.scalar(_CURRENT)
            return revision
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) == UndefinedTableError.sqlstate:
            return None
        raise


async def upgrade(engine: AsyncEngine) -> None:
    """Apply what is missing. Several processes may call this at once: one works, others wait."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        try:
            await connection.commit()
            await connection.run_sync(_upgrade)
            await connection.commit()
        finally:
            await connection.execute(
                text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK}
            )
            await connection.commit()


def _upgrade(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for one open connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_dir()))
    return config


def include_object(_object: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Leave Alembic's own table out of comparisons."""
    return not (kind == "table" and name == "alembic_version")
