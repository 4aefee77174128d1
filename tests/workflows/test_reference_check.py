"""What PagerTree renamed, removed or doubled: found after a sync, told once, and paged about."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from pagersync.database.engine import Sessions
from pagersync.database.notify import notify
from pagersync.doctor import examine
from pagersync.events.models import DomainEvent
from pagersync.findings import Level
from pagersync.http import AsyncClient
from pagersync.integrations.default_targets import found_targets
from pagersync.integrations.directory_models import DirectoryEntry
from pagersync.integrations.models import Integration
from pagersync.integrations.service import change_integration
from pagersync.integrations.targets import name_key
from pagersync.settings import Settings
from pagersync.webhooks.models import WebhookDelivery, WebhookEndpoint
from pagersync.webhooks.payload import build_payload
from pagersync.workflows.models import WorkflowTask
from pagersync.workflows.reference_check import EVENT, check_due, find_reference_problems
from tests.paging.conftest import Paging
from tests.support.wait import eventually
from tests.workflows.conftest import Flows

PAGE: dict[str, Any] = {"task_type": "page_pagertree"}


async def change(sessions: Sessions, pagertree_id: str, **values: Any) -> None:
    """Change an entry of the directory as a sync would, and let the next check be due."""
    if "name" in values:
        values["name_key"] = name_key(values["name"])
    async with sessions.begin() as session:
        own = DirectoryEntry.pagertree_id == pagertree_id
        await session.execute(update(DirectoryEntry).where(own).values(**values))
        await session.execute(update(Integration).values(directory_synced_at=datetime.now(UTC)))
        await notify(session, "integrations")


async def told(sessions: Sessions) -> list[dict[str, Any]]:
    async with sessions() as session:
        own = select(DomainEvent.data).where(DomainEvent.type == EVENT).order_by(DomainEvent.id)
        return list(await session.scalars(own))


async def test_what_is_broken_is_told_once_and_again_when_it_breaks_anew(
    flows: Flows, directory: Paging, sessions: Sessions
) -> None:
    team = directory.simulator.directory.teams[0]
    await flows.add({**PAGE, "teams": [{"id": team.id, "name": team.name}]}, name="Page SRE")
    assert await check_due(sessions)
    assert not await check_due(sessions), "it is checked once for each sync"
    assert await told(sessions) == []
    await change(sessions, team.id, name="Reliability")
    assert await check_due(sessions)
    (renamed,) = await told(sessions)
    assert renamed["detail"] == f"the team '{team.name}' is called 'Reliability' now"
    assert renamed["is_paged"] is True
    assert "'Page SRE'" in renamed["where"]
    await change(sessions, team.id)
    await check_due(sessions)
    assert len(await told(sessions)) == 1, "each finding is told once"
    await change(sessions, team.id, missing_since=datetime.now(UTC))
    await check_due(sessions)
    _, missing = await told(sessions)
    assert missing["is_paged"] is False
    await change(sessions, team.id, missing_since=None, name=team.name)
    await check_due(sessions)
    await change(sessions, team.id, missing_since=datetime.now(UTC))
    await check_due(sessions)
    assert len(await told(sessions)) == 3


async def test_references_with_only_a_name_get_the_id_after_a_sync(
    flows: Flows, directory: Paging, sessions: Sessions
) -> None:
    team, other = directory.simulator.directory.teams[:2]
    fallback = {"teams": [{"name": other.name}]}
    await flows.add({**PAGE, "teams": [{"name": team.name}], "fallback": fallback})
    async with sessions.begin() as session:
        defaults = {"teams": [{"name": team.name}]}
        await change_integration(session, directory.integration_id, default_targets=defaults)
    await check_due(sessions)
    async with sessions() as session:
        (task,) = (await session.scalars(select(WorkflowTask))).all()
        assert task.task_params["teams"] == [{"id": team.id, "name": team.name}]
        assert task.task_params["fallback"]["teams"] == [{"id": other.id, "name": other.name}]
        account = await session.get_one(Integration, directory.integration_id)
        assert account.default_targets["teams"] == [{"id": team.id, "name": team.name}]


async def test_a_second_team_of_the_name_is_found_where_only_a_name_is_known(
    flows: Flows, directory: Paging, sessions: Sessions
) -> None:
    team, other = directory.simulator.directory.teams[:2]
    await change(sessions, other.id, name=team.name)
    await flows.add({**PAGE, "teams": [{"name": team.name}]})
    await check_due(sessions)
    (ambiguous,) = await told(sessions)
    assert ambiguous["detail"].startswith(f"2 teams are called '{team.name}'")


async def test_doctor_and_the_account_list_what_is_broken(
    flows: Flows,
    paging: Paging,
    service_api: AsyncClient,
    sessions: Sessions,
    settings: Settings,
) -> None:
    gone = {"id": "01HZZZZZZZZZZZZZZZZZZZZZZZ", "name": "Gone"}
    await flows.add({**PAGE, "teams": [gone]}, name="Page")
    await change(sessions, gone["id"])
    await eventually(lambda: told(sessions), lambda found: len(found) == 1)
    findings = [one for one in await examine(sessions, settings) if one.code == "reference_broken"]
    assert len(findings) == 1
    assert gone["id"] in findings[0].detail
    answer = await service_api.get(f"/v1/integrations/{paging.integration_id}")
    (shown,) = answer.json()["data"]["attributes"]["broken_references"]
    assert (shown["kind"], shown["name"], shown["is_paged"]) == ("team", "Gone", False)


@pytest.mark.parametrize("what", ["a namesake", "switched off"])
async def test_what_keeps_nobody_from_being_paged_is_a_warning(
    flows: Flows, directory: Paging, sessions: Sessions, settings: Settings, what: str
) -> None:
    team, other = directory.simulator.directory.teams[:2]
    off = what == "switched off"
    task = {**PAGE, "teams": [{"id": team.id, "name": team.name}]}
    await flows.add(task, name="Page SRE", enabled=not off)
    if not off:
        await change(sessions, other.id, name=team.name)
    await change(sessions, team.id, missing_since=datetime.now(UTC))
    found = [each for each in await examine(sessions, settings) if each.code == "reference_broken"]
    assert [each.level for each in found] == [Level.WARNING]
    assert ("of today is paged" in found[0].detail) is not off


async def test_what_is_broken_is_found_even_if_directories_are_synced_on_demand_only(
    flows: Flows, paging: Paging, paging_settings: Settings, sessions: Sessions
) -> None:
    assert paging_settings.directory_sync_s == 0
    team = paging.simulator.directory.teams[0]
    await flows.add({**PAGE, "teams": [{"id": team.id, "name": team.name}]}, name="Page SRE")
    await change(sessions, team.id, name="Reliability")
    (renamed,) = await eventually(lambda: told(sessions), lambda found: len(found) == 1)
    assert renamed["detail"] == f"the team '{team.name}' is called 'Reliability' now"


async def test_a_workflow_can_page_somebody_about_it(
    flows: Flows, paging: Paging, sessions: Sessions, team: dict[str, str]
) -> None:
    listening = await flows.add(
        {**PAGE, "teams": [team]}, trigger_type="account", triggers=["reference_broken"]
    )
    lost = paging.simulator.directory.teams[1]
    await flows.add({**PAGE, "teams": [{"id": lost.id, "name": lost.name}]}, name="Other")
    await change(sessions, lost.id, missing_since=datetime.now(UTC))
    (run,) = await flows.ran(listening)
    assert run.status == "completed", run.status_message
    (page,) = await flows.pages()
    assert "'Other'" in page.title
    assert "no longer lists" in page.title
    await paging.reaches(page.id, "confirmed")


@pytest.mark.usefixtures("directory")
async def test_endpoints_are_told(flows: Flows, sessions: Sessions) -> None:
    async with sessions.begin() as session:
        session.add(WebhookEndpoint(name="all", slug="all", url="https://x.test"))
    await flows.add({**PAGE, "users": [{"name": "Nobody"}]}, name="Page")
    await check_due(sessions)
    async with sessions() as session:
        delivery = (await session.scalars(select(WebhookDelivery))).one()
        assert delivery.event_type == EVENT
        assert "no user is called 'Nobody'" in await build_payload(session, delivery)


async def test_the_command_that_mends_default_targets_keeps_those_that_can_be_paged(
    directory: Paging, sessions: Sessions, settings: Settings
) -> None:
    renamed, gone = directory.simulator.directory.teams[:2]
    user = directory.simulator.directory.account_users[0]
    teams = [{"id": each.id, "name": each.name} for each in (renamed, gone)]
    defaults = {"teams": teams, "users": [{"id": user.id, "name": "Somebody"}]}
    async with sessions.begin() as session:
        await change_integration(session, directory.integration_id, default_targets=defaults)
    await change(sessions, renamed.id, name="Reliability")
    await change(sessions, gone.id, missing_since=datetime.now(UTC))
    async with sessions() as session:
        remedies = {each.remedy for each in await find_reference_problems(session, settings)}
    mends = f"--team {renamed.id} --user {user.id} --team NAME"
    assert remedies == {f"pagersync integrations default-targets acme {mends}"}


def test_targets_that_were_found_are_kept_with_their_ids_and_present_names() -> None:
    found: list[dict[str, Any]] = [
        {"kind": "team", "pagertree_id": "01T", "prefix_id": "tem_1", "name": "Reliability"},
        {"kind": "user", "pagertree_id": "01U", "prefix_id": None, "name": "Ana"},
    ]
    assert found_targets(found) == {
        "teams": [{"id": "01T", "name": "Reliability"}],
        "users": [{"id": "01U", "name": "Ana"}],
        "routers": [],
    }
