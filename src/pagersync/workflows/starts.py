"""The runs that events start: at once, later where a limit is reached, or not at all.

A limit makes runs wait and says so; it cancels none that somebody needs. A workflow that should
have run and cannot gets a run all the same, which has ended and says why: people find it, and can
try it again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import asyncpg
import structlog

from pagersync.database.base import new_id
from pagersync.database.engine import Connection
from pagersync.events.publish import Cause, Fact, happened, publish
from pagersync.incidents.activity import Activity, add_activity
from pagersync.metrics import WORKFLOW_RUNS_LIMITED
from pagersync.workflows import store
from pagersync.workflows.listeners import Listener
from pagersync.workflows.spread import minutes_max, spread
from pagersync.workflows.store import NewRun

AHEAD_S: Final = 2.0
"""A page that goes ahead is sent so much later, so that it can name those that follow it."""

MINUTE: Final = timedelta(minutes=1)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stop:
    """A workflow that should have run for an event, and cannot."""

    listener: Listener
    state: Literal["canceled", "failed"]
    reason: str


@dataclass
class Verdicts:
    """What came of one event: the runs it starts, and why others did not run.

    Attributes:
        seen: what its subject looked like.
        matched, refused: one JSON object a workflow.
        matches: the workflows that match, before their limits.
        stops: the workflows that should have run.
    """

    event: asyncpg.Record
    seen: dict[str, Any]
    matched: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    matches: list[Listener] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Start:
    """A run, and what is to be told about it."""

    listener: Listener
    event: asyncpg.Record
    run: NewRun


async def start_runs(connection: Connection, verdicts: Sequence[Verdicts]) -> list[Start]:
    """Start what events trigger, in the caller's transaction; return what is not as usual."""
    unusual = list(_stopped(verdicts))
    runs = [start.run for start in unusual]
    wanted: defaultdict[tuple[Listener, str], list[Verdicts]] = defaultdict(list)
    for each in verdicts:
        for listener in each.matches:
            wanted[listener, each.event["requester"]].append(each)
    counts = {(listener.id, by): len(events) for (listener, by), events in wanted.items()}
    counted = await store.count_runs(connection, counts)
    over = []
    for (listener, by), events in wanted.items():
        counter = counted[listener.id, by]
        room = max(0, listener.runs_per_minute_max - (counter.runs - len(events)))
        fitting = [_start(listener, each) for each in events[:room]]
        runs += [start.run for start in fitting]
        if len(events) > room:
            over.append((listener, by, events[room:], counter.minute))
    for listener, by, late, minute in sorted(over, key=lambda each: (each[0].id, each[1])):
        limited = await _limit(connection, listener, by, late, minute)
        unusual += limited
        runs += [start.run for start in limited]
    await store.insert_runs(connection, runs)
    if unusual:
        await _tell(connection, unusual)
    return unusual


def count(starts: Iterable[Start]) -> None:
    """Count runs that are not as usual, after they are committed, and log them."""
    found: defaultdict[tuple[Listener, str], list[Start]] = defaultdict(list)
    for start in starts:
        outcome = _outcome(start.run)
        if start.run.is_over_limit:
            WORKFLOW_RUNS_LIMITED.labels(outcome=outcome).inc()
        found[start.listener, outcome].append(start)
    for (listener, outcome), group in found.items():
        log.warning(
            "workflow runs do not begin as usual",
            workflow=listener.name,
            workflow_id=str(listener.id),
            outcome=outcome,
            runs=len(group),
            reason=group[0].run.status_message,
        )


def _outcome(run: NewRun) -> str:
    if run.state != "queued":
        return run.state
    return "waits" if run.run_at is not None else "goes_ahead"


def _stopped(verdicts: Sequence[Verdicts]) -> Iterator[Start]:
    for each in verdicts:
        for stop in each.stops:
            run = _new_run(stop.listener, each.event, state=stop.state, message=stop.reason)
            each.matched.append(stop.listener.matched(run.id, stop.reason))
            yield Start(stop.listener, each.event, run)


