"""Alerts that belong to incidents.

An alert that is attached to an incident that is over stays open, and people go on being paged for
it: nothing resolves it any more. So that is said to whoever attaches it, unless they ask for its
end as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.session import driver_connection
from pagersync.errors import InvalidError
from pagersync.events.publish import Cause, happened, publish
from pagersync.incidents.hooks import HOOKS
from pagersync.incidents.lifecycle import is_over
from pagersync.incidents.models import Incident
from pagersync.incidents.timeline import add_trail

ALERTS_MAX: Final = 100
"""How many alerts one request can attach."""

POINTER: Final = "/data/attributes/alert_ids"


@dataclass(frozen=True, slots=True)
class Attached:
    """What attaching alerts came to.

    Attributes:
        new: those that were not attached before.
        notes: what stays open although the incident is over, one sentence each.
    """

    new: Sequence[UUID] = ()
    notes: Sequence[str] = ()


async def attach_alerts(
    session: AsyncSession,
    incident: Incident,
    alert_ids: Sequence[UUID],
    cause: Cause,
    *,
    resolve_open: bool = False,
) -> Attached:
    """Attach alerts to an incident, and publish it.

    Args:
        session: inside a transaction.
        incident: the incident; its status stays until the transaction ends.
        alert_ids: the alerts.
        cause: who attaches them.
        resolve_open: whether those that are open are resolved if the incident is over.

    Raises:
        InvalidError: some of the alerts do not exist.
    """
    attached = await attach_quietly(session, incident, alert_ids, cause, resolve_open=resolve_open)
    if attached.new:
        data = {"alert_ids": [str(alert_id) for alert_id in attached.new]}
        fact = happened("incident.alert_attached", incident.id, data, cause=cause)
        await publish(await driver_connection(session), [fact])
    return attached


async def attach_quietly(
    session: AsyncSession,
    incident: Incident,
    alert_ids: Sequence[UUID],
    cause: Cause,
    *,
    resolve_open: bool = False,
) -> Attached:
    """As `attach_alerts`, but publish nothing: what makes an incident is one event."""
    if not alert_ids:
        return Attached()
    await check_alerts(session, alert_ids)
    connection = await driver_connection(session)
    # Before the alerts are attached: somebody who resolves the incident right now either sees
    # them, or has resolved it before this returns.
    status = await connection.fetchval(_KEEP_STATUS, incident.id)
    rows = await connection.fetch(_ATTACH, incident.id, list(alert_ids), cause.requested_by)
    still_open = {}
    if is_over(status):
        still_open = {row["id"]: row for row in await connection.fetch(_OPEN, list(alert_ids))}
    for row in rows:
        sentence = f"Alert {row['short_id']} ({row['summary']}) attached by {cause.requested_by}."
        if row["alert_id"] in still_open:
            sentence += _SAID[resolve_open].format(status=status)
        add_trail(session, incident.id, sentence, cause, alert_id=row["alert_id"])
    await session.flush()
    if resolve_open and still_open:
        await HOOKS.resolve_alerts(session, list(still_open), cause)
        still_open = {}
    notes = [_note(incident, status, row) for row in still_open.values()]
    return Attached([row["alert_id"] for row in rows], notes)


async def notes_on_open(session: AsyncSession, incident: Incident) -> list[str]:
    """Return which alerts of an incident that is over are still open, one sentence each."""
    connection = await driver_connection(session)
    ids = [row["alert_id"] for row in await connection.fetch(_ALL, incident.id)]
    rows = await connection.fetch(_OPEN, ids) if ids else []
    return [_note(incident, incident.status, row) for row in rows]


def _note(incident: Incident, status: str, row: asyncpg.Record) -> str:
    return (
        f"Alert {row['short_id']} is {row['status']} although incident {incident.number} is "
        f"{status}: PagerTree may go on paging people for it. Resolve it with "
        f"`POST /v1/alerts/{row['id']}/resolve`, or attach it with `resolve_open_alerts: true`."
    )


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


_SAID: Final = {
    False: " It stays open although the incident is {status}: people may still be paged for it.",
    True: " It is resolved as well, because the incident is {status}.",
}
"""What the timeline says of an open alert, by whether it is to be resolved."""

_KEEP_STATUS: Final = "SELECT status FROM incidents WHERE id = $1 FOR SHARE"

_ALL: Final = "SELECT alert_id FROM incident_alerts WHERE incident_id = $1"

_OPEN: Final = """
SELECT id, short_id, status FROM alerts
WHERE id = ANY ($1::uuid[]) AND status <> 'resolved' ORDER BY id
"""

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
