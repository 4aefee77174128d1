"""What the check reads and writes, for many incidents and alerts at once, by fixed SQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from pagersync.alerts.models import LOCAL_PREFIX as LOCAL
from pagersync.database.engine import Connection
from pagersync.kept import first_id
from pagersync.unpaged.decision import FINE, PAGES, Evidence, PageSeen, RunSeen
from pagersync.unpaged.off import UNSEEN, Candidate, find_awaited, find_off, load_workflows
from pagersync.workflows.account_workflows import OTHER_ACCOUNT
from pagersync.workflows.trace_story import LEADING_TASKS, PAGING_TASKS

NOWHERE: Final = UUID(int=0)
SENT_S: Final = 300.0
ALERTS_LOOKED_BACK: Final = timedelta(minutes=15)


@dataclass
class Pieces:
    """What evidence is put together of."""

    pages: defaultdict[UUID, list[PageSeen]] = field(default_factory=lambda: defaultdict(list))
    runs: defaultdict[UUID, list[RunSeen]] = field(default_factory=lambda: defaultdict(list))
    events: defaultdict[UUID, list[asyncpg.Record]] = field(
        default_factory=lambda: defaultdict(list)
    )


async def find_candidates(
    connection: Connection,
    first: UUID,
    last: UUID,
    after: UUID,
    rows_max: int,
    *,
    sent_s: float = SENT_S,
) -> list[Candidate]:
    """Return incidents without a page and alerts with trouble, none of them known to be so.

    An incident that was started again is without a page until it is paged anew. Alerts have
    trouble, too, if an event of theirs waits or is dead, and those that came a short time ago if
    a workflow that listens is off because of pagersync, or was switched off or removed afterwards;
    for those that PagerTree does not have, any that is off counts.

    Args:
        connection: to read from.
        first: ids begin after it: what is older was looked at before.
        last: ids end before it: what is younger may still be paged in time.
        after: the id after which the answer begins.
        rows_max: how many it has at most.
        sent_s: PagerTree is known to page for a page that was sent so long ago, or it is no page.
    """
    lately = max(first, first_id(datetime.now(UTC) - ALERTS_LOOKED_BACK))
    given = (first, last, after, rows_max, [*FINE], [*PAGES], lately, OTHER_ACCOUNT, sent_s)
    rows = await connection.fetch(_CANDIDATES, *given)
    return [Candidate(**row) for row in rows]


async def find_known(connection: Connection, after: UUID, rows_max: int) -> list[Candidate]:
    """Return those that are known and open, in the order of their ids."""
    rows = await connection.fetch(_KNOWN, after, rows_max)
    return [Candidate(**row) for row in rows]


async def gather(
    connection: Connection, found: Sequence[Candidate], after_s: float, sent_s: float = SENT_S
) -> dict[UUID, Evidence]:
    """Return all that is known of incidents and alerts.

    Runs and pages that are younger than `after_s` still have time.
    """
    workflows = await load_workflows(connection)
    pieces = Pieces()
    for kind, tasks in (("incident", PAGING_TASKS), ("alert", LEADING_TASKS)):
        subjects = [each for each in found if each.kind == kind]
        if subjects:
            await _gather(connection, pieces, subjects, [*tasks], after_s, sent_s)
    bare = [
        each
        for each in found
        if each.id not in pieces.pages and each.id not in pieces.runs and pieces.events[each.id]
    ]
    off = await find_off(connection, workflows, bare, pieces.events)
    alerts = [each for each in bare if each.kind == "alert"]
    awaited = await find_awaited(connection, workflows, alerts, pieces.events)
    evidence = {}
    for each in found:
        events = pieces.events[each.id] if each.kind == "incident" else awaited.get(each.id, [])
        evidence[each.id] = Evidence(
            pages=pieces.pages[each.id],
            runs=pieces.runs[each.id],
            waiting=any(row["state"] in UNSEEN for row in events),
            dead=next((str(row["last_error"]) for row in events if row["state"] == "dead"), None),
            off=off.get(each.id, ()),
        )
    return evidence


async def _gather(
    connection: Connection,
    pieces: Pieces,
    found: Sequence[Candidate],
    tasks: Sequence[str],
    after_s: float,
    sent_s: float,
) -> None:
    kind = found[0].kind
    column = f"{kind}_id"
    ids, sinces = [each.id for each in found], [each.restarted_at for each in found]
    for row in await connection.fetch(_PAGES.format(column=column), ids, after_s, sinces, sent_s):
        pieces.pages[row["subject_id"]].append(PageSeen(**_named(row)))
    for row in await connection.fetch(_RUNS.format(column=column), ids, tasks, after_s, sinces):
        pieces.runs[row["subject_id"]].append(RunSeen(**{**_named(row), "id": str(row["id"])}))
    for row in await connection.fetch(_EVENTS, ids, kind, after_s, sinces):
        pieces.events[row["subject_id"]].append(row)


def _named(row: asyncpg.Record) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "subject_id"}


async def insert_unpaged(
    connection: Connection, rows: Sequence[tuple[Candidate, str, str, str]]
) -> set[UUID]:
    """Note incidents and alerts with reason, detail and remedy; return those that are new."""
    new = await connection.fetch(
        _INSERT,
        [each.id for each, *_ in rows],
        [each.kind for each, *_ in rows],
        [each.integration_id for each, *_ in rows],
        [each.since for each, *_ in rows],
        [reason for _, reason, _, _ in rows],
        [detail for _, _, detail, _ in rows],
        [remedy for _, _, _, remedy in rows],
    )
    return {row["subject_id"] for row in new}


async def find_requesters(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return who caused incidents and alerts, as their first events have it."""
    rows = await connection.fetch(_REQUESTERS, ids)
    return {row["subject_id"]: row["requester"] for row in rows}


