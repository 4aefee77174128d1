"""Workflows that page, and were off when something happened that they would have run for."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from pagersync.database.engine import Connection
from pagersync.events.publish import NO_INTEGRATION
from pagersync.unpaged.decision import OffSeen
from pagersync.workflows.account_workflows import BY_ACCOUNT, OTHER_ACCOUNT
from pagersync.workflows.conditions import Subject, conditions_of
from pagersync.workflows.subjects import load_subjects
from pagersync.workflows.trace_story import LEADING_TASKS, PAGING_TASKS

UNSEEN: Final = ("queued", "running")
"""States of events that no workflow has looked at yet."""

NOT_LOOKED_AT: Final = (*UNSEEN, "dead")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An incident or alert to look at.

    Attributes:
        name: what people call it.
        since: when it was created or, an incident, started again.
        restarted_at: when an incident was last started again; who was paged before went home.
        is_over: nobody is needed for it any more.
        pages_itself: whether PagerTree made it, and so pages people for it without our help.
        depth: how many workflow runs lie between it and what a person or PagerTree did.
    """

    kind: str
    id: UUID
    integration_id: UUID
    name: str
    since: datetime
    restarted_at: datetime | None
    is_over: bool
    pages_itself: bool
    depth: int


@dataclass(frozen=True, slots=True)
class _Missed:
    """A workflow that did not hear of something: it was off when that was looked at.

    Attributes:
        is_alone: no other workflow that pages heard of it.
        was_on: it was on when that happened.
    """

    workflow: asyncpg.Record
    is_alone: bool
    was_on: bool


async def load_workflows(connection: Connection) -> Sequence[asyncpg.Record]:
    """Return the workflows that page or lead to a page, or did lately; also removed ones."""
    return await connection.fetch(
        _WORKFLOWS, [*LEADING_TASKS], [*PAGING_TASKS], OTHER_ACCOUNT, BY_ACCOUNT
    )


async def find_off(
    connection: Connection,
    workflows: Sequence[asyncpg.Record],
    found: Sequence[Candidate],
    events: Mapping[UUID, Sequence[asyncpg.Record]],
) -> dict[UUID, list[OffSeen]]:
    """Return the workflows that were off, and would have run for incidents or alerts.

    Args:
        connection: to read from.
        workflows: all that page.
        found: the incidents and alerts.
        events: what happened to each.
    """
    off: defaultdict[UUID, list[OffSeen]] = defaultdict(list)
    for kind in ("incident", "alert"):
        missed = {
            each.id: (each, those)
            for each in found
            if each.kind == kind and (those := list(_missed(workflows, each, events[each.id])))
        }
        subjects = await load_subjects(connection, kind, [*missed]) if missed else {}
        for id_, (each, those) in missed.items():
            if id_ in subjects:
                off[id_] += _seen(each, those, subjects[id_])
    return off


async def find_awaited(
    connection: Connection,
    workflows: Sequence[asyncpg.Record],
    alerts: Sequence[Candidate],
    events: Mapping[UUID, Sequence[asyncpg.Record]],
) -> dict[UUID, list[asyncpg.Record]]:
    """Return the events of alerts that were not looked at, and that a workflow waits for.

    Of an alert that no workflow pages for, nothing is missed: PagerTree pages for it.
    """
    on = [row for row in workflows if row["enabled"] and row["removed_at"] is None]
    awaited: defaultdict[UUID, list[tuple[asyncpg.Record, asyncpg.Record]]] = defaultdict(list)
    for alert in alerts:
        for event in events[alert.id]:
            if event["state"] in NOT_LOOKED_AT:
                awaited[alert.id] += [
                    (event, row)
                    for row in on
                    if _listens(row, event) and _paged_then(row, event, "alert")
                ]
    subjects = await load_subjects(connection, "alert", [*awaited]) if awaited else {}
    return {
        id_: [event for event, row in pairs if _would_match(row["trigger_params"], subjects[id_])]
        for id_, pairs in awaited.items()
        if id_ in subjects
    }


def _missed(
    workflows: Sequence[asyncpg.Record], each: Candidate, events: Sequence[asyncpg.Record]
) -> Iterator[_Missed]:
    """Yield each workflow that did not hear an event.

    For alerts that PagerTree made only those count that pagersync itself switched off, or a person
    after the event: PagerTree pages for them.
    """
    for row in workflows:
        unheard = [e for e in events if _was_off(row, e) and _paged_then(row, e, each.kind)]
        if unheard:
            first = unheard[0]
            paging = {one["id"] for one in workflows if _paged_then(one, first, each.kind)}
            is_alone = not each.pages_itself and not paging & _listeners(first)
            yield _Missed(row, is_alone, any(_was_on(row, event) for event in unheard))


