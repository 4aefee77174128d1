"""`/v1/domain_events`: everything that happened, who did it, and what each workflow made of it."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from pagersync.database.base import new_id
from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.settings import Settings
from tests.support.account import Account
from tests.support.account import event as body_of
from tests.support.server import running_server
from tests.support.wait import eventually
from tests.workflows.conftest import Flows
from tests.workflows.looking import look_once

PRINT = {"task_type": "print", "message": "x"}
RESOLVED = {"incident_condition_status": "IS", "incident_statuses": ["resolved"]}


@pytest.fixture
async def quiet(settings: Settings, token: str) -> Any:
    """Yield a client of a service whose queues nobody works."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        running_server(settings, with_workers=False) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
    ):
        yield client


async def listed(api: AsyncClient, **filters: object) -> list[dict[str, Any]]:
    query = {f"filter[{name}]": str(value) for name, value in filters.items()}
    answer = await api.get("/v1/domain_events", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def only(api: AsyncClient, **filters: object) -> dict[str, Any]:
    """Return the one event that fits, which is the same when it is asked for alone."""
    (row,) = await listed(api, **filters)
    alone = await api.get(f"/v1/domain_events/{row['id']}")
    assert alone.json()["data"] == row
    return dict(row["attributes"])


async def test_each_workflow_that_listened_is_named_with_its_run_or_why_there_is_none(
    quiet: AsyncClient, flows: Flows, sessions: Sessions
) -> None:
    matching = await flows.add(PRINT, name="Print")
    limited = await flows.add(PRINT, name="Limited", runs_per_minute_max=0)
    await flows.add(PRINT, name="Resolved only", conditions=RESOLVED)
    incident_id = await flows.declare(Cause("the API key 'ci'"))
    waiting = await only(quiet, subject_id=incident_id)
    assert waiting["state"] == "queued"
    assert waiting["explanation"] == "It waits for workflows to look at it."

    await look_once(sessions)
    event = await only(quiet, subject_id=incident_id, type="incident.created", state="done")
    assert event["explanation"] == "3 workflows listened; matched: 'Print', 'Limited'."
    assert event["triggers"] == ["incident_created", "incident_started"]
    assert event["integration_id"] is None
    assert event["cause"] == {
        "source": "person",
        "delivery_id": None,
        "workflow_run_id": None,
        "requested_by": "the API key 'ci'",
        "depth": 0,
    }
    assert event["seen"]["status"] == "started"
    verdicts = {verdict["workflow"]: verdict for verdict in event["workflows"]}
    (run,), (canceled,) = await flows.runs(matching), await flows.runs(limited)
    assert verdicts["Print"]["run_id"] == str(run.id)
    assert verdicts["Print"]["run_status"] == "queued"
    assert verdicts["Limited"]["run_id"] == str(canceled.id)
    assert verdicts["Limited"]["run_status"] == "canceled"
    assert "limit of 0 runs" in verdicts["Limited"]["run_status_message"]
    assert verdicts["Resolved only"]["matched"] is False
    assert verdicts["Resolved only"]["run_id"] is None
    assert verdicts["Resolved only"]["reason"] == "incident status IS [resolved]"


async def test_an_event_for_which_no_workflow_listened_says_so(
    quiet: AsyncClient, flows: Flows
) -> None:
    incident_id = await flows.declare()
    event = await only(quiet, subject_id=incident_id)
    assert event["explanation"] == (
        "No workflow listened for incident_created or incident_started when it happened."
    )
    assert event["workflows"] == []
    assert event["seen"] is None


async def test_an_event_of_a_type_that_workflows_do_not_know_says_so(
    api: AsyncClient, flows: Flows
) -> None:
    workflow_id = await flows.add(PRINT)
    await flows.declare()
    (run,) = await flows.ran(workflow_id)
    event = await only(api, workflow_run_id=run.id)
    assert event["type"] == "workflow_run.completed"
    assert event["cause"]["source"] == "workflow"
    assert event["explanation"] == "Workflows do not listen for events of this type."


async def test_events_are_found_by_the_webhook_that_told_of_them(
    api: AsyncClient, account: Account
) -> None:
    await account.post(body_of("alert.created", title="Disk full"))

    async def events() -> list[dict[str, Any]]:
        return await listed(api, integration_id=account.id, subject_type="alert")

    (row,) = await eventually(events)
    cause = row["attributes"]["cause"]
    assert cause["source"] == "pagertree"
    found = await only(api, delivery_id=cause["delivery_id"])
    assert (found["type"], found["integration_id"]) == ("alert.created", str(account.id))
    assert await listed(api, delivery_id=new_id()) == []


async def test_the_list_goes_on_page_by_page_and_can_be_cut_by_time(
    quiet: AsyncClient, flows: Flows
) -> None:
    for _ in range(3):
        await flows.declare()
    first = (await quiet.get("/v1/domain_events?page[size]=2")).json()
    assert (len(first["data"]), first["meta"]["total_count"]) == (2, 3)
    after = first["meta"]["next_cursor"]
    rest = (await quiet.get("/v1/domain_events", params={"page[after]": after})).json()
    assert len(rest["data"]) == 1
    moment = first["data"][0]["attributes"]["occurred_at"]
    newer = await quiet.get("/v1/domain_events", params={"filter[occurred_at][gte]": moment})
    assert [row["id"] for row in newer.json()["data"]] == [first["data"][0]["id"]]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/domain_events/{UUID(int=7)}", 404),
        ("/v1/domain_events/x", 422),
        ("/v1/domain_events?filter[state]=lost", 422),
        ("/v1/domain_events?filter[nothing]=1", 422),
        ("/v1/incidents/7/trace", 404),
        ("/v1/incidents/x/trace", 404),
        ("/v1/alerts/ABC234/trace", 404),
        (f"/v1/pages/{UUID(int=7)}/trace", 404),
        ("/v1/pages/x/trace", 422),
    ],
)
async def test_what_is_not_there_or_makes_no_sense_is_refused(
    quiet: AsyncClient, path: str, status: int
) -> None:
    assert (await quiet.get(path)).status_code == status


async def test_a_dead_event_is_looked_at_again_when_somebody_asks(
    quiet: AsyncClient, flows: Flows, sessions: Sessions
) -> None:
    workflow_id = await flows.add(PRINT)
    incident_id = await flows.declare()
    (row,) = await listed(quiet, subject_id=incident_id)
    path = f"/v1/domain_events/{row['id']}/redrive"
    assert (await quiet.post(path)).status_code == 409
    async with sessions.begin() as session:
        await session.execute(update(DomainEvent).values(state="dead", attempt=8))
    answer = await quiet.post(path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["attributes"]["state"] == "queued"
    await look_once(sessions)
    assert len(await flows.runs(workflow_id)) == 1