def _start(listener: Listener, verdicts: Verdicts) -> Start:
    run = _new_run(listener, verdicts.event)
    verdicts.matched.append(listener.matched(run.id))
    return Start(listener, verdicts.event, run)


async def _limit(
    connection: Connection, listener: Listener, by: str, late: Sequence[Verdicts], now: datetime
) -> list[Start]:
    """Put runs beyond a workflow's limit into later minutes; each requester has his own.

    The first of a minute that pages goes ahead, and names those that wait.
    """
    share = (listener.id, by)
    is_first = await store.count_over(connection, share, now, len(late))
    ahead = 1 if is_first and listener.pages else 0
    horizon = minutes_max(is_needed=listener.is_needed)
    taken = await store.read_minutes(connection, share, now)
    room = [0] + [
        listener.runs_per_minute_max - taken.get(now + n * MINUTE, 0) for n in range(1, horizon + 1)
    ]
    later = spread(room, len(late) - ahead, is_needed=listener.is_needed)
    minutes = [now + n * MINUTE for n in later if n is not None]
    await store.take_minutes(connection, share, minutes)
    starts = []
    for each, minute in zip(late, [0] * ahead + later, strict=True):
        run = _limited_run(listener, each.event, now, minute)
        each.matched.append(listener.matched(run.id, run.status_message))
        starts.append(Start(listener, each.event, run))
    return starts


def _limited_run(
    listener: Listener, event: asyncpg.Record, now: datetime, minute: int | None
) -> NewRun:
    over = (
        f"over the workflow's limit of {listener.runs_per_minute_max} runs a minute "
        "(runs_per_minute_max)"
    )
    if minute is None:
        message = f"{over}, and the next hour is full: try it again if it is still wanted"
        return _new_run(listener, event, state="canceled", message=message, is_over_limit=True)
    if minute == 0:
        message = f"{over}: it begins at once, and its page names those that wait"
        return _new_run(
            listener, event, message=message, is_over_limit=True, wait_s=listener.wait_s + AHEAD_S
        )
    run_at = max(now + minute * MINUTE, datetime.now(UTC) + timedelta(seconds=listener.wait_s))
    message = f"{over}: it waits until {run_at:%H:%M:%S} UTC"
    return _new_run(listener, event, message=message, is_over_limit=True, run_at=run_at)


def _new_run(  # noqa: PLR0913 - all but the first two are named
    listener: Listener,
    event: asyncpg.Record,
    *,
    state: str = "queued",
    message: str | None = None,
    is_over_limit: bool = False,
    wait_s: float | None = None,
    run_at: datetime | None = None,
) -> NewRun:
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
        wait_s=listener.wait_s if wait_s is None else wait_s,
        run_at=run_at,
        checks_conditions=listener.wait_s > 0,
        state=state,
        is_over_limit=is_over_limit,
        status_message=message,
        requester=event["requester"],
        pages=listener.is_needed,
    )


async def _tell(connection: Connection, starts: Sequence[Start]) -> None:
    """Say on the timelines of incidents, and to webhooks, what does not run as usual."""
    now = datetime.now(UTC)
    activity = [_activity(each, now) for each in starts if each.run.subject_type == "incident"]
    await add_activity(connection, activity)
    await publish(connection, [_ended(each) for each in starts if each.run.state != "queued"])


def _activity(start: Start, now: datetime) -> Activity:
    run = start.run
    verb = {"queued": "is late", "canceled": "was not started", "failed": "failed"}[run.state]
    return Activity(
        incident_id=run.subject_id,
        event=f"The workflow {start.listener.name!r} {verb}: {run.status_message}.",
        source="system",
        occurred_at=now,
        workflow_run_id=run.id,
    )


def _ended(start: Start) -> Fact:
    run = start.run
    return happened(
        f"workflow_run.{run.state}",
        run.id,
        {"workflow_id": str(run.workflow_id), "status": run.state},
        cause=Cause(run.requested_by, "workflow", run.id, run.depth),
        integration_id=run.integration_id,
    )
