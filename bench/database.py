"""The durable PostgreSQL that everything is measured against, and what the bench does to it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.access import EMBEDDED_DIR
from pagersync.database.embedded import EmbeddedPostgres
from pagersync.database.engine import Connection, create_engine, create_sessions
from pagersync.integrations.service import add_integration
from pagersync.settings import Settings

EMPTIED: Final = (
    "TRUNCATE deliveries, alerts, alert_events, domain_events, pages, operations, attempts, "
    "incident_alerts, incident_events, incidents, search_lags"
)


@dataclass(frozen=True, slots=True)
class Database:
    """A running, migrated PostgreSQL."""

    settings: Settings
    dsn: str

    @property
    def environment(self) -> Mapping[str, str]:
        """What sends a child process here."""
        data_dir = str(self.settings.data_dir)
        return {"PAGERSYNC_DATABASE_URL": self.dsn, "PAGERSYNC_DATA_DIR": data_dir}

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Yield a connection of its own."""
        connection = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[AsyncEngine]:
        """Yield a pool, as the product makes it."""
        engine = create_engine(self.settings)
        yield engine
        await engine.dispose()

    async def empty(self) -> None:
        """Forget all deliveries, alerts and pages, so that every measurement begins alike."""
        async with self.connection() as connection:
            await connection.execute(EMPTIED)
            await connection.execute("CHECKPOINT")

    async def count_received(self, alert_ids: str) -> int:
        """Return how many requests are on record about alerts whose ids begin so."""
        async with self.connection() as connection:
            return int(await connection.fetchval(_RECEIVED, alert_ids))

    async def count_applied(self) -> int:
        """Return how many deliveries were applied."""
        async with self.connection() as connection:
            return int(await connection.fetchval(_APPLIED))


@dataclass(frozen=True, slots=True)
class Account:
    """A connected PagerTree account."""

    id: UUID
    webhook_secret: str = field(repr=False)

    def webhook(self, server_url: str) -> str:
        """Return its webhook's URL, secret included, as PagerTree calls it."""
        return f"{server_url}/webhooks/pagertree/{self.id}?secret={self.webhook_secret}"


@contextmanager
def open_database(data_dir: Path, kind: type[Database] = Database) -> Iterator[Database]:
    """Run the embedded PostgreSQL of `data_dir`, fsync included; its schema is as it was left."""
    with EmbeddedPostgres(data_dir / EMBEDDED_DIR) as postgres:
        settings = Settings(data_dir=data_dir).at_database(postgres.url)
        yield kind(settings, postgres.url.replace("+asyncpg", "", 1))


async def connect_account(database: Database) -> Account:
    """Add an account without an API key: nothing of PagerTree is called here."""
    async with database.engine() as engine, create_sessions(engine).begin() as session:
        new = await add_integration(session, name="bench")
        return Account(new.integration.id, new.webhook_secret)


_RECEIVED = """
SELECT coalesce(sum(times_received), 0) FROM deliveries WHERE starts_with(pagertree_alert_id, $1)
"""
_APPLIED = "SELECT count(*) FROM deliveries WHERE state = 'done'"
