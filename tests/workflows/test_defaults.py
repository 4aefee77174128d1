"""The two workflows that come with an account."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations.service import remove_integration
from pagersync.workflows.models import Workflow, WorkflowRun, WorkflowTask
from tests.paging.conftest import Paging
from tests.support.pagertree import API_KEY, SimulatedPagerTree
from tests.support.wait import eventually
from tests.workflows.conftest import Flows

CREATING = "Create a PagerTree alert when an incident is created"
RESOLVING = "Resolve linked PagerTree alerts when the incident is resolved"
RESTARTING = "Create a PagerTree alert when an incident is restarted"


@pytest.fixture
async def workflows(sessions: Sessions) -> "Reader":
    return Reader(sessions)


class Reader:
    """Looks at the workflows that there are."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    async def all(self) -> dict[str, Workflow]:
        async with self.sessions() as session:
            every = await session.scalars(select(Workflow).order_by(Workflow.id))
            return {f"{w.name}{' (removed)' if w.removed_at else ''}": w for w in every}

    async def count(self) -> int:
        async with self.sessions() as session:
            return len(list(await session.scalars(select(Workflow))))


async def connect(
    api: AsyncClient, pagertree: SimulatedPagerTree, name: str = "acme", **attributes: Any
) -> dict[str, Any]:
    """Connect the simulated account as a newcomer does; return the answer."""
    body = {
        "name": name,
        "api_key": API_KEY,
        "pagertree_url": pagertree.api_url,
        **attributes,
    }
    response = await api.post(
        "/v1/integrations", json={"data": {"type": "integrations", "attributes": body}}
    )
    assert response.status_code == 201, response.text
    return dict(response.json()["data"])


async def test_an_account_comes_with_both_and_says_why_one_is_off(
    api: AsyncClient, pagertree: SimulatedPagerTree, workflows: Reader
) -> None:
    answer = await connect(api, pagertree)
    made = await workflows.all()
    assert list(made) == [CREATING, RESOLVING, RESTARTING]
    assert not made[CREATING].enabled
    assert "default targets" in str(made[CREATING].off_reason)
    assert made[RESOLVING].enabled
    assert any(CREATING in step and "is off" in step for step in answer["attributes"]["setup"])


async def test_with_default_targets_both_are_on(
    api: AsyncClient, pagertree: SimulatedPagerTree, workflows: Reader
) -> None:
    answer = await connect(api, pagertree, default_targets={"teams": [{"name": "Platform"}]})
    enabled = {name for name, each in (await workflows.all()).items() if each.enabled}
    assert enabled == {CREATING, RESOLVING}
    assert not any("is off" in step for step in answer["attributes"]["setup"])


async def test_a_new_account_says_that_nobody_is_paged_by_a_restart_and_how_to_change_that(
    api: AsyncClient, pagertree: SimulatedPagerTree, workflows: Reader
) -> None:
    answer = await connect(api, pagertree, default_targets={"teams": [{"name": "Platform"}]})
    slug = (await workflows.all())[RESTARTING].slug
    (step,) = [each for each in answer["attributes"]["setup"] if "restarted" in each]
    assert f"`pagersync workflows enable {slug}`" in step


