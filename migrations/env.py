"""Alembic's entry: runs inside `pagersync.database.migrate`, or from the alembic command line."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from pagersync.database.engine import create_engine
from pagersync.database.migrate import include_object
from pagersync.settings import Settings
from pagersync.tables import Base


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_server_default=True,
        include_object=include_object,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_from_the_command_line() -> None:
    engine = create_engine(Settings())
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    asyncio.run(migrate_from_the_command_line())