def _listens(workflow: asyncpg.Record, event: asyncpg.Record) -> bool:
    """Tell whether a workflow, on or off, was there for something that happened."""
    return (
        not set(workflow["triggers"]).isdisjoint(event["triggers"])
        and workflow["created_at"] <= event["occurred_at"]
        and (
            event["integration_id"] == NO_INTEGRATION
            or workflow["integration_id"] in (None, event["integration_id"])
        )
    )


def _was_off(workflow: asyncpg.Record, event: asyncpg.Record) -> bool:
    """Tell whether a workflow was off when something was looked at that it listens for."""
    if not _listens(workflow, event) or workflow["id"] in _listeners(event):
        return False
    if workflow["removed_at"] is not None:
        return bool(workflow["removed_at"] > event["occurred_at"])
    return not workflow["enabled"] or event["state"] not in UNSEEN


def _paged_then(workflow: asyncpg.Record, event: asyncpg.Record, kind: str) -> bool:
    """Tell whether a workflow paged, or led to a page, when something happened."""
    if workflow["pages"] or (kind == "alert" and workflow["leads"]):
        return True
    lost_at = workflow["lost_paging_at"]
    return lost_at is not None and bool(lost_at > event["occurred_at"])


def _was_on(workflow: asyncpg.Record, event: asyncpg.Record) -> bool:
    """Tell whether a workflow that did not hear an event was on when it happened."""
    ends = [workflow["off_at"], workflow["removed_at"] if workflow["enabled"] else None]
    return any(end is not None and end > event["occurred_at"] for end in ends)


def _listeners(event: asyncpg.Record) -> set[UUID]:
    """Return the workflows that were on when an event was looked at."""
    matched = (event["evaluations"] or {}).get("workflows", [])
    return {UUID(each["workflow_id"]) for each in (*matched, *(event["refused"] or []))}


def _seen(each: Candidate, missed: Sequence[_Missed], subject: Subject) -> list[OffSeen]:
    rows = [(one, one.workflow) for one in missed]
    return [
        OffSeen(
            workflow=row["name"],
            slug=row["slug"],
            number=each.name.removeprefix(f"{each.kind} "),
            kind=each.kind,
            reason=row["off_reason"],
            account=row["account"],
            is_spare=row["is_spare"],
            is_on_now=row["enabled"],
            is_removed=row["removed_at"] is not None,
            is_alone=one.is_alone,
            was_on=one.was_on,
        )
        for one, row in rows
        if _would_match(row["trigger_params"], subject)
    ]


def _would_match(trigger_params: Mapping[str, Any], subject: Subject) -> bool:
    """Tell whether conditions hold; those that cannot be read might."""
    try:
        return conditions_of(trigger_params).first_failed(subject, datetime.now(UTC)) is None
    except Exception:  # noqa: BLE001 - whatever it is, it must not hide what nobody was paged for
        return True


_WORKFLOWS: Final = """
SELECT w.id, w.name, w.slug, w.enabled, w.off_reason, w.removed_at, w.triggers, w.trigger_params,
    w.integration_id, w.created_at, w.off_at, w.off_by IS NOT DISTINCT FROM $3 AS is_spare,
    i.name AS account, w.lost_paging_at, has.leads, has.pages
FROM workflows w
LEFT JOIN integrations i
    ON w.off_by = $4 || i.id::text AND NOT i.enabled AND i.removed_at IS NULL
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(t.task_params ->> 'task_type' = ANY ($1::text[])), false) AS leads,
        coalesce(bool_or(t.task_params ->> 'task_type' = ANY ($2::text[])), false) AS pages
    FROM workflow_tasks t WHERE t.workflow_id = w.id AND t.enabled
) AS has
WHERE (w.removed_at IS NULL OR w.removed_at > now() - interval '7 days')
  AND (has.leads OR w.lost_paging_at > now() - interval '1 day')
  AND (w.enabled OR w.off_reason IS NOT NULL OR w.default_key IS NULL
       OR w.default_key NOT LIKE '%:restart')
ORDER BY w.removed_at IS NOT NULL, w.position, w.id
"""
"""The default workflow for restarts is off until somebody wants it: that is no fault."""
