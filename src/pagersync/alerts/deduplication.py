"""Deduplication keys: of the alerts of an account that are not resolved, one has a key."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert, AlertStatus


async def find_duplicate(
    session: AsyncSession, integration_id: UUID, key: str | None
) -> Alert | None:
    """Return the unresolved alert with a deduplication key, if there is one.

    Nobody else makes one with the key until the transaction ends.
    """
    if key is None:
        return None
    name = f"deduplication {integration_id} {key}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    return await session.scalar(
        select(Alert).where(
            Alert.integration_id == integration_id,
            Alert.deduplication_key == key,
            Alert.status != AlertStatus.RESOLVED,
        )
    )