async def test_a_default_target_that_pagertree_does_not_have_is_refused(
    service_api: AsyncClient, paging: Paging, workflows: Reader
) -> None:
    def new(**attributes: Any) -> dict[str, Any]:
        return {"data": {"type": "integrations", "attributes": attributes}}

    wrong = {"users": [{"name": "Nobody"}], "teams": [{"name": "Platform"}, {"name": "Platfrom"}]}
    account = {"name": "other", "api_key": API_KEY, "pagertree_url": paging.pagertree.api_url}
    before = await workflows.count()
    made = await service_api.post("/v1/integrations", json=new(default_targets=wrong, **account))
    url = f"/v1/integrations/{paging.integration_id}"
    changed = await service_api.patch(url, json=new(default_targets=wrong))
    again = {"api_key": API_KEY, "default_targets": wrong}
    with_key = await service_api.patch(url, json=new(**again))
    for refused in (made, changed, with_key):
        assert refused.status_code == 422, refused.text
        team, user = refused.json()["errors"]
        assert team["source"] == {"pointer": "/data/attributes/default_targets/teams/1"}
        assert "did you mean 'Platform'?" in team["detail"]
        assert user["source"] == {"pointer": "/data/attributes/default_targets/users/0"}
    assert len((await service_api.get("/v1/integrations")).json()["data"]) == 1
    assert await workflows.count() == before
    right = await service_api.patch(url, json=new(default_targets={"teams": wrong["teams"][:1]}))
    assert right.status_code == 200
    again["default_targets"] = {"teams": wrong["teams"][:1]}
    assert (await service_api.patch(url, json=new(**again))).status_code == 200
    unstorable = new(**account | {"default_targets": {"teams": [{"name": "a\x00"}]}})
    assert (await service_api.post("/v1/integrations", json=unstorable)).status_code == 422
    assert (await service_api.patch(url, json=new(default_targets={}))).status_code == 200


async def test_a_storm_of_resolved_incidents_leaves_no_alert_open_for_a_limit(
    api: AsyncClient, pagertree: SimulatedPagerTree, sessions: Sessions, flows: Flows
) -> None:
    await connect(api, pagertree)
    incidents = [await flows.declare() for _ in range(61)]
    for incident_id in incidents:
        await flows.move(incident_id, "resolved")
    for incident_id in incidents:
        await flows.looked_at(incident_id, "incident.updated")
    async with sessions() as session:
        limited = select(WorkflowRun).where(WorkflowRun.state == "canceled")
        assert list(await session.scalars(limited)) == []


async def test_they_can_be_left_out(
    api: AsyncClient, pagertree: SimulatedPagerTree, workflows: Reader
) -> None:
    await connect(api, pagertree, default_workflows=False)
    assert await workflows.count() == 0


async def test_connecting_again_makes_no_second_pair_and_keeps_what_people_changed(
    api: AsyncClient, pagertree: SimulatedPagerTree, workflows: Reader, sessions: Sessions
) -> None:
    first = await connect(api, pagertree)
    async with sessions.begin() as session:
        creating = (await session.scalars(select(Workflow).filter_by(name=CREATING))).one()
        creating.name = "Ours"
        await remove_integration(session, UUID(first["id"]))
    second = await connect(api, pagertree)
    made = await workflows.all()
    assert sorted(made) == sorted(["Ours", RESOLVING, RESTARTING])
    assert {str(workflow.integration_id) for workflow in made.values()} == {second["id"]}
    async with sessions() as session:
        assert len(list(await session.scalars(select(WorkflowTask)))) == 3


async def test_two_accounts_have_their_workflows_each(
    api: AsyncClient, pagertree: SimulatedPagerTree, workflows: Reader
) -> None:
    await connect(api, pagertree)
    await connect(api, pagertree, name="other")
    assert await workflows.count() == 6


