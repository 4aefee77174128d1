"""Deduplication keys: of the alerts of an account that are not resolved, one has a key.

An alert that is about to end is no duplicate of anything: nobody would be paged for what happens
now. So it gives its key up to whoever asks next, and a new alert is made.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import LOCAL_PREFIX, Alert, AlertEvent, AlertStatus
from pagersync.database.base import new_id
from pagersync.database.session import driver_connection


async def lock_key(session: AsyncSession, integration_id: UUID, key: str) -> None:
    """Keep everybody else from giving an alert the key until the transaction ends.

    Whoever locks an alert as well locks the key first: two who do both never wait in a circle.
    """
    name = f"deduplication {integration_id} {key}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


async def find_duplicate(
    session: AsyncSession, integration_id: UUID, key: str | None
) -> Alert | None:
    """Return the unresolved alert with a deduplication key, if there is one that goes on.

    Nobody else makes one with the key until the transaction ends. One that is about to end, or that
    PagerTree has given up, loses the key here.
    """
    if key is None:
        return None
    await lock_key(session, integration_id, key)
    alert = await session.scalar(
        select(Alert).where(
            Alert.integration_id == integration_id,
            Alert.deduplication_key == key,
            Alert.status != AlertStatus.RESOLVED,
        )
    )
    if alert is None:
        return None
    reason = await why_it_ends(session, alert)
    if reason is None:
        return alert
    await _give_up_key(session, alert, reason)
    return None


async def why_it_ends(session: AsyncSession, alert: Alert) -> str | None:
    """Return why nobody is paged for an alert any more, or will soon not be; None if it goes on."""
    if alert.labels.get("pagertree_status") == "dropped":
        return "PagerTree has dropped it"
    connection = await driver_connection(session)
    if await connection.fetchval(_RESOLVE_ASKED, alert.id, alert.external_id, LOCAL_PREFIX):
        return "its resolve is under way"
    number = await connection.fetchval(_OVER, alert.id)
    return None if number is None else f"its incident {number} is over"


async def _give_up_key(session: AsyncSession, alert: Alert, reason: str) -> None:
    key = alert.deduplication_key
    alert.deduplication_key = None
    event_id = new_id()
    session.add(
        AlertEvent(
            id=event_id,
            integration_id=alert.integration_id,
            alert_id=alert.id,
            content_sha256=hashlib.sha256(event_id.bytes).digest(),
            kind="informational",
            action="updated",
            event_type="api.updated",
            source="system",
            details=f"Gave up the deduplication key {key!r} to a new alert, because {reason}.",
            occurred_at=datetime.now(UTC),
        )
    )
    await session.flush()  # before another row gets the key: it is unique


_RESOLVE_ASKED: Final = """
WITH home AS (
    SELECT p.id, p.resolve_wanted_by FROM pages p
    WHERE p.alert_id = $1 AND (p.pagertree_alert_id = $2
        OR (starts_with($2, $3) AND p.status NOT IN ('failed', 'canceled', 'expired')))
)
SELECT EXISTS (SELECT FROM home WHERE resolve_wanted_by IS NOT NULL)
    OR EXISTS (SELECT FROM operations o
               WHERE o.alert_id = $1 AND o.kind = 'resolve_alert'
                 AND o.state NOT IN ('canceled', 'expired')
                 AND (o.page_id IS NULL OR o.page_id IN (SELECT id FROM home)))
"""
"""A resolve that failed counts, too: somebody has declared the alert to be over."""

_OVER: Final = """
SELECT i.number FROM incident_alerts l JOIN incidents i ON i.id = l.incident_id
WHERE l.alert_id = $1 AND i.status IN ('resolved', 'closed', 'cancelled')
  AND NOT EXISTS (SELECT FROM incident_alerts m JOIN incidents j ON j.id = m.incident_id
                  WHERE m.alert_id = $1 AND j.removed_at IS NULL
                    AND j.status NOT IN ('resolved', 'closed', 'cancelled'))
ORDER BY i.number DESC LIMIT 1
"""
"""Its workflow resolves the alert, perhaps a moment later."""
