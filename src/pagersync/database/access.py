"""Reaching the database, whichever it is, with its schema in place."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.embedded import EmbeddedPostgres
from pagersync.database.engine import create_engine
from pagersync.database.migrate import current_revision, is_known, newest_revision, upgrade
from pagersync.database.trouble import is_unreachable
from pagersync.errors import PagersyncError
from pagersync.settings import Settings

EMBEDDED_DIR: Final = "postgres"


class DatabaseError(PagersyncError):
    """The database is away, or its schema is not the one that this version needs."""

    code = "database"
    title = "Database"


@contextmanager
def open_database(
    settings: Settings, *, keep: bool = False, migrate: bool = False
) -> Iterator[Settings]:
    """Yield settings whose database can be used until the block ends.

    Without `PAGERSYNC_DATABASE_URL` that is the embedded PostgreSQL, started unless another
    process runs it already, and always migrated. An external one is migrated only on request.

    Args:
        settings: as the operator gave them.
        keep: for processes that stay: they take over when the owner of the embedded one ends.
        migrate: bring an external database up to date.

    Raises:
        DatabaseError: it is away, or behind, or ahead.
    """
    if settings.database_url is not None:
        asyncio.run(_prepare(settings, migrate=migrate))
        yield settings
        return
    embedded = EmbeddedPostgres(settings.data_dir / EMBEDDED_DIR)
    embedded.start(keep=keep)
    try:
        found = settings.at_database(embedded.url)
        asyncio.run(_prepare(found, migrate=True))
        yield found
    finally:
        embedded.stop()


async def _prepare(settings: Settings, *, migrate: bool) -> None:
    engine = create_engine(settings, command_timeout_s=None)
    try:
        await _bring_up_to_date(engine, migrate=migrate)
    except Exception as error:
        if is_unreachable(error):
            raise DatabaseError(f"the database cannot be reached: {_cause(error)}") from None
        raise
    finally:
        await engine.dispose()


async def _bring_up_to_date(engine: AsyncEngine, *, migrate: bool) -> None:
    async with engine.connect() as connection:
        revision = await current_revision(connection)
    if revision == newest_revision():
        return
    if not is_known(revision):
        raise DatabaseError(
            f"the database is at revision {revision}, which is newer than this version of "
            "pagersync: run the newer one"
        )
    if not migrate:
        raise DatabaseError(
            "the database is behind this version: run `pagersync migrate`, "
            "or `pagersync serve --migrate`"
        )
    await upgrade(engine)


def _cause(error: BaseException) -> str:
    """Return the innermost reason; SQLAlchemy's wrapping would repeat the statement."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def embedded_root(settings: Settings) -> Path:
    """Return the directory of the embedded PostgreSQL."""
    return (settings.data_dir / EMBEDDED_DIR).resolve()


def is_embedded(settings: Settings) -> bool:
    """Tell whether the database that was found is the embedded one: its socket says so."""
    if settings.database_url is None:
        return False
    urls = settings.database_url.get_secret_value(), EmbeddedPostgres(embedded_root(settings)).url
    found, embedded = (make_url(url).query.get("host") for url in urls)
    return found == embedded