async def change_unpaged(
    connection: Connection, rows: Sequence[tuple[Candidate, str, str, str]]
) -> None:
    """Keep newer reasons of what is known."""
    await connection.executemany(
        _CHANGE, [(each.id, reason, detail, remedy) for each, reason, detail, remedy in rows]
    )


async def end_unpaged(connection: Connection, ends: Mapping[UUID, str]) -> None:
    """Note that things are no longer so, and how that came."""
    await connection.execute(_END, list(ends), list(ends.values()))


_REQUESTERS: Final = """
SELECT DISTINCT ON (subject_id) subject_id, requester FROM domain_events
WHERE subject_id = ANY($1::uuid[]) ORDER BY subject_id, id
"""

LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtext('unpaged'))"
"""One process at a time looks; the others have nothing to do."""

_OVER: Final = "('resolved', 'closed', 'cancelled')"

_ACTED: Final = "greatest(p.created_at, p.sent_at, p.confirmed_at, p.acknowledged_at)"
"""When a page last did something for people."""

_UNSURE: Final = (
    "(p.status = 'sent' AND p.confirmed_at IS NULL AND p.sent_at <= now() - make_interval(secs => "
)
"""It should be confirmed, or known to be stuck, by then; the parameter of the seconds follows."""

_CANDIDATES: Final = f"""
WITH off AS MATERIALIZED (
    SELECT triggers, is_off, off_reason IS NOT NULL AND off_by IS DISTINCT FROM $8 AS by_us, end_at
    FROM workflows, LATERAL (
        SELECT NOT enabled AND removed_at IS NULL AS is_off, greatest(off_at, removed_at) AS end_at
    ) AS w
    WHERE is_off OR end_at > now() - interval '1 hour'
), troubled AS MATERIALIZED (
    SELECT alert_id FROM workflow_runs
    WHERE status IN ('queued', 'started', 'failed', 'completed_with_errors', 'canceled')
      AND id > $1 AND id < $2 AND alert_id IS NOT NULL
    UNION
    SELECT r.alert_id FROM workflow_runs r
    JOIN workflows w ON w.id = r.workflow_id AND w.lost_paging_at > now() - interval '1 day'
    WHERE r.status = 'completed' AND r.id > $1 AND r.id < $2 AND r.alert_id IS NOT NULL
    UNION
    SELECT p.alert_id FROM pages p
    WHERE p.status = ANY ($6::text[]) AND p.id > $1 AND p.id < $2 AND p.alert_id IS NOT NULL
      AND p.incident_id IS NULL AND NOT (p.status = 'sent' AND NOT {_UNSURE}$9)))
    UNION
    SELECT subject_id FROM domain_events
    WHERE state = 'queued' AND subject_type = 'alert' AND id > $1 AND id < $2
    UNION
    SELECT subject_id FROM domain_events
    WHERE state = 'running' AND subject_type = 'alert' AND id > $1 AND id < $2
    UNION
    SELECT subject_id FROM domain_events
    WHERE state = 'dead' AND subject_type = 'alert' AND id > $1 AND id < $2
    UNION
    SELECT e.subject_id FROM domain_events e JOIN off ON off.triggers && e.triggers
    WHERE e.type IN ('alert.created', 'alert.status_updated') AND e.id > $7 AND e.id < $2
      AND (off.end_at > e.occurred_at OR off.is_off AND (off.by_us OR EXISTS (
        SELECT FROM alerts a WHERE a.id = e.subject_id AND starts_with(a.external_id, '{LOCAL}'))))
)
SELECT c.* FROM (
    SELECT 'incident' AS kind, i.id, '{NOWHERE}'::uuid AS integration_id,
        'incident ' || i.number AS name, coalesce(i.restarted_at, i.created_at) AS since,
        i.restarted_at, false AS is_over, false AS pages_itself, i.depth
    FROM incidents i
    WHERE i.id < $2 AND i.kind = 'normal' AND i.removed_at IS NULL
      AND (i.id > $1 OR i.id IN (
        SELECT subject_id FROM domain_events
        WHERE type IN ('incident.updated', 'incident.alert_attached') AND id > $1 AND id < $2))
      AND i.status NOT IN {_OVER}
      AND NOT EXISTS (
        SELECT FROM pages p
        WHERE p.incident_id = i.id AND NOT {_UNSURE}$9))
          AND (p.confirmed_at IS NOT NULL OR p.status = ANY ($5::text[]))
          AND (i.restarted_at IS NULL OR {_ACTED} >= i.restarted_at))
    UNION ALL
    SELECT 'alert', a.id, a.integration_id, 'alert ' || a.short_id, a.created_at, NULL, false,
        NOT starts_with(a.external_id, '{LOCAL}'), 0
    FROM troubled t JOIN alerts a ON a.id = t.alert_id
    WHERE a.status <> 'resolved'
) AS c
WHERE c.id > $3 AND NOT EXISTS (
    SELECT FROM unpaged u
    WHERE u.subject_id = c.id AND u.since >= c.since
      AND (u.ended_at IS NULL OR u.ended_by = 'paged'))
ORDER BY c.id LIMIT $4
"""  # noqa: S608 - constants of this module

