"""Alerts that belong to incidents."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.session import driver_connection
from pagersync.errors import InvalidError
from pagersync.events.publish import Cause, happened, publish
from pagersync.incidents.models import Incident
from pagersync.incidents.timeline import add_trail

ALERTS_MAX: Final = 100
"""How many alerts one request can attach."""

POINTER: Final = "/data/attributes/alert_ids"


async def attach_alerts(
    session: AsyncSession, incident: Incident, alert_ids: Sequence[UUID], cause: Cause
) -> list[UUID]:
    """Attach alerts to an incident, publish it, and return those that were not attached before.

    Raises:
        InvalidError: some of the alerts do not exist.
    """
    new = await attach_quietly(session, incident, alert_ids, cause)
    if new:
        data = {"alert_ids": [str(alert_id) for alert_id in new]}
        fact = happened("incident.alert_attached", incident.id, data, cause=cause)
        await publish(await driver_connection(session), [fact])
    return new


async def attach_quietly(
    session: AsyncSession, incident: Incident, alert_ids: Sequence[UUID], cause: Cause
) -> list[UUID]:
    """As `attach_alerts`, but publish nothing: what makes an incident is one event."""
    if not alert_ids:
        return []
    await check_alerts(session, alert_ids)
    connection = await driver_connection(session)
    rows = await connection.fetch(_ATTACH, incident.id, list(alert_ids), cause.requested_by)
    for row in rows:
        sentence = f"Alert {row['short_id']} ({row['summary']}) attached by {cause.requested_by}."
        add_trail(session, incident.id, sentence, cause, alert_id=row["alert_id"])
    await session.flush()
    return [row["alert_id"] for row in rows]


async def check_alerts(session: AsyncSession, alert_ids: Sequence[UUID]) -> None:
    """Check that alerts exist.

    Raises:
        InvalidError: some do not; it names them.
    """
    if not alert_ids:
        return
    connection = await driver_connection(session)
    rows = await connection.fetch(_UNKNOWN, list(alert_ids))
    if rows:
        names = ", ".join(str(row["id"]) for row in rows)
        raise InvalidError(f"alert_ids: there is no alert {names}", pointer=POINTER)


_UNKNOWN: Final = """
SELECT DISTINCT k.id FROM unnest($1::uuid[]) AS k (id)
WHERE NOT EXISTS (SELECT FROM alerts a WHERE a.id = k.id)
ORDER BY k.id
"""

_ATTACH: Final = """
WITH attached AS (
    INSERT INTO incident_alerts (incident_id, alert_id, integration_id, attached_by)
    SELECT $1, a.id, a.integration_id, $3 FROM alerts a WHERE a.id = ANY ($2::uuid[]) ORDER BY a.id
    ON CONFLICT DO NOTHING
    RETURNING alert_id, integration_id
)
SELECT t.alert_id, a.short_id, a.summary
FROM attached t JOIN alerts a ON a.id = t.alert_id AND a.integration_id = t.integration_id
ORDER BY t.alert_id
"""
