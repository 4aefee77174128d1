"""Requesters take turns: what an API key starts does not hold back what others need."""

import asyncio
import threading
from collections import Counter
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.database.engine import Sessions, raw_connection
from pagersync.database.pool import Pool
from pagersync.events.models import DomainEvent
from pagersync.paging.models import Operation, Page
from pagersync.settings import Settings
from pagersync.workflows.engine import places, runs_queue
from pagersync.workflows.models import WorkflowRun
from pagersync.workflows.rendering import in_turn
from pagersync.workflows.trigger import events_queue
from tests.paging.conftest import Paging
from tests.support.requesters import KEY, by_key
from tests.support.wait import eventually
from tests.workflows.conftest import Flows
from tests.workflows.looking import execute, look_once

PRINT: dict[str, Any] = {"task_type": "print", "message": "x"}


def page_task(directory: Paging) -> dict[str, Any]:
    team = {"name": str(directory.simulator.directory.teams[0].name)}
    return {
        "task_type": "create_pagertree_alert",
        "title": "{{ incident.title }}",
        "teams": [team],
    }


async def declare(flows: Flows, incidents: int, key: UUID | None = None) -> list[UUID]:
    """Declare incidents as a key does."""
    with by_key(*([key] if key else [])):
        return [await flows.declare(title=f"Flood {n}") for n in range(incidents)]


async def start(flows: Flows, workflow_id: UUID, runs: int, key: UUID | None = None) -> None:
    """Queue runs that a key caused."""
    with by_key(*([key] if key else [])):
        async with flows.sessions.begin() as session:
            session.add_all(
                WorkflowRun(
                    integration_id=UUID(int=0),
                    workflow_id=workflow_id,
                    triggered_by="user",
                    requested_by="a test",
                )
                for _ in range(runs)
            )


async def test_all_that_follows_from_a_keys_incident_has_the_key_as_its_requester(
    flows: Flows, sessions: Sessions, paging: Paging
) -> None:
    await flows.add({**page_task(paging), "urgency": "high"})
    confirmed = {**PRINT, "message": "confirmed"}
    confirmed_id = await flows.add(confirmed, trigger_type="page", triggers=["page_confirmed"])
    await declare(flows, 1)
    await eventually(lambda: flows.runs(confirmed_id), lambda runs: len(runs) == 1)
    async with sessions() as session:
        events = (await session.scalars(select(DomainEvent).order_by(DomainEvent.id))).all()
        runs = (await session.scalars(select(WorkflowRun))).all()
        pages = (await session.scalars(select(Page))).all()
        operations = (await session.scalars(select(Operation))).all()
    named = {"incident.created", "page.confirmed", "workflow_run.completed"}
    assert named <= {event.type for event in events}
    requesters = [each.requester for rows in (events, runs, pages, operations) for each in rows]
    assert set(requesters) == {KEY}


async def test_what_follows_from_a_run_that_nobody_asked_for_has_its_workflow_as_its_requester(
    flows: Flows, sessions: Sessions, paging: Paging
) -> None:
    critical = {"incident_condition_severity": "IS", "incident_severities": ["critical"]}
    tasks = {**page_task(paging), "urgency": "high"}, {"task_type": "create_incident", "title": "x"}
    workflow_id = await flows.add(*tasks, conditions=critical)
    await flows.declare(severity="critical")
    await flows.ran(workflow_id)
    async with sessions() as session:
        page = (await session.scalars(select(Page))).one()
        created = select(DomainEvent).where(DomainEvent.type == "incident.created")
        events = (await session.scalars(created.order_by(DomainEvent.id))).all()
    assert page.requester == f"workflow {workflow_id}"
    assert [event.requester for event in events] == ["", f"workflow {workflow_id}"]


async def test_a_fallback_page_has_the_requester_of_the_page_that_was_dropped(
    sessions: Sessions, paging: Paging
) -> None:
    team = paging.simulator.directory.teams[1]
    targets = [{"kind": "team", "pagertree_id": team.id, "name": team.name}]
    with by_key():
        page_id = await paging.page(fallback_targets=targets)
    page = await paging.reaches(page_id, "confirmed")
    paging.simulator.act(str(page.pagertree_alert_id), "drop")

    async def load() -> list[Operation]:
        async with sessions() as session:
            return list(await session.scalars(select(Operation)))

    operations = await eventually(load, lambda operations: len(operations) == 2)
    assert {operation.requester for operation in operations} == {KEY}


