"""Runs in PostgreSQL, a batch at a time, by fixed SQL on a raw connection."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from pagersync.database.engine import Connection
from pagersync.database.unhurried import UNHURRIED


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to start.

    Attributes:
        subject_type: `incident`, `alert` or `page`.
        wait_s: before it begins, unless `run_at` says when.
        state: `queued`, or how it has ended before it began.
        is_over_limit: it is beyond its workflow's limit.
        pages: it may page somebody, or lead to that.
    """

    id: UUID
    integration_id: UUID
    workflow_id: UUID
    domain_event_id: UUID
    subject_type: str
    subject_id: UUID
    triggered_by: str
    requested_by: str
    depth: int
    wait_s: float
    run_at: datetime | None
    checks_conditions: bool
    state: str
    is_over_limit: bool
    status_message: str | None
    requester: str
    pages: bool


Share: TypeAlias = tuple[UUID, str]
"""A workflow and a requester: its runs that he causes have a limit of their own."""


@dataclass(frozen=True, slots=True)
class Minute:
    """The minute that it is, as PostgreSQL has it, and how many runs a share has in it."""

    minute: datetime
    runs: int


async def count_runs(connection: Connection, wanted: Mapping[Share, int]) -> dict[Share, Minute]:
    """Count runs that are about to start; return how many each share has in this minute now."""
    if not wanted:
        return {}
    shares = sorted(wanted)
    rows = await connection.fetch(
        _COUNT,
        [workflow_id for workflow_id, _ in shares],
        [requester for _, requester in shares],
        [wanted[share] for share in shares],
    )
    return {
        (row["workflow_id"], row["requester"]): Minute(row["minute"], row["runs"]) for row in rows
    }


async def count_over(connection: Connection, share: Share, minute: datetime, runs: int) -> bool:
    """Count runs beyond a share's limit; tell whether they are the first of their minute."""
    return bool(await connection.fetchval(_COUNT_OVER, *share, minute, runs) == runs)


async def read_minutes(
    connection: Connection, share: Share, after: datetime
) -> dict[datetime, int]:
    """Return how many runs of a share later minutes have, as far as they have any."""
    rows = await connection.fetch(_LATER, *share, after)
    return {row["minute"]: row["runs"] for row in rows}


async def take_minutes(connection: Connection, share: Share, minutes: Sequence[datetime]) -> None:
    """Count runs that begin in later minutes, one for each that is named."""
    taken = Counter(minutes)
    if taken:
        ordered = sorted(taken)
        counts = [taken[minute] for minute in ordered]
        await connection.execute(_TAKE, *share, ordered, counts)


async def insert_runs(connection: Connection, runs: Sequence[NewRun]) -> None:
    """Start runs; one that the same event has started before is left alone."""
    if not runs:
        return
    await connection.execute(
        _INSERT,
        [run.id for run in runs],
        [run.integration_id for run in runs],
        [run.workflow_id for run in runs],
        [run.domain_event_id for run in runs],
        [run.subject_type for run in runs],
        [run.subject_id for run in runs],
        [run.triggered_by for run in runs],
        [run.requested_by for run in runs],
        [run.depth for run in runs],
        [run.wait_s for run in runs],
        [run.run_at for run in runs],
        [run.checks_conditions for run in runs],
        [run.state for run in runs],
        [run.is_over_limit for run in runs],
        [run.status_message for run in runs],
        [run.requester for run in runs],
        [run.pages for run in runs],
    )


async def finish_events(
    connection: Connection, token: UUID, evaluations: Mapping[UUID, tuple[str, UUID | None]]
) -> int:
    """End events that were looked at; return how many of them were still held under `token`.

    What matched is kept on them, as JSON, and which set says why the others did not. The commit
    does not wait for the disk: a crash looks at the events again.
    """
    rows = await connection.fetch(
        _FINISH,
        token,
        list(evaluations),
        [matched for matched, _ in evaluations.values()],
        [refused_id for _, refused_id in evaluations.values()],
    )
    return len(rows)


