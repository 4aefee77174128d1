"""The default account: used by pages, alerts and workflow tasks that name no account.

One connected account is the default: the first that was connected, until somebody chooses another.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.engine import Connection
from pagersync.database.session import driver_connection
from pagersync.integrations.models import Integration

_LOCK: Final = "the default account"


def pick(accounts: Sequence[Integration]) -> Integration | None:
    """Return the account for what names none: the default one, or one that can page instead.

    A default account that is disabled is passed over: for the oldest enabled account that has
    default targets, else for the oldest enabled one. Pure.

    Args:
        accounts: those that the caller may use, oldest first.
    """
    enabled = [account for account in accounts if account.enabled]
    ranked = sorted(
        enabled, key=lambda one: (not one.is_default, not any(one.default_targets.values()))
    )
    return ranked[0] if ranked else None


async def make_default(session: AsyncSession, integration_id: UUID) -> None:
    """Make a connected account the default one; the former default stops being it."""
    connection = await lock_default(session)
    await connection.execute(
        "UPDATE integrations SET is_default = false WHERE is_default AND id <> $1", integration_id
    )
    await connection.execute(
        "UPDATE integrations SET is_default = true WHERE id = $1 AND removed_at IS NULL",
        integration_id,
    )


async def appoint_default(session: AsyncSession) -> UUID | None:
    """Make sure that a connected account is the default; return the one that became it just now.

    Where there is none, the oldest enabled account becomes it, else the oldest.
    """
    await session.flush()
    connection = await lock_default(session)
    await connection.execute(
        "UPDATE integrations SET is_default = false WHERE is_default AND removed_at IS NOT NULL"
    )
    chosen: UUID | None = await connection.fetchval(_APPOINT)
    return chosen


async def lock_default(session: AsyncSession) -> Connection:
    """Return a connection that sees all accounts, also for a caller bound to one of them.

    Nobody else chooses a default account until the transaction ends. It comes before the lock of
    any account.
    """
    connection = await driver_connection(session)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", _LOCK)
    return connection


_APPOINT: Final = """
UPDATE integrations SET is_default = true
WHERE id = (SELECT id FROM integrations WHERE removed_at IS NULL ORDER BY enabled DESC, id LIMIT 1)
  AND NOT EXISTS (SELECT FROM integrations WHERE is_default)
RETURNING id
"""
