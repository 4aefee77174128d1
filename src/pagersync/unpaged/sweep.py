"""The check on everything: who should have been paged, and was not, whatever the reason.

It asks what is so, and not what happened: so it finds ways to be silent that nobody thought of.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.complaints import complain
from pagersync.database.engine import Connection, raw_connection
from pagersync.events.publish import Fact, happened, publish
from pagersync.incidents.activity import Activity, add_activity
from pagersync.kept import first_id
from pagersync.unpaged import store
from pagersync.unpaged.decision import Evidence, Problem, find_problem, is_paged
from pagersync.unpaged.off import Candidate

LOOKED_BACK: Final = timedelta(days=1)
"""What is older was looked at when it was younger; what was found stays known until it is over."""

ROWS_MAX: Final = 200
SWEEP_EVERY_MAX_S: Final = 10.0
SWEEP_EVERY_MIN_S: Final = 1.0
LOGGED_MAX: Final = 5
FIRST: Final = UUID(int=0)

log = structlog.get_logger()


@dataclass
class Sweep:
    """What one look found.

    Attributes:
        found: what is new, with its problem.
        ended: what is no longer so, and how that came.
    """

    found: list[tuple[Candidate, Problem]] = field(default_factory=list)
    ended: dict[UUID, str] = field(default_factory=dict)


async def run_sweeps(
    engine: AsyncEngine, after_s: float, stuck_s: float, stop: asyncio.Event
) -> None:
    """Look every few seconds until `stop` is set."""
    sent_s = stuck_s + after_s  # by then a page that PagerTree has is `confirmed` or `stuck`
    every_s = min(SWEEP_EVERY_MAX_S, max(SWEEP_EVERY_MIN_S, after_s / 4))
    while not stop.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await stop.wait()
                return
        try:
            async with raw_connection(engine) as connection:
                await sweep(connection, after_s=after_s, sent_s=sent_s)
        except Exception as error:  # noqa: BLE001 - a worker outlives every failure
            complain("what nobody is paged for could not be looked for", error)


async def sweep(connection: Connection, *, after_s: float, sent_s: float = store.SENT_S) -> Sweep:
    """Look at everything once, and tell what is new; nothing if another process is looking."""
    result = Sweep()
    now = datetime.now(UTC)
    first, last = first_id(now - LOOKED_BACK), first_id(now - timedelta(seconds=after_s))
    async with connection.transaction():
        if not await connection.fetchval(store.LOCK):
            return result
        await _look_again(connection, after_s, sent_s, result)
        given, after = (connection, first, last), FIRST
        while found := await store.find_candidates(*given, after, ROWS_MAX, sent_s=sent_s):
            evidence = await store.gather(connection, found, after_s, sent_s)
            await _look(connection, found, evidence, after_s, result)
            after = found[-1].id
    _say(result)
    return result


async def _look(
    connection: Connection,
    found: Sequence[Candidate],
    evidence: Mapping[UUID, Evidence],
    after_s: float,
    result: Sweep,
) -> None:
    """Note and tell what nobody was paged for among what was not known yet."""
    problems = [
        (each, problem)
        for each in found
        if (problem := find_problem(evidence[each.id])) is not None
    ]
    if not problems:
        return
    new = await store.insert_unpaged(connection, [_row(*pair) for pair in problems])
    told = [pair for pair in problems if pair[0].id in new]
    requesters = await store.find_requesters(connection, [each.id for each, _ in told])
    facts = [
        replace(_fact(each, problem, after_s), requester=requesters.get(each.id))
        for each, problem in told
    ]
    await publish(connection, facts)
    await add_activity(
        connection,
        [_activity(each, problem, after_s) for each, problem in told if each.kind == "incident"],
    )
    result.found += told


async def _look_again(connection: Connection, after_s: float, sent_s: float, result: Sweep) -> None:
    """End what is no longer so, and keep why the rest is."""
    after = FIRST
    while known := await store.find_known(connection, after, ROWS_MAX):
        evidence = await store.gather(connection, known, after_s, sent_s)
        changed = []
        for each in known:
            problem = find_problem(evidence[each.id])
            if each.is_over or problem is None:
                result.ended[each.id] = _ending(each, evidence[each.id])
            else:
                changed.append(_row(each, problem))
        await store.change_unpaged(connection, changed)
        paged = [each for each in known if result.ended.get(each.id) == "paged"]
        await add_activity(connection, [_paged(each) for each in paged if each.kind == "incident"])
        after = known[-1].id
    if result.ended:
        await store.end_unpaged(connection, result.ended)


def _ending(candidate: Candidate, evidence: Evidence) -> str:
    if is_paged(evidence):
        return "paged"
    return "over" if candidate.is_over else "decided"


def _row(candidate: Candidate, problem: Problem) -> tuple[Candidate, str, str, str]:
    return candidate, problem.reason, problem.detail, problem.remedy


def _fact(candidate: Candidate, problem: Problem, after_s: float) -> Fact:
    return happened(
        f"{candidate.kind}.unpaged",
        candidate.id,
        {
            "reason": problem.reason,
            "detail": problem.detail,
            "remedy": problem.remedy,
            "after_s": after_s,
        },
        integration_id=candidate.integration_id,
        depth=candidate.depth,
    )


def _activity(candidate: Candidate, problem: Problem, after_s: float) -> Activity:
    return Activity(
        incident_id=candidate.id,
        event=f"Nobody was paged within {after_s:g} s: {problem.detail}. Do: {problem.remedy}",
        source="system",
        occurred_at=datetime.now(UTC),
    )


def _paged(candidate: Candidate) -> Activity:
    now = datetime.now(UTC)
    return Activity(
        incident_id=candidate.id,
        event=f"Paged after all, {(now - candidate.since).total_seconds():.0f} s late.",
        source="system",
        occurred_at=now,
    )


def _say(result: Sweep) -> None:
    if result.found:
        log.warning(
            "nobody was paged",
            subjects=len(result.found),
            newest=[
                f"{each.name}: {problem.detail}" for each, problem in result.found[-LOGGED_MAX:]
            ],
        )
    paged = sum(how == "paged" for how in result.ended.values())
    if paged:
        log.info("paged after all", subjects=paged)