_KNOWN: Final = f"""
SELECT u.subject_type AS kind, u.subject_id AS id, u.integration_id,
    CASE u.subject_type WHEN 'incident' THEN 'incident ' || i.number
        ELSE 'alert ' || a.short_id END AS name,
    u.since, i.restarted_at,
    CASE u.subject_type
        WHEN 'incident' THEN i.id IS NULL OR i.removed_at IS NOT NULL OR i.status IN {_OVER}
        ELSE a.id IS NULL OR a.status = 'resolved' END AS is_over,
    coalesce(NOT starts_with(a.external_id, '{LOCAL}'), false) AS pages_itself,
    coalesce(i.depth, 0) AS depth
FROM unpaged u
LEFT JOIN incidents i ON u.subject_type = 'incident' AND i.id = u.subject_id
LEFT JOIN alerts a ON u.subject_type = 'alert' AND a.id = u.subject_id
    AND a.integration_id = u.integration_id
WHERE u.ended_at IS NULL AND u.subject_id > $1
ORDER BY u.subject_id LIMIT $2
"""  # noqa: S608 - constants of this module

_PAGES: Final = f"""
SELECT p.{{column}} AS subject_id, p.status, p.confirmed_at IS NOT NULL AS was_confirmed,
    coalesce(p.send_at, p.created_at) > now() - make_interval(secs => $2) AS is_for_later,
    {_UNSURE}$4)) AS is_unsure,
    (SELECT o.last_error FROM operations o
     WHERE o.page_id = p.id AND o.kind = 'create_alert') AS error
FROM unnest($1::uuid[], $3::timestamptz[]) AS s (id, restarted_at)
JOIN pages p ON p.{{column}} = s.id
    AND (s.restarted_at IS NULL OR {_ACTED} >= s.restarted_at)
ORDER BY p.id DESC
"""  # noqa: S608 - constants of this module

