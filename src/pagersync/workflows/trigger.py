"""From what happened to what is done about it: domain events in, workflow runs out.

A batch of events is looked at against every workflow that listens, and their runs, the verdicts
and the end of the events are committed together. An event and a workflow make one run, ever: a
unique constraint says so, however many workers look, and however often.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from pagersync.database.base import new_id
from pagersync.database.batch import LeaseLostError, work_batch
from pagersync.database.engine import Connection
from pagersync.database.queue import Batch, Outcome, Queue
from pagersync.events.publish import NO_INTEGRATION
from pagersync.settings import Settings
from pagersync.workflows import store
from pagersync.workflows.conditions import Subject
from pagersync.workflows.listeners import Listener, Listeners, limit_text
from pagersync.workflows.store import NewRun
from pagersync.workflows.subjects import as_of, load_subjects
from pagersync.workflows.verdicts import VerdictSets

CLAIMED_COLUMNS: Final = (
    "integration_id",
    "type",
    "triggers",
    "subject_type",
    "subject_id",
    "delivery_id",
    "workflow_run_id",
    "requested_by",
    "depth",
    "data",
)


def events_queue(settings: Settings) -> Queue:
    """Return the queue of domain events for which a workflow listens."""
    return Queue(
        "domain_events",
        columns=CLAIMED_COLUMNS,
        attempts_max=settings.apply_attempts_max,
        lease_s=settings.apply_lease_s,
    )


@dataclass
class Verdicts:
    """What came of one event: the runs it starts, and why others did not run.

    Attributes:
        seen: what its subject looked like.
        matched, refused: one JSON object a workflow.
        matches: the workflows that match, before their limits.
    """

    event: asyncpg.Record
    seen: dict[str, Any]
    matched: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    matches: list[Listener] = field(default_factory=list)


class Trigger:
    """Looks at events; keeps what it compiled of the workflows."""

    def __init__(self, *, depth_max: int) -> None:
        self._listeners = Listeners()
        self._sets = VerdictSets()
        self._depth_max = depth_max

    async def work(self, connection: Connection, queue: Queue, batch: Batch) -> None:
        """Look at claimed events, start what they trigger, and finish them."""
        await work_batch(connection, queue, batch, self._apply)

    async def _apply(
        self, connection: Connection, queue: Queue, token: UUID, rows: Sequence[asyncpg.Record]
    ) -> None:
        async with connection.transaction():
            listeners = await self._listeners.load(connection)
            verdicts = await self._look(connection, listeners, rows)
            runs = await _take_from_limits(connection, verdicts)
            await store.insert_runs(connection, runs)
            new_sets = self._sets.of(each.refused for each in verdicts)
            await store.insert_verdict_sets(connection, new_sets)
            await store.write_evaluations(
                connection,
                {
                    each.event["id"]: (_as_json(each), self._sets.id_of(each.refused))
                    for each in verdicts
                },
            )
            outcomes = [Outcome.done(row["id"]) for row in rows]
            if len(await queue.finish(connection, token, outcomes)) < len(rows):
                raise LeaseLostError
        self._sets.are_stored(new_sets)

    async def _look(
        self,
        connection: Connection,
        listeners: Sequence[Listener],
        rows: Sequence[asyncpg.Record],
    ) -> list[Verdicts]:
        subjects = await _load(connection, listeners, rows)
        by_trigger: defaultdict[str, list[Listener]] = defaultdict(list)
        for listener in listeners:
            for name in listener.triggers:
                by_trigger[name].append(listener)
        now = datetime.now(UTC)
        verdicts = []
        for row in rows:
            subject = subjects.get(row["subject_id"])
            if subject is None:
                verdicts.append(Verdicts(row, {"missing": f"the {row['subject_type']} is gone"}))
                continue
            subject = as_of(subject, row["type"], row["data"])
            each = Verdicts(row, subject.seen())
            for listener in _listening(row, by_trigger):
                reason = self._why_not(listener, row, subject, now)
                if reason is None:
                    each.matches.append(listener)
                else:
                    each.refused.append(listener.refused(reason))
            verdicts.append(each)
        return verdicts

    def _why_not(
        self, listener: Listener, event: asyncpg.Record, subject: Subject, now: datetime
    ) -> str | None:
        """Return why a workflow does not run for an event that it listens for, or None."""
        accounts = (None, event["integration_id"])
        if listener.integration_id not in accounts and event["integration_id"] != NO_INTEGRATION:
            return "it is for another integration"
        if event["depth"] >= self._depth_max:
            return (
                f"{event['depth']} workflow runs led to this, one by one: no more are started "
                "(PAGERSYNC_WORKFLOW_DEPTH_MAX)"
            )
        return listener.conditions.first_failed(subject, now)


def _listening(
    event: asyncpg.Record, by_trigger: Mapping[str, Sequence[Listener]]
) -> Iterator[Listener]:
    """Yield the workflows that listen for any of an event's triggers, each once."""
    if len(event["triggers"]) == 1:
        yield from by_trigger.get(event["triggers"][0], ())
        return
    seen = set()
    for name in event["triggers"]:
        for listener in by_trigger.get(name, ()):
            if listener.id not in seen:
                seen.add(listener.id)
                yield listener


async def _load(
    connection: Connection, listeners: Sequence[Listener], rows: Sequence[asyncpg.Record]
) -> dict[UUID, Subject]:
    ids: defaultdict[str, set[UUID]] = defaultdict(set)
    for row in rows:
        ids[row["subject_type"]].add(row["subject_id"])
    with_payload = any(listener.looks_at_payload for listener in listeners)
    subjects: dict[UUID, Subject] = {}
    for kind, wanted in ids.items():
        subjects |= await load_subjects(connection, kind, list(wanted), with_payload=with_payload)
    return subjects


async def _take_from_limits(connection: Connection, verdicts: Sequence[Verdicts]) -> list[NewRun]:
    """Return the runs to start; those beyond a workflow's limit are canceled from the start."""
    wanted: defaultdict[Listener, list[Verdicts]] = defaultdict(list)
    for each in verdicts:
        for listener in each.matches:
            wanted[listener].append(each)
    counted = await store.count_runs(
        connection, {listener.id: len(events) for listener, events in wanted.items()}
    )
    runs = []
    for listener, events in wanted.items():
        room = max(0, listener.runs_per_minute_max - (counted[listener.id] - len(events)))
        for position, each in enumerate(events):
            run = _new_run(listener, each.event, is_limited=position >= room)
            verdict = listener.limited if run.is_limited else listener.matched
            each.matched.append(verdict(run.id))
            runs.append(run)
    return runs


def _new_run(listener: Listener, event: asyncpg.Record, *, is_limited: bool) -> NewRun:
    by = event["requested_by"] or ("PagerTree" if event["delivery_id"] else "pagersync")
    return NewRun(
        id=new_id(),
        integration_id=event["integration_id"],
        workflow_id=listener.id,
        domain_event_id=event["id"],
        subject_type=event["subject_type"],
        subject_id=event["subject_id"],
        triggered_by="workflow" if event["workflow_run_id"] else "system",
        requested_by=by,
        depth=event["depth"] + 1,
        wait_s=listener.wait_s,
        is_limited=is_limited,
        status_message=limit_text(listener.runs_per_minute_max) if is_limited else None,
    )


def _as_json(verdicts: Verdicts) -> str:
    return f'{{"seen": {json.dumps(verdicts.seen)}, "workflows": [{", ".join(verdicts.matched)}]}}'
