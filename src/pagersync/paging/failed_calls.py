"""Resolves, acknowledgements and changes of alerts that failed: told to people, and made again.

What is over, or what somebody has taken, must not go on paging people because one call failed. So
a failed call is made again, with pauses that grow from a minute to an hour, and after a day on to
a day. It ends when PagerTree shows that it is done or needless, no longer has the alert, or when a
person cancels it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import asyncpg

from pagersync.database.engine import Connection
from pagersync.events.publish import Fact, publish
from pagersync.incidents.activity import Activity, add_activity
from pagersync.paging.models import OperationKind, OperationState
from pagersync.paging.step import End, Work

PAUSE_FIRST_S: Final = 60.0
PAUSE_MAX_S: Final = 3600.0
PAUSE_OF_OLD_MAX_S: Final = 86400.0
PAUSE_PER_AGE: Final = 1 / 24
"""A call that fails for longer than a day waits for so much of that time."""

REVIVED_AT_ONCE_MAX: Final = 100

LATE_AFTER_S: Final = 60.0
"""A call that PagerTree has not taken for so long is told like one that has failed."""


@dataclass(frozen=True, slots=True)
class FailedCall:
    """How the failure of one kind of operation is told.

    Attributes:
        event: the event's type behind `page.` or `alert.`; None for no event.
        done: what could not be done, for people.
        task_type: the task of a workflow that asks for it.
    """

    event: str | None
    done: str
    task_type: str | None = None


KINDS: Final[Mapping[OperationKind, FailedCall]] = MappingProxyType(
    {
        OperationKind.RESOLVE_ALERT: FailedCall(
            "resolve_failed", "be resolved", "resolve_pagertree_alert"
        ),
        OperationKind.ACKNOWLEDGE_ALERT: FailedCall(
            "acknowledge_failed", "be acknowledged", "acknowledge_pagertree_alert"
        ),
        OperationKind.UPDATE_ALERT: FailedCall(
            "update_failed", "be changed", "update_pagertree_alert"
        ),
        OperationKind.ADD_COMMENT: FailedCall(None, "get a comment"),
    }
)


RETRIED: Final = (
    OperationKind.RESOLVE_ALERT,
    OperationKind.ACKNOWLEDGE_ALERT,
    OperationKind.UPDATE_ALERT,
)
"""What is made again as long as the alert is open in PagerTree."""


def pause_s(failures: int, age_s: float) -> float:
    """Return how long to wait after so many failures, at least one, of so old a call. Pure."""
    young = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2.0 ** min(failures - 1, 10))
    return max(young, min(PAUSE_OF_OLD_MAX_S, age_s * PAUSE_PER_AGE))


def has_failed(work: Work, end: End) -> bool:
    """Tell whether a call about an alert ended without having done what was asked. Pure."""
    is_over = end.outcome.state in (OperationState.FAILED, OperationState.DEAD)
    return is_over and work.kind in KINDS


async def follow_failure(connection: Connection, work: Work, end: End) -> None:
    """Tell people that a call failed, the first and the last time, and plan the next try."""
    if not has_failed(work, end):
        return
    failures = await connection.fetchval(_COUNT_FAILURE, work.id)
    is_retried = work.kind in RETRIED and not end.is_final
    if is_retried:
        age_s = (datetime.now(UTC) - work.created_at).total_seconds()
        await connection.execute(_RETRY, work.id, pause_s(failures, age_s))
    if failures > 1 and is_retried:
        return
    row = await connection.fetchrow(_ABOUT, work.id)
    if row is None:
        return
    text = _text(KINDS[work.kind], row, end.outcome.error, is_retried=is_retried)
    await _tell(connection, work, row, text)


def _text(call: FailedCall, row: asyncpg.Record, error: str | None, *, is_retried: bool) -> str:
    what = f"page {row['page_title']!r}" if row["page_title"] else f"alert {row['alert_summary']!r}"
    said = f"The {what} could not {call.done} in PagerTree: {(error or 'no reason').rstrip('.')}."
    if call.event != "resolve_failed":
        return f"{said} It is tried again." if is_retried else said
    if is_retried:
        return f"{said} People may still be paged. It is tried again until PagerTree resolves it."
    return f"{said} People may still be paged. It is not tried again: resolve it in PagerTree."


async def _tell(connection: Connection, work: Work, row: asyncpg.Record, text: str) -> None:
    """Put a failure on timelines and on the run that asked, and publish it."""
    call, now = KINDS[work.kind], datetime.now(UTC)
    incidents = {each for each in row["incident_ids"] if each is not None}
    told = [
        Activity(
            incident_id=incident_id,
            event=text,
            source="system",
            occurred_at=now,
            page_id=work.page_id,
            alert_id=row["alert_id"],
            workflow_run_id=row["workflow_run_id"],
        )
        for incident_id in sorted(incidents)
    ]
    await add_activity(connection, told)
    if row["workflow_run_id"] is not None:
        run_id: UUID = row["workflow_run_id"]
        await connection.execute(_NOTE_ON_RUN, run_id, work.id, call.task_type, text)
    subject, subject_id = ("page", work.page_id) if work.page_id else ("alert", row["alert_id"])
    if call.event is None or subject_id is None:
        return
    data: dict[str, Any] = {"operation_id": str(work.id), "reason": text}
    fact = Fact(
        integration_id=work.integration_id,
        type=f"{subject}.{call.event}",
        subject_type=subject,
        subject_id=subject_id,
        delivery_id=None,
        data=data,
        occurred_at=now,
        depth=row["depth"] or 0,
        requester=row["requester"],
    )
    await publish(connection, [fact])


async def tell_late(connection: Connection) -> None:
    """Tell people, once, of calls that go on being tried and that PagerTree does not take.

    An attempt that fails in doubt is repeated for a day, and none is made while the API key is
    refused: people are paged all that time for what is over, or for what somebody has acknowledged.
    """
    kinds = [kind.value for kind in KINDS]
    for late in await connection.fetch(_LATE, LATE_AFTER_S, REVIVED_AT_ONCE_MAX, kinds):
        row = await connection.fetchrow(_ABOUT, late["id"])
        assert row is not None  # noqa: S101 - its operation is locked
        work = Work(
            id=late["id"],
            integration_id=late["integration_id"],
            kind=OperationKind(late["kind"]),
            attempt=late["attempt"],
            created_at=late["created_at"],
            page_id=late["page_id"],
        )
        text = _text(KINDS[work.kind], row, late["last_error"], is_retried=True)
        await _tell(connection, work, row, text)


async def revive_due(connection: Connection, *, attempts_max: int) -> int:
    """Queue the failed calls whose time has come, for one more try; return how many.

    One whose alert is by now what was asked for is done. A change sends only what no newer change
    of the same alert says, so that it undoes none.
    """
    revived = await connection.fetch(_REVIVE, REVIVED_AT_ONCE_MAX, attempts_max - 1)
    if revived:
        await connection.execute("SELECT pg_notify('pagersync', 'operations')")
    return len(revived)


_COUNT_FAILURE: Final = """
UPDATE operations SET failures = failures + 1, retry_at = NULL WHERE id = $1 RETURNING failures
"""

_RETRY: Final = """
UPDATE operations SET retry_at = now() + make_interval(secs => $2) WHERE id = $1
"""

_ABOUT: Final = """
SELECT o.workflow_run_id, o.requester, coalesce(o.alert_id, p.alert_id) AS alert_id,
    p.title AS page_title, a.summary AS alert_summary, p.depth,
    array_append(ARRAY(SELECT ia.incident_id FROM incident_alerts ia
                       WHERE ia.alert_id = coalesce(o.alert_id, p.alert_id)), p.incident_id)
      AS incident_ids
