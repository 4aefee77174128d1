"""Pages that stand by for an alert: PagerTree pages the same people for it already.

Such a page waits until `send_at`, so it is queued and visible like any other. Somebody who
acknowledges the alert makes it needless. It goes out at once if PagerTree drops the alert, or if
the alert is resolved and nobody had acknowledged it; and at `send_at` in any case, even if no
webhook ever came. So the worst that a lost webhook can do is a page too many.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pagersync.database.engine import Connection
from pagersync.incidents.activity import Activity, add_activity
from pagersync.paging.page_targets import names_of


async def why_needless(connection: Connection, page_id: UUID) -> str | None:
    """Return why a page that stands by need not be sent; None if it must be."""
    reason: str | None = await connection.fetchval(_NEEDLESS, page_id)
    return reason


async def wake(connection: Connection, alert_ids: Sequence[UUID]) -> None:
    """Look at once at the pages that stand by for alerts: they go out, or are not needed.

    It waits for no row, since the alerts are locked here: who holds an operation cancels or sends
    it just now.
    """
    if await connection.fetch(_WAKE, list(alert_ids)):
        await connection.execute("SELECT pg_notify('pagersync', 'operations')")


async def tell(connection: Connection, page_id: UUID | None) -> None:
    """Put on the incident's timeline that a page that stood by goes out, and why."""
    row = await connection.fetchrow(_WHY_SENT, page_id)
    if row is None:
        return
    why = _WHY.get(row["pagertree_status"] or row["status"], _WHY.get(row["status"], _UNANSWERED))
    names = names_of(row["targets"])
    activity = Activity(
        incident_id=row["incident_id"],
        event=f"Paged {names} now, because alert {row['short_id']} {why}: {row['title']}",
        source="system",
        occurred_at=datetime.now(UTC),
        page_id=page_id,
        workflow_run_id=row["workflow_run_id"],
        dedupe_key=f"standby {page_id}",
    )
    await add_activity(connection, [activity])


_UNANSWERED: Final = "was not acknowledged in time"
_WHY: Final = {
    "dropped": "was dropped by PagerTree, and nobody had acknowledged it",
    "resolved": "was resolved, and nobody had acknowledged it",
}

_NEEDLESS: Final = """
SELECT CASE
    WHEN i.status IN ('resolved', 'closed', 'cancelled')
        THEN format('not needed: incident %s is %s', i.number, i.status)
    WHEN a.status = 'acknowledged' OR a.status = 'resolved' AND a.acknowledged_at IS NOT NULL
        THEN format('not needed: alert %s, which pages the same people, was acknowledged',
                    a.short_id)
    END
FROM pages p
JOIN alerts a ON a.id = p.standby_for AND a.integration_id = p.integration_id
LEFT JOIN incidents i ON i.id = p.incident_id
WHERE p.id = $1
"""

_WAKE: Final = """
WITH due AS MATERIALIZED (
    SELECT o.id FROM pages p JOIN operations o ON o.page_id = p.id AND o.kind = 'create_alert'
    WHERE p.standby_for = ANY($1::uuid[]) AND o.state = 'queued' AND o.run_at > now()
    FOR UPDATE OF o SKIP LOCKED
)
UPDATE operations o SET run_at = now() FROM due WHERE o.id = due.id RETURNING o.id
"""

_WHY_SENT: Final = """
SELECT p.incident_id, p.title, p.targets, p.workflow_run_id, a.short_id, a.status,
    a.labels ->> 'pagertree_status' AS pagertree_status
FROM pages p JOIN alerts a ON a.id = p.standby_for AND a.integration_id = p.integration_id
WHERE p.id = $1 AND p.incident_id IS NOT NULL
"""
