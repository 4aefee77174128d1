"""From what happened to what is done about it: domain events in, workflow runs out.

A batch of events is looked at against every workflow that listens, and their runs, the verdicts
and the end of the events are committed together. An event and a workflow make one run, ever: a
unique constraint says so, however many workers look, and however often.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from pagersync.database.batch import LeaseLostError, work_batch
from pagersync.database.engine import Connection
from pagersync.database.lanes import lane_sql
from pagersync.database.queue import Batch, Queue
from pagersync.events.models import IN_TURN
from pagersync.events.publish import NO_INTEGRATION
from pagersync.settings import Settings
from pagersync.threads import MATCHING, run_in
from pagersync.workflows import store
from pagersync.workflows.conditions import Subject
from pagersync.workflows.listeners import Listener, Listeners
from pagersync.workflows.runs import ERROR_CHARACTERS_MAX
from pagersync.workflows.starts import Stop, Verdicts, count, start_runs
from pagersync.workflows.subjects import as_of, load_subjects
from pagersync.workflows.verdicts import VerdictSets

LANE: Final = lane_sql(IN_TURN)

CLAIMED_COLUMNS: Final = (
    "integration_id",
    "type",
    "triggers",
    "subject_type",
    "subject_id",
    "delivery_id",
    "workflow_run_id",
    "requested_by",
    "requester",
    "depth",
    "data",
)


log = structlog.get_logger()


def events_queue(settings: Settings) -> Queue:
    """Return the queue of domain events for which a workflow listens."""
    return Queue(
        "domain_events",
        columns=CLAIMED_COLUMNS,
        attempts_max=settings.apply_attempts_max,
        lease_s=settings.apply_lease_s,
        lane=LANE,
    )


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
        self, connection: Connection, _: Queue, token: UUID, rows: Sequence[asyncpg.Record]
    ) -> None:
        async with connection.transaction():
            listeners = await self._listeners.load(connection)
            subjects = await _load(connection, listeners, rows)
            verdicts = await run_in(MATCHING, self._look, subjects, listeners, rows)
            unusual = await start_runs(connection, verdicts)
            new_sets = self._sets.of(each.refused for each in verdicts)
            await store.insert_verdict_sets(connection, new_sets)
            evaluations = {
                each.event["id"]: (_as_json(each), self._sets.id_of(each.refused))
                for each in verdicts
            }
            if await store.finish_events(connection, token, evaluations) < len(rows):
                raise LeaseLostError
        self._sets.are_stored(new_sets)
        count(unusual)

    def _look(
        self,
        subjects: Mapping[UUID, Subject],
        listeners: Sequence[Listener],
        rows: Sequence[asyncpg.Record],
    ) -> list[Verdicts]:
        """Look at events in a thread of its own: regular expressions can take seconds."""
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
                self._judge(listener, each, subject, now)
            verdicts.append(each)
        return verdicts

    def _judge(
        self, listener: Listener, verdicts: Verdicts, subject: Subject, now: datetime
    ) -> None:
        """Add what becomes of a workflow that listens for an event.

        One that cannot be looked at keeps no other one from running.
        """
        event = verdicts.event
        accounts = (None, event["integration_id"])
        if listener.integration_id not in accounts and event["integration_id"] != NO_INTEGRATION:
            verdicts.refused.append(listener.refused("it is for another integration"))
            return
        try:
            reason = listener.first_failed(subject, now)
        except Exception as error:
            log.exception("conditions cannot be looked at", workflow_id=str(listener.id))
            text = f"its conditions cannot be looked at: {error!r}"[:ERROR_CHARACTERS_MAX]
            verdicts.stops.append(Stop(listener, "failed", text))
            return
        if reason is not None:
            verdicts.refused.append(listener.refused(reason))
        elif event["depth"] >= self._depth_max:
            # What is not started must be seen by somebody: it may be a page.
            text = (
                f"{event['depth']} workflow runs led to this, one by one: no more are started "
                "(PAGERSYNC_WORKFLOW_DEPTH_MAX)"
            )
            verdicts.stops.append(Stop(listener, "canceled", text))
        else:
            verdicts.matches.append(listener)


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


def _as_json(verdicts: Verdicts) -> str:
    return f'{{"seen": {json.dumps(verdicts.seen)}, "workflows": [{", ".join(verdicts.matched)}]}}'
