"""Breaking the database on purpose, and only for as long as a block lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


@asynccontextmanager
async def refusing(
    engine: AsyncEngine, table: str, condition: str, *, at_commit: bool = False
) -> AsyncIterator[None]:
    """Make PostgreSQL refuse rows of `table` that are inserted while `condition` holds.

    Args:
        engine: of the database to break.
        table: whose rows are refused.
        condition: SQL about `NEW`.
        at_commit: let the statement pass and the commit fail.
    """
    kind = "CONSTRAINT TRIGGER" if at_commit else "TRIGGER"
    timing = "AFTER" if at_commit else "BEFORE"
    deferred = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF {condition} THEN RAISE 'refused by a test'; END IF; RETURN NEW; END $$"
            )
        )
        await connection.execute(
            text(
                f"CREATE {kind} refuse {timing} INSERT ON {table} {deferred} "
                "FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )
    try:
        yield
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DROP FUNCTION refuse() CASCADE"))
