"""Deduplication keys: of the alerts of an account that are not resolved, one has a key."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert, AlertStatus


async def lock_key(session: AsyncSession, integration_id: UUID, key: str) -> None:
    """Keep everybody else from giving an alert the key until the transaction ends.

    Whoever locks an alert as well locks the key first: two who do both never wait in a circle.
    """
    name = f"deduplication {integration_id} {key}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


async def find_duplicate(
    session: AsyncSession, integration_id: UUID, key: str | None
) -> Alert | None:
    """Return the unresolved alert with a deduplication key, if there is one.

    Nobody else makes one with the key until the transaction ends.
    """
    if key is None:
        return None
    await lock_key(session, integration_id, key)
    return await session.scalar(
        select(Alert).where(
            Alert.integration_id == integration_id,
            Alert.deduplication_key == key,
            Alert.status != AlertStatus.RESOLVED,
        )
    )