async def insert_verdict_sets(connection: Connection, sets: Mapping[UUID, str]) -> None:
    """Keep sets of verdicts, as JSON, and that they are in use today."""
    if sets:
        ids = sorted(sets)
        await connection.execute(_VERDICT_SETS, ids, [sets[set_id] for set_id in ids])


_COUNT = """
INSERT INTO requester_minutes AS m (workflow_id, minute, requester, runs)
SELECT id, date_trunc('minute', now()), requester, runs
FROM unnest($1::uuid[], $2::text[], $3::int[]) AS w (id, requester, runs)
ON CONFLICT (workflow_id, minute, requester) DO UPDATE SET runs = m.runs + excluded.runs
RETURNING workflow_id, minute, requester, runs
"""
"""Given in one order, so that workers wait for each other, never in a circle."""

_COUNT_OVER = """
UPDATE requester_minutes SET over_limit = over_limit + $4
WHERE workflow_id = $1 AND requester = $2 AND minute = $3 RETURNING over_limit
"""

_LATER = """
SELECT minute, runs FROM requester_minutes
WHERE workflow_id = $1 AND requester = $2 AND minute > $3
"""

_TAKE = """
INSERT INTO requester_minutes AS m (workflow_id, requester, minute, runs)
SELECT $1, $2, minute, runs FROM unnest($3::timestamptz[], $4::int[]) AS t (minute, runs)
ON CONFLICT (workflow_id, minute, requester) DO UPDATE SET runs = m.runs + excluded.runs
"""

_INSERT = """
INSERT INTO workflow_runs (id, integration_id, workflow_id, domain_event_id, incident_id, alert_id,
    page_id, triggered_by, requested_by, depth, run_at, checks_conditions, state, is_over_limit,
    status_message, requester, pages, finished_at)
SELECT id, integration_id, workflow_id, domain_event_id,
    CASE kind WHEN 'incident' THEN subject_id END,
    CASE kind WHEN 'alert' THEN subject_id END,
    CASE kind WHEN 'page' THEN subject_id END,
    triggered_by, requested_by, depth, coalesce(run_at, now() + make_interval(secs => wait_s)),
    checks_conditions, state, is_over_limit, status_message,
    requester, pages, CASE WHEN state <> 'queued' THEN now() END
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::text[],
            $8::text[], $9::int[], $10::float8[], $11::timestamptz[], $12::bool[], $13::text[],
            $14::bool[], $15::text[], $16::text[], $17::bool[])
  AS r (id, integration_id, workflow_id, domain_event_id, kind, subject_id, triggered_by,
        requested_by, depth, wait_s, run_at, checks_conditions, state, is_over_limit,
        status_message, requester, pages)
ON CONFLICT (integration_id, workflow_id, domain_event_id, repeat_number) DO NOTHING
"""

_FINISH = f"""
WITH held AS MATERIALIZED (
    SELECT id FROM domain_events WHERE id = ANY($2::uuid[]) AND lease_token = $1
    ORDER BY id FOR UPDATE
)
UPDATE domain_events e
SET evaluations = v.evaluations::jsonb, refused_id = v.refused_id, state = 'done',
    last_error = NULL, lease_token = NULL, leased_until = NULL, finished_at = now()
FROM held JOIN unnest($2::uuid[], $3::text[], $4::uuid[]) AS v (id, evaluations, refused_id)
    USING (id)
WHERE e.id = held.id
RETURNING {UNHURRIED}
"""  # noqa: S608 - a constant
"""Locks in the order of ids, as `Queue.finish` does."""

_VERDICT_SETS = """
INSERT INTO verdict_sets AS s (id, verdicts, used_on)
SELECT id, verdicts::jsonb, (now() AT TIME ZONE 'UTC')::date
FROM unnest($1::uuid[], $2::text[]) AS n (id, verdicts)
ON CONFLICT (id) DO UPDATE SET used_on = excluded.used_on WHERE s.used_on < excluded.used_on
"""