async def test_an_incident_is_matched_with_the_first_of_a_keys_many(
    flows: Flows, engine: AsyncEngine
) -> None:
    await flows.add(PRINT)
    await declare(flows, 40)
    incident_id = await flows.declare(title="An incident")
    async with raw_connection(engine) as connection:
        batch = await events_queue(Settings()).claim(connection, rows_max=10)
    assert incident_id in {row["subject_id"] for row in batch.rows}


async def test_a_run_is_next_although_a_key_started_many_before(
    flows: Flows, engine: AsyncEngine, settings: Settings
) -> None:
    workflow_id = await flows.add(PRINT)
    await start(flows, workflow_id, 500)
    async with flows.sessions.begin() as session:
        mine = WorkflowRun(
            integration_id=UUID(int=0),
            workflow_id=workflow_id,
            triggered_by="user",
            requested_by="a test",
        )
        session.add(mine)
    queue = runs_queue(settings)
    async with raw_connection(engine) as connection:
        claimed = [(await queue.claim(connection, rows_max=1)).rows[0]["id"] for _ in range(3)]
    assert mine.id in claimed


async def test_a_run_that_pages_goes_before_others_of_the_same_requester(
    flows: Flows, sessions: Sessions, engine: AsyncEngine, settings: Settings
) -> None:
    await flows.add(PRINT)
    await declare(flows, 20)
    await look_once(sessions)
    paging_id = await flows.add({"task_type": "update_status", "status": "mitigated"})
    await declare(flows, 1)
    await look_once(sessions)
    queue = runs_queue(settings)
    async with raw_connection(engine) as connection:
        batch = await queue.claim(connection, rows_max=2)
    (run,) = await flows.runs(paging_id)
    assert run.id in {row["id"] for row in batch.rows}


async def test_a_requesters_slow_runs_leave_room_for_those_of_others(
    flows: Flows, engine: AsyncEngine, settings: Settings
) -> None:
    workflow_id = await flows.add(PRINT)
    await start(flows, workflow_id, 50)
    stop, wake, held = asyncio.Event(), asyncio.Event(), Counter[str]()

    async def never_ends(_token: UUID, row: Any) -> None:
        held[row["requester"]] += 1
        await stop.wait()

    async def held_by(requester: str) -> int:
        return held[requester]

    queue = runs_queue(settings)
    pool = Pool(engine, queue, never_ends, concurrency=places(settings), poll_s=0.05)
    running = asyncio.create_task(pool.run(wake, stop))
    await eventually(partial(held_by, KEY))
    for key in (new_id(), new_id()):
        await start(flows, workflow_id, 1, key)
        await eventually(partial(held_by, f"key {key}"))
    assert held[KEY] == settings.workflow_concurrency
    stop.set()
    await running


async def test_a_requesters_slow_templates_leave_a_thread_to_others() -> None:
    ends = threading.Event()
    with by_key():
        slow = [asyncio.create_task(in_turn(ends.wait, 30)) for _ in range(5)]
        await asyncio.sleep(0)
    with by_key(new_id()):
        assert await in_turn(str, 1) == "1"
    assert not any(each.done() for each in slow)
    ends.set()
    assert all(await asyncio.gather(*slow))


async def test_a_key_that_is_over_a_workflows_limit_holds_back_nobody_else(
    flows: Flows, sessions: Sessions, directory: Paging
) -> None:
    workflow_id = await flows.add(page_task(directory), runs_per_minute_max=5)
    await declare(flows, 20)
    await look_once(sessions)
    with by_key(new_id()):
        incident_id = await flows.declare(title="An incident")
    await look_once(sessions)
    runs = {run.incident_id: run for run in await flows.runs(workflow_id)}
    assert sum(run.is_over_limit for run in runs.values()) == 15
    assert not runs[incident_id].is_over_limit


async def test_a_page_that_goes_ahead_names_only_what_waits_of_its_requester(
    flows: Flows, sessions: Sessions, directory: Paging, engine: AsyncEngine, settings: Settings
) -> None:
    await flows.add(page_task(directory), runs_per_minute_max=1)
    for key, incidents in ((new_id(), 4), (new_id(), 3)):
        await declare(flows, incidents, key)
    await look_once(sessions)
    async with sessions.begin() as session:
        for run in await session.scalars(select(WorkflowRun)):
            if "begins at once" in str(run.status_message):
                run.run_at = run.created_at  # two seconds later, in truth
    await execute(engine, settings)
    ahead = [page.title for page in await flows.pages() if "more)" in page.title]
    assert sorted(title.partition("(")[2] for title in ahead) == ["and 1 more)", "and 2 more)"]
