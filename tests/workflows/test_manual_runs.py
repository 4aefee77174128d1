"""Runs that somebody starts by hand, and those that somebody cancels."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from pagersync.database.base import new_id
from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.events.publish import NO_INTEGRATION
from pagersync.http import AsyncClient, Response
from pagersync.integrations import service
from pagersync.paging.models import Page
from pagersync.workflows.models import WorkflowRun
from tests.support.account import Account, event
from tests.support.wait import eventually
from tests.workflows.conftest import Flows

PRINT = {"task_type": "print", "message": "x"}


async def start(api: AsyncClient, workflow_id: UUID, **attributes: Any) -> Response:
    body = {"data": {"type": "workflow_runs", "attributes": attributes}}
    return await api.post(f"/v1/workflows/{workflow_id}/workflow_runs", json=body)


def detail(answer: Response) -> str:
    assert answer.status_code == 422, answer.text
    return str(answer.json()["errors"][0]["detail"])


async def paged(sessions: Sessions, integration_id: UUID) -> str:
    page = Page(
        id=new_id(),
        integration_id=integration_id,
        title="t",
        urgency="high",
        targets=[],
        requested_by="a test",
    )
    async with sessions.begin() as session:
        session.add(page)
    return str(page.id)


@pytest.fixture
async def waiting(flows: Flows) -> UUID:
    """Return a workflow that waits, so that its runs can be looked at."""
    return await flows.add(PRINT, wait="1 h", triggers=())


async def test_a_run_by_hand_stands_in_the_database_as_somebodys(
    api: AsyncClient, flows: Flows, waiting: UUID
) -> None:
    incident_id = await flows.declare()
    number = (await flows.incident(incident_id)).number
    answer = await start(
        api, waiting, incident_id=str(number), immediate=False, context={"why": "a drill"}
    )
    assert answer.status_code == 201, answer.text
    shown = answer.json()["data"]["attributes"]
    assert (shown["status"], shown["triggered_by"], shown["depth"]) == ("queued", "user", 1)
    assert (shown["incident_id"], shown["integration_id"]) == (str(incident_id), None)
    assert shown["requested_by"] == "the API key 'test'"
    assert shown["started_at"] is None
    (run,) = await flows.runs(waiting)
    assert run.context == {"why": "a drill"}
    assert run.run_at > datetime.now(UTC) + timedelta(minutes=59)
    assert not run.checks_conditions
    assert run.integration_id == NO_INTEGRATION


async def test_a_run_by_hand_begins_at_once_unless_asked_to_wait(
    api: AsyncClient, flows: Flows
) -> None:
    workflow_id = await flows.add(
        {"task_type": "print", "message": "{{ context.word }}"}, wait="1 h", triggers=()
    )
    incident_id = await flows.declare()
    await start(api, workflow_id, incident_id=str(incident_id), context={"word": "hello"})
    (run,) = await flows.ran(workflow_id)
    shown = (await api.get(f"/v1/workflow_runs/{run.id}")).json()["data"]["attributes"]
    assert shown["status"] == "completed"
    assert shown["completed_at"] is not None
    assert (shown["failed_at"], shown["canceled_at"]) == (None, None)
    (task,) = shown["tasks"]
    assert (task["status"], task["task_type"]) == ("completed", "print")
    assert task["rendered_params"]["message"] == task["result"]["message"] == "hello"
    assert task["duration_ms"] >= 0


async def test_conditions_are_looked_at_only_if_asked(api: AsyncClient, flows: Flows) -> None:
    conditions = {"incident_condition_status": "IS", "incident_statuses": ["resolved"]}
    workflow_id = await flows.add(PRINT, conditions=conditions, wait="1 h", triggers=())
    incident_id = await flows.declare()
    about: dict[str, Any] = {"incident_id": str(incident_id), "immediate": False}
    refused = await start(api, workflow_id, **about, check_conditions=True)
    assert detail(refused) == (
        "Incident conditions are not satisfied: incident status IS [resolved]"
    )
    assert await flows.runs(workflow_id) == []
    assert (await start(api, workflow_id, **about)).status_code == 201
    await flows.move(incident_id, "resolved")
    assert (await start(api, workflow_id, **about, check_conditions=True)).status_code == 201
    first, second = await flows.runs(workflow_id)
    assert (first.checks_conditions, second.checks_conditions) == (False, True)


async def test_a_workflow_that_is_off_says_why_and_starts_nothing(
    api: AsyncClient, flows: Flows
) -> None:
    workflow_id = await flows.add(PRINT, enabled=False, off_reason="nobody to page")
    refused = await start(api, workflow_id, incident_id=str(await flows.declare()))
    assert "nobody to page" in detail(refused)
    assert await flows.runs(workflow_id) == []


async def test_what_a_run_is_about_must_fit_its_workflow(
    api: AsyncClient, flows: Flows, waiting: UUID, account: Account, sessions: Sessions
) -> None:
    incident_id = str(await flows.declare())
    await account.post(event())

    async def list_alerts() -> list[dict[str, Any]]:
        return list((await api.get("/v1/alerts")).json()["data"])

    (alert,) = await eventually(list_alerts, lambda found: len(found) == 1)
    assert "give it incident_id" in detail(await start(api, waiting))
    assert "give it incident_id" in detail(await start(api, waiting, alert_id=alert["id"]))
    both = {"incident_id": incident_id, "alert_id": alert["id"]}
    assert "give one of" in detail(await start(api, waiting, **both))
    assert "there is no incident" in detail(await start(api, waiting, incident_id=str(uuid4())))
    assert "neither" in detail(await start(api, waiting, incident_id="x"))
    assert detail(await start(api, waiting, pulse_id="x"))
    assert await flows.runs(waiting) == []

    alerts = await flows.add(PRINT, trigger_type="alert", triggers=(), wait="1 h")
    short = alert["attributes"]["short_id"]
    assert (await start(api, alerts, alert_id=short, immediate=False)).status_code == 201
    (run,) = await flows.runs(alerts)
    assert (str(run.alert_id), run.integration_id) == (alert["id"], account.id)

    page_id = await paged(sessions, account.id)
    pages = await flows.add(PRINT, trigger_type="page", triggers=(), wait="1 h")
    assert (await start(api, pages, page_id=page_id, immediate=False)).status_code == 201
    simple = await flows.add(PRINT, trigger_type="simple", triggers=(), wait="1 h")
    assert (await start(api, simple, immediate=False)).status_code == 201
    assert (await start(api, simple, immediate=False, incident_id=incident_id)).status_code == 201


async def test_a_workflow_of_one_account_is_not_run_for_an_alert_of_another(
    api: AsyncClient, flows: Flows, account: Account, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        other = (await service.add_integration(session, name="other")).integration.id
    page_id = await paged(sessions, account.id)
    pages = await flows.add(PRINT, trigger_type="page", triggers=(), integration_id=other)
    assert "another integration" in detail(await start(api, pages, page_id=page_id))


@pytest.mark.parametrize("context", [{"a": "\x00"}, {"a": "x" * 10_001}])
async def test_a_context_that_cannot_be_kept_is_refused(
    api: AsyncClient, flows: Flows, context: dict[str, Any]
) -> None:
    simple = await flows.add(PRINT, trigger_type="simple", triggers=())
    assert detail(await start(api, simple, context=context)).startswith("context")


async def test_a_run_that_waits_is_canceled_once_and_not_repeated(
    api: AsyncClient, flows: Flows, sessions: Sessions
) -> None:
    simple = await flows.add(
        PRINT, trigger_type="simple", triggers=(), wait="1 h", repeat_every_duration="1 h"
    )
    run_id = (await start(api, simple, immediate=False)).json()["data"]["id"]
    answer = await api.post(f"/v1/workflow_runs/{run_id}/cancel")
    shown = answer.json()["data"]["attributes"]
    assert (shown["status"], shown["status_message"]) == (
        "canceled",
        "canceled by the API key 'test'",
    )
    assert shown["canceled_at"] is not None
    again = await api.post(f"/v1/workflow_runs/{run_id}/cancel")
    assert again.status_code == 409
    assert len(await flows.runs(simple)) == 1
    async with sessions() as session:
        types = list(await session.scalars(select(DomainEvent.type)))
    assert types == ["workflow_run.canceled"]
    assert (await api.post(f"/v1/workflow_runs/{uuid4()}/cancel")).status_code == 404


async def test_a_run_that_has_begun_is_not_canceled(
    api: AsyncClient, flows: Flows, sessions: Sessions
) -> None:
    simple = await flows.add(PRINT, trigger_type="simple", triggers=(), wait="1 h")
    run_id = (await start(api, simple, immediate=False)).json()["data"]["id"]
    async with sessions.begin() as session:
        await session.execute(update(WorkflowRun).values(started_at=datetime.now(UTC)))
    answer = await api.post(f"/v1/workflow_runs/{run_id}/cancel")
    assert answer.status_code == 409
    assert "the run is started" in answer.json()["errors"][0]["detail"]


async def test_a_canceled_run_is_not_its_workers_any_more(
    api: AsyncClient, flows: Flows, sessions: Sessions
) -> None:
    """A worker that claimed it just before finds that its lease is gone."""
    simple = await flows.add(PRINT, trigger_type="simple", triggers=(), wait="1 h")
    run_id = (await start(api, simple, immediate=False)).json()["data"]["id"]
    async with sessions.begin() as session:
        held = {"state": "running", "lease_token": uuid4()}
        until = datetime.now(UTC) + timedelta(hours=1)
        await session.execute(update(WorkflowRun).values(**held, leased_until=until))
    assert (await api.post(f"/v1/workflow_runs/{run_id}/cancel")).is_success
    (run,) = await flows.runs(simple)
    assert (run.state, run.lease_token) == ("canceled", None)


async def test_runs_of_a_workflow_are_listed_newest_first(api: AsyncClient, flows: Flows) -> None:
    simple = await flows.add(PRINT, trigger_type="simple", triggers=(), wait="1 h")
    first, second = [
        (await start(api, simple, immediate=False)).json()["data"]["id"] for _ in range(2)
    ]
    await api.post(f"/v1/workflow_runs/{first}/cancel")
    url = f"/v1/workflows/{simple}/workflow_runs"
    assert [each["id"] for each in (await api.get(url)).json()["data"]] == [second, first]
    queued = await api.get(f"{url}?filter[status]=queued")
    assert [each["id"] for each in queued.json()["data"]] == [second]


async def test_a_run_that_failed_is_tried_again_where_it_failed(
    flows: Flows, api: AsyncClient
) -> None:
    workflow_id = await flows.add(
        {"task_type": "add_to_timeline", "event": "once"},
        {"task_type": "update_status", "status": "closed"},
        {"task_type": "print", "message": "after"},
    )
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "failed"
    await flows.move(incident_id, "resolved")  # from where it can be closed
    answer = await api.post(f"/v1/workflow_runs/{run.id}/retry")
    assert answer.status_code == 200, answer.text
    (again,) = await flows.ran(workflow_id)
    assert again.status == "completed"
    assert [task.status for task in await flows.tasks(again)] == ["completed"] * 3
    assert (await flows.timeline(incident_id)).count("once") == 1
    assert (await flows.incident(incident_id)).status == "closed"
    assert (await api.post(f"/v1/workflow_runs/{run.id}/retry")).status_code == 409


async def test_a_run_over_its_limit_is_executed_when_it_is_tried_again(
    flows: Flows, api: AsyncClient
) -> None:
    workflow_id = await flows.add(
        {"task_type": "print", "message": "x"}, runs_per_minute_max=0, repeat_every_duration="1 h"
    )
    for _ in range(3):
        await flows.declare()
    over = [run for run in await flows.ran(workflow_id, runs=3) if run.status == "canceled"]
    assert over
    await api.post(f"/v1/workflow_runs/{over[0].id}/retry")

    async def is_done() -> bool:
        return any(
            run.id == over[0].id and run.status == "completed"
            for run in await flows.runs(workflow_id)
        )

    await eventually(is_done)
