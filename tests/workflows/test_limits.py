"""A limit makes runs wait and says so; it cancels no page. One bad workflow stops no other."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog.testing
from prometheus_client import REGISTRY
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.events.publish import Cause
from pagersync.settings import Settings
from pagersync.workflows.models import WorkflowRun
from pagersync.workflows.spread import NEEDED_MINUTES_MAX, OTHERS_MINUTES_MAX
from tests.paging.conftest import Paging
from tests.workflows.conftest import Flows
from tests.workflows.looking import execute, let_waits_end, look_once

PAGE: dict[str, Any] = {"task_type": "create_pagertree_alert", "title": "{{ incident.title }}"}
PRINT: dict[str, Any] = {"task_type": "print", "message": "x"}
RESOLVE: dict[str, Any] = {"task_type": "resolve_pagertree_alert"}
LIMIT = 60
DECLARED = 90


def limited(outcome: str) -> float:
    name, labels = "pagersync_workflow_runs_limited_total", {"outcome": outcome}
    return REGISTRY.get_sample_value(name, labels) or 0


async def declare_all(flows: Flows, count: int) -> list[UUID]:
    return [await flows.declare(title=f"Shop {n} is down") for n in range(count)]


async def test_all_of_ninety_incidents_of_a_minute_are_paged_and_those_that_wait_are_named_at_once(
    flows: Flows, sessions: Sessions, directory: Paging, engine: AsyncEngine, settings: Settings
) -> None:
    team = {"name": str(directory.simulator.directory.teams[0].name)}
    workflow_id = await flows.add({**PAGE, "teams": [team]}, name="Page")
    ids = await declare_all(flows, DECLARED)
    before = limited("waits")
    with structlog.testing.capture_logs() as logs:
        await look_once(sessions)
    runs = await flows.runs(workflow_id)
    assert Counter(run.status for run in runs) == {"queued": DECLARED}
    waiting = [run for run in runs if run.is_over_limit]
    assert len(waiting) == DECLARED - LIMIT
    assert limited("waits") - before == DECLARED - LIMIT - 1
    assert {entry["outcome"] for entry in logs} == {"waits", "goes_ahead"}
    late = await flows.timeline(waiting[-1].incident_id or ids[-1])
    assert any("is late: over the workflow's limit of 60 runs a minute" in each for each in late)
    async with sessions.begin() as session:
        later = WorkflowRun.run_at + timedelta(hours=1)  # the minute may turn meanwhile
        await session.execute(
            update(WorkflowRun).where(WorkflowRun.is_over_limit).values(run_at=later)
        )
        ahead = await session.merge(waiting[0])
        ahead.run_at = ahead.created_at  # two seconds later, in truth
    await execute(engine, settings)
    pages = await flows.pages()
    assert len(pages) == LIMIT + 1
    assert pages[-1].title == "Shop 60 is down (and 29 more)"
    assert "29 more wait to be paged" in str(pages[-1].description)
    assert f"{(await flows.incident(ids[61])).number}: Shop 61 is down" in str(
        pages[-1].description
    )
    await let_waits_end(sessions)
    await execute(engine, settings)
    pages = await flows.pages()
    assert {page.incident_id for page in pages} == set(ids)
    # Those whose time has come page by themselves: no other page says that they wait.
    assert [page.title for page in pages if "more)" in page.title] == [pages[LIMIT].title]


async def test_only_the_first_of_a_minute_goes_ahead_and_no_run_waits_longer_than_five_minutes(
    flows: Flows, sessions: Sessions
) -> None:
    workflow_id = await flows.add({**PAGE, "teams": [{"name": "SRE"}]}, runs_per_minute_max=2)
    await declare_all(flows, 20)
    await look_once(sessions)
    await declare_all(flows, 5)
    await look_once(sessions)
    runs = await flows.runs(workflow_id)
    assert {run.status for run in runs} == {"queued"}
    ahead = [run for run in runs if "begins at once" in str(run.status_message)]
    late = [run for run in runs if "it waits until" in str(run.status_message)]
    minutes = {run.run_at.replace(second=0, microsecond=0) for run in runs}
    assert 1 <= len(ahead) <= 2  # two if the minute turned meanwhile
    assert len(late) >= 25 - 4 - 2
    span_s = (max(minutes) - min(minutes)).total_seconds()
    assert span_s <= 60 * (NEEDED_MINUTES_MAX + 1)


async def test_resolving_waits_for_its_limit_and_is_never_canceled(
    flows: Flows, sessions: Sessions
) -> None:
    workflow_id = await flows.add(RESOLVE, runs_per_minute_max=0)
    await declare_all(flows, 3)
    await look_once(sessions)
    assert [run.status for run in await flows.runs(workflow_id)] == ["queued"] * 3


async def test_runs_that_nobody_is_unpaged_for_wait_for_an_hour_at_most_and_end_with_a_reason(
    flows: Flows, sessions: Sessions
) -> None:
    one_id = await flows.add(PRINT, runs_per_minute_max=1)
    none_id = await flows.add(PRINT, runs_per_minute_max=0)
    ids = await declare_all(flows, OTHERS_MINUTES_MAX + 3)
    await look_once(sessions)
    runs = await flows.runs(one_id)
    assert Counter(run.status for run in runs) == {"queued": OTHERS_MINUTES_MAX + 1, "canceled": 2}
    assert {run.status for run in await flows.runs(none_id)} == {"canceled"}
    told = "try it again if it is still wanted"
    assert any(told in each for each in await flows.timeline(ids[-1]))
    async with sessions() as session:
        ended = select(DomainEvent.subject_id).where(DomainEvent.type == "workflow_run.canceled")
        assert len(list(await session.scalars(ended))) == 2 + len(ids)


async def test_a_page_that_too_many_runs_led_to_is_told_of(
    flows: Flows, sessions: Sessions
) -> None:
    workflow_id = await flows.add({**PAGE, "teams": [{"name": "SRE"}]}, name="Page")
    incident_id = await flows.declare(Cause("the workflow 'Loop'", "workflow", None, 5))
    await look_once(sessions)
    (run,) = await flows.runs(workflow_id)
    assert run.status == "canceled"
    timeline = " ".join(await flows.timeline(incident_id))
    assert "The workflow 'Page' was not started: 5 workflow runs led to this" in timeline


async def test_a_workflow_whose_conditions_cannot_be_read_fails_aloud_and_stops_no_other(
    flows: Flows, sessions: Sessions
) -> None:
    broken = await flows.add(PRINT, name="Broken")
    good = await flows.add(PRINT, name="Good")
    params = {"trigger_type": "incident", "incident_condition": "SOME"}
    await flows.change(broken, trigger_params=params)
    incident_id = await flows.declare()
    await look_once(sessions)
    assert [run.status for run in await flows.runs(good)] == ["queued"]
    (run,) = await flows.runs(broken)
    assert run.status == "failed"
    assert "incident_condition" in str(run.status_message)
    assert "The workflow 'Broken' failed" in " ".join(await flows.timeline(incident_id))
