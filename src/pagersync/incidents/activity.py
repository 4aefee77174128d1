"""Activity: what happened elsewhere that concerns incidents, a batch at a time, by fixed SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from pagersync.database.base import new_id
from pagersync.database.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One fact for an incident's timeline, with its cause.

    Attributes:
        event: what happened, for people.
        source: who says so: `pagertree`, `system`, `api`, `workflow`.
        occurred_at: when it happened, however late it is told.
        dedupe_key: the same fact, told twice, stands once.
        replaces: the key of the same fact as it was told with less; its place is taken.
    """

    incident_id: UUID
    event: str
    source: str
    occurred_at: datetime
    user_display_name: str | None = None
    delivery_id: UUID | None = None
    alert_id: UUID | None = None
    page_id: UUID | None = None
    workflow_run_id: UUID | None = None
    dedupe_key: str | None = None
    replaces: str | None = None


async def add_activity(connection: Connection, activities: Sequence[Activity]) -> None:
    """Put facts on the timelines of incidents, in the caller's transaction.

    What stands there already is left alone; what concerns an incident that does not exist is not
    kept.
    """
    if not activities:
        return
    better = [each for each in activities if each.replaces is not None]
    if better:
        await connection.execute(
            _REPLACE,
            [each.incident_id for each in better],
            [each.replaces for each in better],
            [each.dedupe_key for each in better],
            [each.event for each in better],
            [each.delivery_id for each in better],
            [each.occurred_at for each in better],
        )
    await connection.execute(
        _INSERT,
        [new_id() for _ in activities],
        [each.incident_id for each in activities],
        [each.event for each in activities],
        [each.source for each in activities],
        [each.occurred_at for each in activities],
        [each.user_display_name for each in activities],
        [each.delivery_id for each in activities],
        [each.alert_id for each in activities],
        [each.page_id for each in activities],
        [each.workflow_run_id for each in activities],
        [each.dedupe_key for each in activities],
    )


_REPLACE: Final = """
UPDATE incident_events e
SET dedupe_key = k.dedupe_key, event = k.event, delivery_id = k.delivery_id,
    occurred_at = k.occurred_at, updated_at = now(), version = e.version + 1
FROM (SELECT DISTINCT ON (incident_id, replaces) *
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[],
                  $6::timestamptz[])
          AS u (incident_id, replaces, dedupe_key, event, delivery_id, occurred_at)
      ORDER BY incident_id, replaces) AS k
WHERE e.incident_id = k.incident_id AND e.dedupe_key = k.replaces
  AND NOT EXISTS (SELECT FROM incident_events o
                  WHERE o.incident_id = k.incident_id AND o.dedupe_key = k.dedupe_key)
"""

_INSERT: Final = """
INSERT INTO incident_events (id, incident_id, event, kind, source, occurred_at, user_display_name,
    delivery_id, alert_id, page_id, workflow_run_id, dedupe_key)
SELECT k.id, k.incident_id, k.event, 'trail', k.source, k.occurred_at, k.user_display_name,
    k.delivery_id, k.alert_id, k.page_id, k.workflow_run_id, k.dedupe_key
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::text[],
            $7::uuid[], $8::uuid[], $9::uuid[], $10::uuid[], $11::text[])
    AS k (id, incident_id, event, source, occurred_at, user_display_name, delivery_id, alert_id,
          page_id, workflow_run_id, dedupe_key)
JOIN incidents i ON i.id = k.incident_id
ORDER BY k.id
ON CONFLICT DO NOTHING
"""