FROM operations o
LEFT JOIN pages p ON p.id = o.page_id
LEFT JOIN alerts a ON a.id = coalesce(o.alert_id, p.alert_id)
WHERE o.id = $1
"""

_LATE: Final = """
WITH late AS MATERIALIZED (
    SELECT o.id, coalesce(o.last_error, g.last_error) AS error
    FROM operations o
    LEFT JOIN pages p ON p.id = o.page_id
    LEFT JOIN integration_gates g
        ON g.integration_id = o.integration_id AND g.open_until IS NOT NULL
    WHERE o.state = 'queued' AND o.kind = ANY ($3::text[]) AND o.failures = 0
      AND o.created_at < now() - make_interval(secs => $1)
      AND (o.page_id IS NULL OR p.sent_at < now() - make_interval(secs => $1))
      AND (o.last_error IS NOT NULL OR g.last_error IS NOT NULL)
    ORDER BY o.id LIMIT $2 FOR UPDATE OF o SKIP LOCKED
)
UPDATE operations o SET failures = 1, last_error = late.error FROM late WHERE o.id = late.id
RETURNING o.id, o.kind, o.integration_id, o.page_id, o.attempt, o.created_at, o.last_error
"""
"""What only waits for its turn, or for its page to be sent, is not late."""

_NOTE_ON_RUN: Final = """
UPDATE workflow_task_runs SET notes = notes || $4::text
WHERE run_id = $1 AND ($2 = ANY (operation_ids) OR task_params ->> 'task_type' = $3)
"""

_REVIVE: Final = """
WITH due AS MATERIALIZED (
    SELECT o.id, coalesce(p.status, a.status, '') AS status,
        o.params - ARRAY(
            SELECT jsonb_object_keys(n.params) FROM operations n
            WHERE o.kind = 'update_alert' AND n.kind = o.kind AND n.id > o.id
              AND (n.page_id = o.page_id OR o.page_id IS NULL AND n.alert_id = o.alert_id)
              AND n.state <> 'canceled') AS params
    FROM operations o
    LEFT JOIN pages p ON p.id = o.page_id
    LEFT JOIN alerts a ON a.id = o.alert_id AND o.page_id IS NULL
    WHERE o.retry_at <= now()
    ORDER BY o.retry_at LIMIT $1 FOR UPDATE OF o SKIP LOCKED
), decided AS (
    SELECT o.id, due.params, CASE
        WHEN o.kind = 'update_alert' AND due.status = 'resolved' THEN o.state
        WHEN o.kind = 'update_alert' AND due.params = '{}' THEN o.state
        WHEN due.status = 'resolved' THEN 'done'
        WHEN o.kind = 'acknowledge_alert' AND due.status = 'acknowledged' THEN 'done'
        ELSE 'queued' END AS state
    FROM due JOIN operations o ON o.id = due.id
)
UPDATE operations o
SET retry_at = NULL, params = d.params, state = d.state,
    attempt = CASE WHEN d.state = 'queued' THEN $2 ELSE o.attempt END,
    lookups = 0, run_at = now(),
    finished_at = CASE WHEN d.state = 'queued' THEN NULL ELSE now() END,
    last_error = CASE WHEN d.state = o.state THEN
        concat(o.last_error, ' (not tried again: ', CASE WHEN d.params = '{}'
            THEN 'newer changes took its place)' ELSE 'the alert is resolved)' END)
        ELSE o.last_error END
FROM decided d WHERE o.id = d.id AND o.state IN ('failed', 'dead')
RETURNING o.id
"""