class TestTheWholeWay:
    """An account connected as a newcomer does it, an incident declared, paged for and resolved."""

    @pytest.fixture
    async def simulator(
        self, api: AsyncClient, pagertree: SimulatedPagerTree, server: str
    ) -> AsyncIterator[SimulatedPagerTree]:
        answer = await connect(api, pagertree, default_targets={"teams": [{"name": "Platform"}]})
        synced = await api.post(f"/v1/integrations/{answer['id']}/sync")
        assert synced.is_success, synced.text
        pagertree.simulator.change(
            webhook_url=f"{server}/webhooks/pagertree/{answer['id']}",
            webhook_secret=answer["attributes"]["webhook_secret"],
        )
        yield pagertree
        pagertree.simulator.change(webhooks="off")

    async def test_an_incident_is_paged_for_and_its_alert_resolved_with_it(
        self, flows: Flows, simulator: SimulatedPagerTree
    ) -> None:
        incident_id = await flows.declare(severity="high")
        (page,) = await eventually(lambda: flows.pages(incident_id), bool)
        there = await eventually(lambda: _alerts(simulator), bool)
        assert there[0]["title"] == "Checkout is down"
        assert there[0]["incident_severity"] == "sev_2"
        await simulator.reaches(there[0]["id"], "open")
        await flows.move(incident_id, "resolved")
        await simulator.reaches(there[0]["id"], "resolved")

        async def is_resolved() -> bool:
            return (await flows.pages(incident_id))[0].status == "resolved"

        await eventually(is_resolved)
        async with flows.sessions() as session:
            from pagersync.alerts.models import Alert  # noqa: PLC0415

            assert list(await session.scalars(select(Alert))) == []
        assert page.requested_by == f"the workflow {CREATING!r}"
        timeline = " ".join(await flows.timeline(incident_id))
        assert "Resolved in PagerTree" in timeline

    async def test_a_restarted_incident_is_not_paged_for_twice(
        self, flows: Flows, simulator: SimulatedPagerTree
    ) -> None:
        incident_id = await flows.declare()
        await eventually(lambda: flows.pages(incident_id), bool)
        await flows.move(incident_id, "resolved")
        await flows.move(incident_id, "started")
        await flows.looked_at(incident_id, "incident.updated")
        await eventually(lambda: _alerts(simulator), bool)
        assert len(await flows.pages(incident_id)) == 1

    async def test_tests_and_examples_page_nobody(
        self, flows: Flows, simulator: SimulatedPagerTree
    ) -> None:
        incident_id = await flows.declare(kind="test")
        verdicts = await flows.verdicts(incident_id, "incident.created")
        assert [verdict["matched"] for verdict in verdicts] == [False]
        assert await _alerts(simulator) == []


async def _alerts(pagertree: SimulatedPagerTree) -> list[dict[str, Any]]:
    return list(pagertree.simulator.alerts())


async def test_both_at_work_page_for_a_new_incident_and_resolve_what_was_paged_with_it(
    flows: Flows, paging: Paging, service_api: AsyncClient
) -> None:
    targets = {"teams": [{"name": "Platform"}]}
    made = await connect(service_api, paging.pagertree, "other", default_targets=targets)
    await service_api.post(f"/v1/integrations/{made['id']}/sync")
    body = {"data": {"type": "incidents", "attributes": {"title": "Checkout is down"}}}
    answer = await service_api.post("/v1/incidents", json=body)
    incident_id = UUID(answer.json()["data"]["id"])
    (page,) = await eventually(lambda: flows.pages(incident_id), bool)
    await paging.reaches(page.id, "confirmed")
    await service_api.put("/v1/incidents/1/resolve")
    await paging.reaches(page.id, "resolved")
    (alert,) = paging.simulator.alerts()
    assert (alert["title"], alert["status"]) == ("Checkout is down", "resolved")
    assert len(await flows.pages()) == 1


async def test_they_can_be_reviewed_changed_and_switched_off(
    api: AsyncClient, pagertree: SimulatedPagerTree
) -> None:
    await connect(api, pagertree, default_targets={"teams": [{"name": "Platform"}]})
    listed = (await api.get("/v1/workflows")).json()["data"]
    assert {row["attributes"]["name"] for row in listed} == {CREATING, RESOLVING, RESTARTING}
    for row in listed:
        assert row["attributes"]["description"]
        change = {"name": f"Our {row['attributes']['name']}", "enabled": False}
        body = {"data": {"type": "workflows", "attributes": change}}
        answer = await api.put(f"/v1/workflows/{row['id']}", json=body)
        assert answer.status_code == 200, answer.text
        shown = answer.json()["data"]["attributes"]
        assert {name: shown[name] for name in change} == change
