"""A new page in PostgreSQL: it, what sends it, and its incident's timeline, in one statement."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pagersync.database.base import new_id
from pagersync.database.engine import Connection
from pagersync.incidents.lifecycle import OVER


async def insert_page(
    connection: Connection, page: Mapping[str, Any], event: str | None
) -> dict[str, Any] | None:
    """Insert a page and the operation that sends it; return the page's row.

    None: its incident is not there, or is over. Nothing was inserted then.

    Args:
        connection: in a transaction. The incident keeps its status until that ends.
        page: its columns.
        event: what the timeline of its incident is told, if it has one.
    """
    asked = json.dumps(page, default=str)
    if page.get("incident_id") is None:
        row = await connection.fetchrow(_INSERT, asked, new_id())
    else:
        row = await connection.fetchrow(
            _INSERT_FOR_INCIDENT, asked, new_id(), [*OVER], event, new_id(), datetime.now(UTC)
        )
    return None if row is None else dict(row)


_COLUMNS: Final = (
    "id, integration_id, alert_id, incident_id, title, description, urgency, severity, "
    "is_incident, tags, targets, fallback_targets, standby_for, notes, requested_by, "
    "workflow_run_id, depth, send_at, expires_at"
)

_ASKED: Final = "SELECT * FROM jsonb_populate_record(NULL::pages, $1::text::jsonb)"

_PAGE: Final = f"""
page AS (
    INSERT INTO pages ({_COLUMNS})
    SELECT {_COLUMNS} FROM asked
    RETURNING *
), operation AS (
    INSERT INTO operations (id, integration_id, page_id, alert_id, kind, requested_by,
        workflow_run_id, lock_key, run_at)
    SELECT $2::uuid, integration_id, id, alert_id, 'create_alert', requested_by, workflow_run_id,
        'page ' || id, coalesce(send_at, now())
    FROM page
)"""  # noqa: S608 - names of columns

_INSERT: Final = f"""
WITH asked AS MATERIALIZED ({_ASKED}), {_PAGE}
SELECT * FROM page
"""  # noqa: S608 - constants
"""A page without an incident never waits for incidents."""

_INSERT_FOR_INCIDENT: Final = f"""
WITH incident AS MATERIALIZED (
    SELECT id FROM incidents
    WHERE id = ($1::text::jsonb ->> 'incident_id')::uuid AND removed_at IS NULL
      AND status <> ALL($3::text[])
    FOR SHARE
), asked AS MATERIALIZED ({_ASKED} WHERE EXISTS (SELECT FROM incident)), {_PAGE}, event AS (
    INSERT INTO incident_events (id, incident_id, event, kind, source, occurred_at,
        user_display_name, page_id, workflow_run_id)
    SELECT $5::uuid, incident_id, $4::text, 'trail',
        CASE WHEN workflow_run_id IS NULL THEN 'api' ELSE 'workflow' END, $6::timestamptz,
        requested_by, id, workflow_run_id
    FROM page WHERE $4::text IS NOT NULL
)
SELECT * FROM page
"""  # noqa: S608 - constants
"""An incident whose status changes at this moment is looked at again when its lock is there."""
