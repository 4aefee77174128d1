"""An incident that starts again: who is paged, and who is told that nobody is."""

from typing import Any

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.events.triggers import triggers_of
from pagersync.http import AsyncClient
from pagersync.integrations.service import (
    change_integration,
    get_integration,
    remove_integration,
)
from pagersync.workflows.defaults import RESTART, create_default_workflows, default_key
from pagersync.workflows.models import Workflow
from tests.paging.conftest import Paging
from tests.support.wait import eventually
from tests.workflows.conftest import Flows

PAGE = {"task_type": "page_pagertree", "title": "Again: {{ incident.title }}"}


async def put(api: AsyncClient, path: str, **attributes: Any) -> dict[str, Any]:
    sent = {"data": {"type": "incidents", "attributes": attributes}} if attributes else None
    response = await api.put(f"/v1/incidents/1{path}", json=sent)
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.mark.parametrize("before", ["mitigated", "resolved", "closed", "cancelled"])
def test_starting_again_from_any_end_is_a_restart(before: str) -> None:
    change = {"status": {"from": before, "to": "started"}}
    assert "incident_restarted" in triggers_of("incident.updated", {"changes": change})


@pytest.mark.parametrize("before", ["in_triage", "detected", "acknowledged"])
def test_a_start_that_no_end_precedes_is_no_restart(before: str) -> None:
    change = {"status": {"from": before, "to": "started"}}
    assert "incident_restarted" not in triggers_of("incident.updated", {"changes": change})
    assert "incident_restarted" not in triggers_of("incident.created", {"status": "started"})


@pytest.mark.parametrize(("path", "sent"), [("/restart", {}), ("", {"status": "started"})])
async def test_a_restart_that_pages_nobody_says_so(
    api: AsyncClient, flows: Flows, path: str, sent: dict[str, Any]
) -> None:
    await flows.add({"task_type": "print", "message": "x"}, triggers=["incident_restarted"])
    await flows.add({"task_type": "resolve_pagertree_alert"}, triggers=["status_updated"])
    await flows.add(PAGE, triggers=["incident_created"])
    incident_id = await flows.declare()
    await flows.move(incident_id, "resolved")
    (note,) = (await put(api, path, **sent))["meta"]["notes"]
    assert note.startswith("Nobody is paged by this: incident 1 is started again")
    assert (await flows.timeline(incident_id))[-1] == note
    again = (await put(api, path, **sent)).get("meta", {}).get("notes", [])
    said = "Incident 1 is started already: this changes nothing and pages nobody."
    assert again == ([said] if path == "/restart" else []), "only a restart was asked for"


@pytest.mark.parametrize("trigger", ["incident_restarted", "incident_started", "status_updated"])
async def test_a_restart_that_a_workflow_pages_for_has_nothing_to_say(
    api: AsyncClient, flows: Flows, trigger: str
) -> None:
    await flows.add(PAGE, triggers=[trigger])
    await flows.move(await flows.declare(), "resolved")
    assert "meta" not in await put(api, "/restart")


@pytest.mark.parametrize(
    "but",
    [
        {"enabled": False},
        {"conditions": {"incident_condition_status": "IS", "incident_statuses": ["resolved"]}},
    ],
)
async def test_a_workflow_that_is_off_or_does_not_match_pages_nobody(
    api: AsyncClient, flows: Flows, but: dict[str, Any]
) -> None:
    await flows.add(PAGE, triggers=["incident_restarted"], **but)
    await flows.move(await flows.declare(), "resolved")
    assert (await put(api, "/restart"))["meta"]["notes"]


async def test_a_workflow_of_a_removed_account_is_not_offered(
    api: AsyncClient, flows: Flows, idle: Paging
) -> None:
    await flows.add(
        PAGE,
        triggers=["incident_restarted"],
        enabled=False,
        integration_id=idle.integration_id,
        name="Gone",
    )
    await flows.move(await flows.declare(), "resolved")
    async with flows.sessions.begin() as session:
        await remove_integration(session, idle.integration_id)
    (note,) = (await put(api, "/restart"))["meta"]["notes"]
    assert "make a workflow" in note


async def test_the_default_workflow_pages_for_a_restart_once_it_is_on(
    service_api: AsyncClient, sessions: Sessions, flows: Flows, paging: Paging
) -> None:
    async with sessions.begin() as session:
        targets = {"teams": [{"name": paging.simulator.directory.teams[0].name}]}
        await change_integration(session, paging.integration_id, default_targets=targets)
        integration = await get_integration(session, paging.integration_id)
        await create_default_workflows(session, integration, "a test")
    incident_id = await flows.declare()
    await eventually(lambda: flows.pages(incident_id), lambda pages: len(pages) == 1)
    await put(service_api, "/resolve")
    (note,) = (await put(service_api, "/restart"))["meta"]["notes"]
    async with sessions() as session:
        key = default_key(paging.integration_id, RESTART)
        restarts = (await session.scalars(select(Workflow).filter_by(default_key=key))).one()
    assert f"`pagersync workflows enable {restarts.slug}`" in note

    await flows.change(restarts.id, enabled=True)
    await put(service_api, "/resolve")
    assert "meta" not in await put(service_api, "/restart")
    pages = await eventually(lambda: flows.pages(incident_id), lambda pages: len(pages) == 2)
    await paging.reaches(pages[1].id, "confirmed")


async def test_a_workflow_that_restarts_an_incident_notes_that_nobody_is_paged(
    flows: Flows, paging: Paging
) -> None:
    del paging
    workflow_id = await flows.add(
        {"task_type": "update_status", "status": "started"},
        triggers=["status_updated"],
        conditions={"incident_condition_status": "IS", "incident_statuses": ["resolved"]},
    )
    await flows.move(await flows.declare(), "resolved")
    (run,) = await flows.ran(workflow_id)
    (task,) = await flows.tasks(run)
    assert "Nobody is paged by this" in task.notes[0]
