"""Whom a task's page reaches when something that it names cannot be paged: somebody, always."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations.directory_models import DirectoryEntry
from pagersync.integrations.models import Integration
from pagersync.integrations.service import change_integration
from pagersync.paging.models import Page
from tests.paging.conftest import Paging
from tests.workflows.conftest import Flows
from tests.workflows.tracing import of_kind, trace

PAGE: dict[str, Any] = {"task_type": "page_pagertree"}
NOBODY = {"name": "Nobody"}


async def set_defaults(flows: Flows, paging: Paging, *teams: dict[str, str]) -> None:
    async with flows.sessions.begin() as session:
        await change_integration(
            session, paging.integration_id, default_targets={"teams": [*teams]}
        )


async def paged(flows: Flows, paging: Paging, *tasks: dict[str, Any]) -> Page:
    """Return the page that a workflow with these tasks makes for a new incident, once it is out."""
    workflow_id = await flows.add(*tasks)
    incident_id = await flows.declare()
    await flows.ran(workflow_id)
    (page,) = await flows.pages(incident_id)
    return await paging.reaches(page.id, "confirmed")


def names(page: Page, *, skipped: bool) -> list[str]:
    return [t["name"] for t in page.targets if bool(t.get("skipped")) is skipped]


async def test_those_that_exist_are_paged_and_the_others_are_listed_with_the_reason(
    flows: Flows, paging: Paging, team: dict[str, str], service_api: AsyncClient
) -> None:
    page = await paged(flows, paging, {**PAGE, "teams": [NOBODY, team]})
    assert (names(page, skipped=False), names(page, skipped=True)) == ([team["name"]], ["Nobody"])
    (alert,) = paging.simulator.alerts()
    assert alert["destination_team_ids"] == [page.targets[0]["pagertree_id"]]
    shown = (await service_api.get(f"/v1/pages/{page.id}")).json()["data"]["attributes"]
    kept, left_out = shown["targets"]
    assert kept["skipped"] is None
    assert left_out["skipped"].startswith("no team is called 'Nobody'")
    (told,) = [line for line in await flows.timeline(page.incident_id) if "Paged" in line]  # type: ignore[arg-type] # it has one
    assert "the team 'Nobody' is skipped: no team is called 'Nobody'" in told
    (node,) = of_kind(await trace(service_api, "page", page.id), "page")
    assert "not to Nobody" in node["title"]
    assert node["detail"]["notes"] == page.notes


async def test_if_nobody_of_those_named_can_be_paged_the_default_targets_are(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    await set_defaults(flows, paging, team)
    workflow_id = await flows.add({**PAGE, "teams": [NOBODY]})
    await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed"
    (page,) = await flows.pages()
    assert (names(page, skipped=False), names(page, skipped=True)) == ([team["name"]], ["Nobody"])
    (task,) = await flows.tasks(run)
    assert any("default targets" in note for note in task.notes)
    assert task.notes == page.notes


@pytest.mark.usefixtures("paging")
async def test_without_default_targets_the_task_fails_loudly(flows: Flows) -> None:
    workflow_id = await flows.add({**PAGE, "teams": [NOBODY]})
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "failed"
    assert "no team is called 'Nobody'" in str(run.status_message)
    assert any("nobody whom the task names" in line for line in await flows.timeline(incident_id))
    assert await flows.pages() == []


async def test_a_bad_fallback_never_blocks_the_page(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    page = await paged(flows, paging, {**PAGE, "teams": [team], "fallback": {"teams": [NOBODY]}})
    assert page.fallback_targets is None
    assert any("the page has no fallback" in note for note in page.notes)


async def test_a_bad_fallback_is_replaced_by_the_default_targets(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    await set_defaults(flows, paging, team)
    night = {"name": paging.simulator.directory.teams[-1].name}
    workflow_id = await flows.add({**PAGE, "teams": [night], "fallback": {"teams": [NOBODY]}})
    await flows.declare()
    await flows.ran(workflow_id)
    page, *_ = await flows.pages()
    assert [t["name"] for t in page.fallback_targets or []] == [team["name"], "Nobody"]


async def test_what_pagertree_no_longer_lists_is_skipped(
    flows: Flows, paging: Paging, sessions: Sessions, team: dict[str, str]
) -> None:
    gone = paging.simulator.directory.teams[1]
    async with sessions.begin() as session:
        await session.execute(
            update(DirectoryEntry)
            .where(DirectoryEntry.pagertree_id == gone.id)
            .values(missing_since=datetime.now(UTC))
        )
    page = await paged(flows, paging, {**PAGE, "teams": [{"id": gone.id}, team]})
    assert names(page, skipped=False) == [team["name"]]
    assert "no longer lists" in page.targets[1]["skipped"]


async def test_a_renamed_team_is_paged_by_its_id_and_the_page_says_so(
    flows: Flows, paging: Paging, service_api: AsyncClient
) -> None:
    team = paging.simulator.directory.teams[0]
    outdated = {"id": team.id, "name": "SRE"}
    page = await paged(flows, paging, {**PAGE, "teams": [outdated]})
    note = f"the team 'SRE' is called '{team.name}' now"
    assert page.notes == [note]
    sent = {"title": "By hand", "teams": [outdated]}
    answer = await service_api.post(
        "/v1/pages", json={"data": {"type": "pages", "attributes": sent}}
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["data"]["attributes"]["notes"] == [note]


async def test_before_the_first_listing_a_page_by_id_goes_out_at_once(
    flows: Flows, paging: Paging, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Integration).values(directory_synced_at=None))
        await session.execute(update(DirectoryEntry).values(missing_since=None))
    team = paging.simulator.directory.teams[0]
    page = await paged(flows, paging, {**PAGE, "teams": [{"id": team.id, "name": "SRE"}]})
    assert names(page, skipped=False) == [team.name]


@pytest.mark.usefixtures("paging")
async def test_an_update_leaves_out_targets_that_cannot_be_paged(
    flows: Flows, team: dict[str, str]
) -> None:
    change = {"task_type": "update_pagertree_alert", "urgency": "low", "teams": [NOBODY]}
    workflow_id = await flows.add({**PAGE, "teams": [team]}, change)
    await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed"
    _, update_run = await flows.tasks(run)
    assert any("'Nobody' is skipped" in note for note in update_run.notes)
