"""An incident or alert that nobody was paged for is found, whatever the reason, and told once."""

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.models import Alert
from pagersync.database.base import new_id
from pagersync.database.engine import Sessions, raw_connection
from pagersync.doctor import examine
from pagersync.events.models import DomainEvent
from pagersync.events.publish import Cause
from pagersync.findings import Level
from pagersync.http import AsyncClient
from pagersync.incidents.unpaged import Unpaged
from pagersync.settings import Settings
from pagersync.unpaged.store import find_candidates, gather
from pagersync.unpaged.sweep import Sweep, sweep
from pagersync.workflows.trace_story import LEADING_TASKS
from tests.paging.conftest import Paging
from tests.paging.repeating import other_account
from tests.paging.test_races import disk_alert
from tests.support.wait import eventually
from tests.workflows.conftest import Flows
from tests.workflows.looking import execute, let_waits_end, look_once

PAGE: dict[str, Any] = {"task_type": "create_pagertree_alert", "teams": [{"name": "Platform"}]}
PRINT: dict[str, Any] = {"task_type": "print", "message": "x"}
FOR_ALERTS: dict[str, Any] = {"trigger_type": "alert", "triggers": ["alert_created"]}
CRITICAL = {"incident_condition_severity": "IS", "incident_severities": ["critical"]}


async def look(engine: AsyncEngine) -> Sweep:
    """Look as if a minute was over."""
    async with raw_connection(engine) as connection:
        await connection.execute("SELECT pg_sleep(0.002)")  # ids have milliseconds
        return await sweep(connection, after_s=0)


async def reasons(engine: AsyncEngine) -> list[str]:
    return [problem.reason for _, problem in (await look(engine)).found]


async def noted(sessions: Sessions, subject_id: UUID) -> Unpaged:
    async with sessions() as session:
        row = await session.get(Unpaged, subject_id)
        assert row is not None
        return row


async def events(sessions: Sessions, type_: str) -> list[DomainEvent]:
    async with sessions() as session:
        return list(await session.scalars(select(DomainEvent).where(DomainEvent.type == type_)))


async def test_a_workflow_that_is_off_leaves_an_incident_unpaged_and_that_is_told_once_everywhere(
    flows: Flows, sessions: Sessions, engine: AsyncEngine, api: AsyncClient, settings: Settings
) -> None:
    await flows.add(PAGE, name="Page", enabled=False, off_reason="there is nobody to page")
    incident_id = await flows.declare()
    assert await reasons(engine) == ["workflow_off"]
    assert await reasons(engine) == []
    (event,) = await events(sessions, "incident.unpaged")
    assert event.subject_id == incident_id
    assert event.data["reason"] == "workflow_off"
    said = "the workflow 'Page' is off: there is nobody to page"
    assert (await flows.timeline(incident_id))[-1] == (
        f"Nobody was paged within 0 s: {said}. "
        "Do: pagersync workflows enable page && pagersync workflows run page --incident 1"
    )
    shown = (await api.get(f"/v1/incidents/{incident_id}")).json()["data"]["attributes"]
    assert shown["unpaged_reason"] == said
    ready = await api.get("/readyz")
    assert (ready.status_code, ready.json()["unpaged"]) == (200, {"incident": 1, "alert": 0})
    assert 'pagersync_unpaged{subject="incident"} 1.0' in (await api.get("/metrics")).text
    found = await examine(sessions, settings)
    assert ("unpaged", Level.CRITICAL) in [(each.code, each.level) for each in found]
    listed = (await api.get("/v1/findings")).json()["data"]
    assert [row["attributes"]["code"] for row in listed] == [each.code for each in found]
    assert said in " ".join(row["attributes"]["detail"] for row in listed)


async def test_switching_a_workflow_on_does_not_hide_what_it_missed(
    flows: Flows, idle: Paging, sessions: Sessions, engine: AsyncEngine
) -> None:
    account = idle.integration_id
    workflow_id = await flows.add(PAGE, name="Page", enabled=False, integration_id=account)
    incident_id = await flows.declare()
    assert await reasons(engine) == ["workflow_off"]
    await flows.change(workflow_id, enabled=True)
    assert (await look(engine)).ended == {}
    row = await noted(sessions, incident_id)
    assert row.detail == "the workflow 'Page' was off at that time"
    assert row.remedy == "pagersync workflows run page --incident 1"