_RUNS: Final = """
SELECT r.{column} AS subject_id, r.id, w.name AS workflow, r.status, r.status_message AS message,
    r.is_over_limit, r.run_at <= now() - make_interval(secs => $3) AS is_due,
    r.status = 'completed' AND changed.too_late AND NOT EXISTS (
        SELECT FROM workflow_task_runs t
        WHERE t.run_id = r.id AND t.task_params ->> 'task_type' = ANY ($2::text[])) AS is_toothless,
    coalesce((SELECT t.error FROM workflow_task_runs t
              WHERE t.run_id = r.id AND t.status = 'failed' ORDER BY t.position LIMIT 1),
             r.last_error) AS error
FROM unnest($1::uuid[], $4::timestamptz[]) AS s (id, restarted_at)
JOIN workflow_runs r ON r.{column} = s.id
    AND (s.restarted_at IS NULL OR greatest(r.created_at, r.run_at) >= s.restarted_at)
JOIN workflows w ON w.id = r.workflow_id
LEFT JOIN domain_events e ON e.id = r.domain_event_id
CROSS JOIN LATERAL (
    SELECT coalesce(w.lost_paging_at > coalesce(e.occurred_at, r.created_at), false) AS too_late
) AS changed
WHERE r.created_at <= now() - make_interval(secs => $3)
  AND (changed.too_late OR EXISTS (
    SELECT FROM workflow_tasks t
    WHERE t.workflow_id = w.id AND t.enabled AND t.task_params ->> 'task_type' = ANY ($2::text[])))
ORDER BY r.id DESC
"""

_EVENTS: Final = """
SELECT e.subject_id, e.integration_id, e.state, e.last_error, e.triggers, e.evaluations,
    e.occurred_at, v.verdicts AS refused
FROM unnest($1::uuid[], $4::timestamptz[]) AS s (id, restarted_at)
JOIN domain_events e ON e.subject_id = s.id
    AND (s.restarted_at IS NULL OR e.created_at >= s.restarted_at)
LEFT JOIN verdict_sets v ON v.id = e.refused_id
WHERE e.subject_type = $2
  AND e.type NOT IN ('incident.unpaged', 'alert.unpaged', 'incident.timeline_updated')
  AND e.created_at <= now() - make_interval(secs => $3)
ORDER BY e.id
"""

_INSERT: Final = """
INSERT INTO unpaged AS u (subject_id, subject_type, integration_id, since, reason, detail, remedy)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[],
                     $6::text[], $7::text[])
ON CONFLICT (subject_id) DO UPDATE
SET since = excluded.since, reason = excluded.reason, detail = excluded.detail,
    remedy = excluded.remedy, noticed_at = now(), ended_at = NULL, ended_by = NULL
WHERE u.since < excluded.since OR u.ended_by <> 'paged'
RETURNING subject_id
"""
"""What ended because nobody was needed, or was wanted so, may begin again; who was paged was."""

_CHANGE: Final = """
UPDATE unpaged SET reason = $2, detail = $3, remedy = $4
WHERE subject_id = $1 AND (reason, detail) IS DISTINCT FROM ($2, $3)
"""

_END: Final = """
UPDATE unpaged u SET ended_at = now(), ended_by = e.ended_by
FROM unnest($1::uuid[], $2::text[]) AS e (id, ended_by) WHERE u.subject_id = e.id
"""
