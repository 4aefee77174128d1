"""What follows from how a page's alert shows itself in PagerTree.

It is written in the transaction that learns of it, so no crash can lose it. A dropped page, for
which nobody was on call or nobody answered, is followed by one to its fallback; a unique index
says that a page has one. An alert that was to be resolved, and that nobody could know to be there
when it was, is resolved when it turns up. One for which somebody was paged again meanwhile says so.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from pagersync.database.base import new_id
from pagersync.database.engine import Connection
from pagersync.incidents.activity import Activity, add_activity
from pagersync.paging.page_targets import names_of


async def fall_back(connection: Connection, page_ids: Sequence[UUID]) -> None:
    """Page the fallback targets of dropped pages that have some."""
    if not page_ids:
        return
    await lock_incidents(connection, page_ids)  # they are locked already where this is foreseen
    made = await connection.fetch(_PAGES, list(page_ids), [new_id() for _ in page_ids])
    await connection.executemany(
        _OPERATION, [(new_id(), row["id"], f"page {row['id']}") for row in made]
    )
    await add_activity(connection, [_told(row) for row in made if row["incident_id"]])


async def lock_incidents(connection: Connection, page_ids: Sequence[UUID]) -> None:
    """Keep the status of the incidents of pages until the transaction ends."""
    await connection.execute(_LOCK_INCIDENTS, list(page_ids))


async def resolve_late(connection: Connection, page_ids: Sequence[UUID]) -> None:
    """Resolve what PagerTree turned out to have after all, where somebody wanted that."""
    wanted = await connection.fetch(_WANTED, list(page_ids))
    await connection.executemany(
        _RESOLVE, [(new_id(), row["id"], f"page {row['id']}") for row in wanted]
    )


async def tell_found(connection: Connection, page_ids: Sequence[UUID]) -> None:
    """Note that PagerTree has pages after all for which somebody was paged again."""
    rows = await connection.fetch(_FOUND, list(page_ids), _FOUND_NOTE)
    await add_activity(
        connection,
        [
            Activity(
                incident_id=row["incident_id"],
                event=f"PagerTree has the page {row['title']!r} after all: {_FOUND_NOTE}",
                source="system",
                occurred_at=row["now"],
                page_id=row["id"],
                workflow_run_id=row["workflow_run_id"],
            )
            for row in rows
            if row["incident_id"] is not None
        ],
    )


def _told(row: asyncpg.Record) -> Activity:
    """Return that the fallback is paged, for the timeline of the incident."""
    names = names_of(row["targets"])
    return Activity(
        incident_id=row["incident_id"],
        event=f"Paged {names} instead, because a page was dropped: {row['title']}",
        source="system",
        occurred_at=row["created_at"],
        page_id=row["id"],
        workflow_run_id=row["workflow_run_id"],
    )


_FOUND_NOTE: Final = "somebody was paged again meanwhile, so people may be paged twice"

_LOCK_INCIDENTS = """
SELECT FROM incidents WHERE id IN (SELECT incident_id FROM pages WHERE id = ANY($1::uuid[]))
ORDER BY id FOR SHARE
"""
"""An incident that is being resolved right now has its fallback page by then, or gets none."""

_PAGES = """
INSERT INTO pages (id, integration_id, alert_id, incident_id, title, description, urgency, severity,
    is_incident, tags, targets, requested_by, requester, workflow_run_id, depth,
    fallback_of)
SELECT k.new_id, p.integration_id, p.alert_id, p.incident_id, p.title, p.description, p.urgency,
    p.severity, p.is_incident, p.tags, p.fallback_targets, p.requested_by, p.requester,
    p.workflow_run_id, p.depth + 1, p.id
FROM unnest($1::uuid[], $2::uuid[]) AS k (id, new_id)
JOIN pages p ON p.id = k.id
LEFT JOIN incidents i ON i.id = p.incident_id
WHERE p.fallback_targets IS NOT NULL AND jsonb_typeof(p.fallback_targets) = 'array'
  AND p.resolve_wanted_by IS NULL
  AND (i.id IS NULL OR i.status NOT IN ('resolved', 'closed', 'cancelled'))
ON CONFLICT (fallback_of) WHERE fallback_of IS NOT NULL DO NOTHING
RETURNING id, incident_id, targets, title, created_at, workflow_run_id
"""

_OPERATION = """
INSERT INTO operations (id, integration_id, page_id, alert_id, kind, requested_by, requester,
    workflow_run_id, lock_key)
SELECT $1, integration_id, id, alert_id, 'create_alert', requested_by, requester,
    workflow_run_id, $3
FROM pages WHERE id = $2
"""

_WANTED = """
SELECT p.id FROM pages p
WHERE p.id = ANY($1::uuid[]) AND p.resolve_wanted_by IS NOT NULL AND p.status <> 'resolved'
  AND NOT EXISTS (SELECT FROM operations o WHERE o.page_id = p.id AND o.kind = 'resolve_alert'
                  AND o.state IN ('queued', 'running'))
"""

_RESOLVE = """
INSERT INTO operations (id, integration_id, page_id, alert_id, kind, requested_by, requester,
    lock_key)
SELECT $1, integration_id, id, alert_id, 'resolve_alert', resolve_wanted_by, requester, $3
FROM pages WHERE id = $2
"""

_FOUND = """
UPDATE pages p SET notes = p.notes || ('PagerTree has it after all: ' || $2::text)
WHERE p.id = ANY($1::uuid[]) AND EXISTS (SELECT FROM pages r WHERE r.repeat_of = p.id)
RETURNING p.id, p.incident_id, p.title, p.workflow_run_id, now() AS now
"""