async def test_what_conditions_or_people_decided_is_not_unpaged(
    flows: Flows, sessions: Sessions, engine: AsyncEngine
) -> None:
    await flows.add(PAGE, name="Critical only", conditions=CRITICAL)
    await flows.add(PAGE, name="Off", enabled=False)
    await flows.add(PAGE, name="Off", enabled=False, conditions=CRITICAL, off_reason="no targets")
    await flows.declare(kind="test")
    await flows.move(await flows.declare(), "resolved")
    await flows.declare(severity="low")
    await look_once(sessions)
    assert await reasons(engine) == []


async def test_a_limit_an_unseen_event_and_a_depth_are_reasons(
    flows: Flows, sessions: Sessions, engine: AsyncEngine
) -> None:
    await flows.add(PAGE, name="Page", runs_per_minute_max=0)
    await flows.declare()
    await look_once(sessions)  # the first one goes ahead
    late = await flows.declare()
    deep = await flows.declare(Cause("the workflow 'Loop'", "workflow", None, 5))
    await look_once(sessions)
    unseen = await flows.declare()
    found = {each.id: problem for each, problem in (await look(engine)).found}
    assert "runs a minute" in found[late].detail
    assert (found[late].reason, found[unseen].reason) == ("run_waits", "event_late")
    assert found[deep].reason == "run_canceled"
    assert "5 workflow runs led to this" in found[deep].detail


async def test_a_task_that_fails_is_the_reason_and_a_page_by_hand_ends_it(
    flows: Flows, sessions: Sessions, paging: Paging, engine: AsyncEngine
) -> None:
    workflow_id = await flows.add({**PAGE, "teams": []}, name="Page")
    incident_id = await flows.declare()
    await flows.ran(workflow_id)
    assert await reasons(engine) == ["run_failed"]
    assert "no default targets" in (await noted(sessions, incident_id)).detail
    page_id = await paging.page(incident_id=incident_id)
    await paging.reaches(page_id, "confirmed")
    assert (await look(engine)).ended == {incident_id: "paged"}
    assert (await noted(sessions, incident_id)).ended_by == "paged"
    assert "Paged after all" in (await flows.timeline(incident_id))[-1]


async def test_a_key_that_pagertree_refuses_is_the_reason(
    flows: Flows, paging: Paging, engine: AsyncEngine
) -> None:
    paging.simulator.change(key_refused=True)
    await flows.add(PAGE, name="Page")
    incident_id = await flows.declare()
    (page,) = await eventually(lambda: flows.pages(incident_id), bool)

    async def is_refused() -> bool:
        return any(each.last_error for each in await paging.operations(page.id))

    await eventually(is_refused)
    assert await reasons(engine) == ["page_queued"]
    paging.simulator.change(key_refused=False)


async def test_a_run_whose_workflow_was_switched_off_meanwhile_is_a_reason(
    flows: Flows, sessions: Sessions, engine: AsyncEngine, settings: Settings
) -> None:
    workflow_id = await flows.add(PAGE, name="Page")
    await flows.declare()
    await look_once(sessions)
    await flows.change(workflow_id, enabled=False)
    await let_waits_end(sessions)
    await execute(engine, settings)
    assert await reasons(engine) == ["run_canceled"]


async def test_an_incident_that_is_over_needs_nobody_any_more(
    flows: Flows, engine: AsyncEngine
) -> None:
    await flows.add(PAGE, name="Page", enabled=False)
    incident_id = await flows.declare()
    await look(engine)
    await flows.move(incident_id, "resolved")
    await flows.move(await flows.declare(), "resolved")  # over before anybody looked
    last = await look(engine)
    assert (last.found, last.ended) == ([], {incident_id: "over"})
    assert (await look(engine)).ended == {}


async def test_an_alert_whose_workflow_failed_to_page_is_found(
    flows: Flows, sessions: Sessions, paging: Paging, engine: AsyncEngine
) -> None:
    workflow_id = await flows.add(
        {**PAGE, "teams": []}, name="Page", trigger_type="alert", triggers=["alert_created"]
    )
    await paging.pagertree.created(title="Disk full")
    await flows.ran(workflow_id)
    assert await reasons(engine) == ["run_failed"]
    async with sessions() as session:
        (alert,) = await session.scalars(select(Alert))
    (event,) = await events(sessions, "alert.unpaged")
    assert (event.subject_id, event.integration_id) == (alert.id, paging.integration_id)


