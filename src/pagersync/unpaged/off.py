"""Workflows that page, and were off when something happened that they would have run for."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from pagersync.database.engine import Connection
from pagersync.unpaged.decision import OffSeen
from pagersync.workflows.account_workflows import BY_ACCOUNT, OTHER_ACCOUNT
from pagersync.workflows.conditions import Subject, conditions_of
from pagersync.workflows.subjects import load_subjects
from pagersync.workflows.trace_story import LEADING_TASKS, PAGING_TASKS

UNSEEN: Final = ("queued", "running")
"""States of events that no workflow has looked at yet."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An incident or alert to look at.

    Attributes:
        name: what people call it.
        is_over: nobody is needed for it any more.
        depth: how many workflow runs lie between it and what a person or PagerTree did.
    """

    kind: str
    id: UUID
    integration_id: UUID
    name: str
    created_at: datetime
    is_over: bool
    depth: int


async def load_workflows(connection: Connection) -> Sequence[asyncpg.Record]:
    """Return the workflows that page or lead to a page, also those that were removed."""
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
            each.id: (each, pairs)
            for each in found
            if each.kind == kind and (pairs := list(_missed(workflows, each, events[each.id])))
        }
        subjects = await load_subjects(connection, kind, [*missed]) if missed else {}
        for id_, (each, pairs) in missed.items():
            if id_ in subjects:
                off[id_] += _seen(each, pairs, subjects[id_])
    return off


def _missed(
    workflows: Sequence[asyncpg.Record], each: Candidate, events: Sequence[asyncpg.Record]
) -> Iterator[tuple[asyncpg.Record, bool]]:
    """Yield each workflow that did not hear an event, and whether no other one heard it.

    For alerts only those count that pagersync itself switched off: PagerTree pages for alerts.
    """
    counted = [row for row in workflows if row["pages"] or each.kind == "alert"]
    paging = {row["id"] for row in counted}
    for row in counted:
        for event in events:
            if _was_off(row, event):
                is_alone = each.kind == "incident" and not paging & _listeners(event)
                yield row, is_alone
                break


def _was_off(workflow: asyncpg.Record, event: asyncpg.Record) -> bool:
    """Tell whether a workflow was off when something happened that it listens for."""
    if not set(workflow["triggers"]).intersection(event["triggers"]):
        return False
    if workflow["created_at"] > event["occurred_at"] or workflow["id"] in _listeners(event):
        return False
    if workflow["removed_at"] is not None and workflow["removed_at"] <= event["occurred_at"]:
        return False
    return not workflow["enabled"] or event["state"] not in UNSEEN


def _listeners(event: asyncpg.Record) -> set[UUID]:
    """Return the workflows that were on when an event was looked at."""
    matched = (event["evaluations"] or {}).get("workflows", [])
    return {UUID(each["workflow_id"]) for each in (*matched, *(event["refused"] or []))}


def _seen(
    each: Candidate, pairs: Sequence[tuple[asyncpg.Record, bool]], subject: Subject
) -> list[OffSeen]:
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
            is_alone=is_alone,
        )
        for row, is_alone in pairs
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
    w.created_at, w.off_by IS NOT DISTINCT FROM $3 AS is_spare, i.name AS account,
    EXISTS (SELECT FROM workflow_tasks t WHERE t.workflow_id = w.id AND t.enabled
            AND t.task_params ->> 'task_type' = ANY ($2::text[])) AS pages
FROM workflows w
LEFT JOIN integrations i
    ON w.off_by = $4 || i.id::text AND NOT i.enabled AND i.removed_at IS NULL
WHERE (w.removed_at IS NULL OR w.removed_at > now() - interval '7 days') AND EXISTS (
    SELECT FROM workflow_tasks t
    WHERE t.workflow_id = w.id AND t.enabled AND t.task_params ->> 'task_type' = ANY ($1::text[]))
  AND (w.enabled OR w.off_reason IS NOT NULL OR w.default_key IS NULL
       OR w.default_key NOT LIKE '%:restart')
ORDER BY w.removed_at IS NOT NULL, w.position, w.id
"""
"""The default workflow for restarts is off until somebody wants it: that is no fault."""