async def test_an_incident_that_nobody_was_paged_for_can_start_a_workflow(
    flows: Flows, sessions: Sessions, engine: AsyncEngine
) -> None:
    await flows.add(PAGE, name="Page", enabled=False)
    telling = await flows.add(PRINT, name="Tell", triggers=["incident_unpaged"])
    await flows.declare()
    await look(engine)
    await look_once(sessions)
    assert len(await flows.runs(telling)) == 1


async def test_a_run_that_is_young_still_has_time_though_its_incident_is_old(
    flows: Flows, sessions: Sessions, engine: AsyncEngine
) -> None:
    await flows.add(PAGE, name="Page")
    incident_id = await flows.declare()
    await look_once(sessions)
    async with raw_connection(engine) as connection:
        (old,) = await find_candidates(connection, UUID(int=0), new_id(), UUID(int=0), 10)
        found = {s: (await gather(connection, [old], s))[incident_id] for s in (0.0, 60.0)}
    assert [each.status for each in found[0.0].runs] == ["queued"]
    assert found[60.0].runs == []


async def test_many_are_looked_at_in_pages(
    flows: Flows, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagersync.unpaged.sweep.ROWS_MAX", 2)
    await flows.add(PAGE, name="Page", enabled=False)
    for _ in range(5):
        await flows.declare()
    assert len(await reasons(engine)) == 5
    assert await reasons(engine) == []


async def test_a_workflow_for_another_trigger_that_is_off_is_found(
    flows: Flows, sessions: Sessions, engine: AsyncEngine
) -> None:
    await flows.add(PAGE, name="Created", conditions=CRITICAL)
    await flows.add(PAGE, name="Raised", triggers=["severity_updated"], enabled=False)
    incident_id = await flows.declare(severity="low")
    await look_once(sessions)
    assert await reasons(engine) == []
    await flows.rate(incident_id, "high")
    await look_once(sessions)
    assert await reasons(engine) == ["workflow_off"]
    row = await noted(sessions, incident_id)
    assert row.detail == "the workflow 'Raised' is off"


async def test_an_old_incident_is_looked_at_again_when_it_changes(
    flows: Flows, engine: AsyncEngine
) -> None:
    incident_id = await flows.declare(severity="low")
    await asyncio.sleep(0.002)  # ids have milliseconds
    a_day_ago = new_id()
    async with raw_connection(engine) as connection:
        none, last = UUID(int=0), UUID(int=2**128 - 1)
        assert await find_candidates(connection, a_day_ago, last, none, 10) == []
        await flows.rate(incident_id, "high")
        found = await find_candidates(connection, a_day_ago, last, none, 10)
    assert [each.id for each in found] == [incident_id]


async def test_removing_a_workflow_does_not_hide_what_it_missed(
    flows: Flows, sessions: Sessions, engine: AsyncEngine
) -> None:
    workflow_id = await flows.add(PAGE, name="Page", enabled=False)
    incident_id = await flows.declare()
    assert await reasons(engine) == ["workflow_off"]
    await flows.change(workflow_id, removed_at=datetime.now(UTC))
    assert (await look(engine)).ended == {}
    row = await noted(sessions, incident_id)
    assert row.detail == "the workflow 'Page' was off at that time, and is removed"
    await flows.declare()
    assert await reasons(engine) == [], "a workflow that is gone misses nothing"


async def test_an_alert_that_a_workflow_would_have_paged_for_is_found_if_pagersync_switched_it_off(
    flows: Flows, paging: Paging, engine: AsyncEngine, sessions: Sessions
) -> None:
    await flows.add(PAGE, name="By a person", enabled=False, **FOR_ALERTS)
    await paging.pagertree.created(title="Disk full")
    await eventually(lambda: alerts(sessions))
    assert await reasons(engine) == [], "PagerTree pages for it"
    off: dict[str, Any] = {"off_reason": "there is nobody to page", "enabled": False}
    await flows.add(PAGE, name="Page", **off, **FOR_ALERTS)
    await paging.pagertree.created(title="Disk full")
    await eventually(lambda: alerts(sessions), lambda found: len(found) == 2)
    ((alert, problem),) = (await look(engine)).found
    assert (alert.kind, problem.reason) == ("alert", "workflow_off")
    assert problem.remedy.endswith(f"workflows run page --{alert.name}")
    assert await reasons(engine) == []


async def alerts(sessions: Sessions) -> list[Alert]:
    async with sessions() as session:
        return list(await session.scalars(select(Alert)))


async def test_an_alert_that_pagertree_does_not_have_is_found_whoever_switched_its_workflow_off(
    flows: Flows, idle: Paging, engine: AsyncEngine
) -> None:
    await flows.add(PAGE, name="Page", enabled=False, **FOR_ALERTS)
    await disk_alert(idle)
    assert await reasons(engine) == ["workflow_off"]


async def test_runs_that_wait_at_the_limit_are_a_metric(
    flows: Flows, sessions: Sessions, api: AsyncClient
) -> None:
    await flows.add(PAGE, name="Page", runs_per_minute_max=0)
    for _ in range(3):
        await flows.declare()
        await look_once(sessions)
    metrics = (await api.get("/metrics")).text
    assert re.search(r"^pagersync_workflow_runs_waiting [1-3]\.0$", metrics, re.MULTILINE)


EVENTS_END = "UPDATE domain_events SET state = $1, last_error = 'boom' WHERE state = 'queued'"


async def test_an_alert_whose_event_is_late_or_dead_is_found_if_a_workflow_waits_for_it(
    flows: Flows, idle: Paging, engine: AsyncEngine, sessions: Sessions
) -> None:
    await flows.add(PRINT, name="Tell", **FOR_ALERTS)
    await disk_alert(idle)
    assert await reasons(engine) == [], "no workflow pages for alerts"
    await flows.add(PAGE, name="Page", **FOR_ALERTS)
    alert_id = await disk_alert(idle)
    assert await reasons(engine) == ["event_late"]
    async with raw_connection(engine) as connection:
        await connection.execute(EVENTS_END, "dead")
    await look(engine)
    assert (await noted(sessions, alert_id)).reason == "event_dead"
    (event,) = await events(sessions, "alert.unpaged")
    assert event.subject_id == alert_id


async def test_a_workflow_of_another_account_misses_no_alert(
    flows: Flows, idle: Paging, settings: Settings, engine: AsyncEngine
) -> None:
    other = await other_account(idle, settings, "other")
    await flows.add(PAGE, name="Page", integration_id=other, **FOR_ALERTS)
    await flows.add(PAGE, name="Off", integration_id=other, enabled=False, **FOR_ALERTS)
    await disk_alert(idle)
    assert await reasons(engine) == []


async def test_an_alert_whose_dead_event_fits_no_condition_is_not_unpaged(
    flows: Flows, idle: Paging, engine: AsyncEngine
) -> None:
    conditions = {"alert_condition_source": "IS", "alert_sources": ["elsewhere"]}
    await flows.add(PAGE, name="Page", conditions=conditions, **FOR_ALERTS)
    await disk_alert(idle)
    async with raw_connection(engine) as connection:
        await connection.execute(EVENTS_END, "dead")
    assert await reasons(engine) == []


@pytest.mark.parametrize("values", [{"enabled": False}, {"removed_at": datetime.now(UTC)}])
async def test_an_alert_whose_workflow_ended_after_it_should_have_run_is_found(
    flows: Flows, idle: Paging, engine: AsyncEngine, sessions: Sessions, values: dict[str, Any]
) -> None:
    workflow_id = await flows.add(PAGE, name="Page", **FOR_ALERTS)
    alert_id = await disk_alert(idle)
    async with raw_connection(engine) as connection:  # PagerTree has it, so it pages for it
        await connection.execute("UPDATE alerts SET external_id = 'alt_1'")
    if "removed_at" in values:
        values = {"removed_at": datetime.now(UTC)}
    await flows.change(workflow_id, **values)
    await look_once(sessions)
    assert await reasons(engine) == ["workflow_off"]
    assert (await noted(sessions, alert_id)).detail.startswith("the workflow 'Page' ")


async def test_an_incident_whose_workflow_was_switched_off_too_late_is_found_beside_others(
    flows: Flows, engine: AsyncEngine, sessions: Sessions
) -> None:
    await flows.add(PAGE, name="Critical only", conditions=CRITICAL)
    workflow_id = await flows.add(PAGE, name="Page")
    await flows.declare(severity="low")
    await flows.change(workflow_id, enabled=False)
    await look_once(sessions)
    assert await reasons(engine) == ["workflow_off"]


@pytest.mark.parametrize("task_type", sorted(LEADING_TASKS))
@pytest.mark.parametrize("change", ["enabled = false", f"task_params = '{json.dumps(PRINT)}'"])
async def test_a_workflow_that_loses_its_task_after_an_alert_came_is_found(
    flows: Flows, idle: Paging, engine: AsyncEngine, settings: Settings, task_type: str, change: str
) -> None:
    task = {"task_type": "create_incident", "title": "Disk"} if "inc" in task_type else PAGE
    await flows.add({**task, "task_type": task_type}, name="Page", **FOR_ALERTS)
    await flows.add(PRINT, name="Tell", **FOR_ALERTS)
    await disk_alert(idle)
    async with raw_connection(engine) as connection:
        await connection.execute(
            f"UPDATE workflow_tasks SET {change} WHERE task_params ->> 'task_type' = $1",  # noqa: S608 - constants
            task_type,
        )
    await look_once(idle.sessions)
    await let_waits_end(idle.sessions)
    await execute(engine, settings)
    assert await reasons(engine) == ["run_without_page"]


async def test_a_page_that_pagertree_has_and_cannot_be_asked_about_is_found(
    flows: Flows, idle: Paging, engine: AsyncEngine, sessions: Sessions
) -> None:
    incident_id = await flows.declare()
    page_id = await idle.page(incident_id=incident_id)
    alert_id = await disk_alert(idle)
    other_id = await idle.page(alert_id=alert_id)
    async with raw_connection(engine) as connection:
        sent = "UPDATE pages SET status = 'sent', sent_at = now() - make_interval(secs => $1)"
        await connection.execute(sent, 200.0)
        assert await reasons(engine) == [], "it is soon confirmed, or stuck"
        await connection.execute(sent, 400.0)
        assert await reasons(engine) == ["page_sent", "page_sent"]
        done = "UPDATE pages SET confirmed_at = now(), status = 'confirmed' WHERE id = $1"
        for each in (page_id, other_id):
            await connection.execute(done, each)
    assert (await look(engine)).ended == {incident_id: "paged", alert_id: "paged"}
    assert (await noted(sessions, incident_id)).ended_by == "paged"


async def restart(flows: Flows, incident_id: UUID) -> None:
    await flows.move(incident_id, "resolved")
    await flows.move(incident_id, "started")


async def test_pages_of_before_a_restart_do_not_hide_that_nobody_was_paged_since(
    flows: Flows, sessions: Sessions, paging: Paging, engine: AsyncEngine
) -> None:
    again = await flows.add({**PAGE, "teams": []}, name="Again", triggers=["incident_restarted"])
    incident_id = await flows.declare()
    await paging.reaches(await paging.page(incident_id=incident_id), "confirmed")
    assert await reasons(engine) == []
    await restart(flows, incident_id)
    await flows.ran(again)
    assert await reasons(engine) == ["run_failed"]
    await paging.reaches(await paging.page(incident_id=incident_id), "confirmed")
    assert (await look(engine)).ended == {incident_id: "paged"}
    await restart(flows, incident_id)
    await flows.ran(again, runs=2)
    assert await reasons(engine) == ["run_failed"], "each restart is told"
    assert (await noted(sessions, incident_id)).ended_at is None
    told = [text for text in await flows.timeline(incident_id) if "Nobody was paged" in text]
    assert len(told) == 2


async def test_what_failed_before_a_restart_is_not_told_of_it(
    flows: Flows, paging: Paging, engine: AsyncEngine
) -> None:
    del paging  # needed only to be there
    workflow_id = await flows.add({**PAGE, "teams": []}, name="Page")
    incident_id = await flows.declare()
    await flows.ran(workflow_id)
    assert await reasons(engine) == ["run_failed"]
    await restart(flows, incident_id)
    assert (await look(engine)).ended == {incident_id: "decided"}
    assert await reasons(engine) == []


async def test_what_nobody_was_needed_for_once_is_found_when_somebody_is(
    flows: Flows, sessions: Sessions, engine: AsyncEngine
) -> None:
    await flows.add(PAGE, name="Critical only", conditions=CRITICAL)
    await flows.add(PAGE, name="Raised", triggers=["severity_updated"], enabled=False)
    incident_id = await flows.declare(severity="low")
    assert await reasons(engine) == ["event_late"]
    await look_once(sessions)
    assert (await look(engine)).ended == {incident_id: "decided"}
    await flows.rate(incident_id, "high")
    assert await reasons(engine) == ["workflow_off"]
