"""Whom workflows name gets PagerTree's id when they are saved; what fits nobody is refused then."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, update

from pagersync.database.engine import Sessions
from pagersync.errors import InvalidError
from pagersync.http import AsyncClient, Response
from pagersync.integrations.directory_models import DirectoryEntry
from pagersync.integrations.models import Integration
from pagersync.integrations.service import change_integration
from pagersync.integrations.targets import name_key
from pagersync.settings import Settings
from pagersync.workflows.apply import apply_plan, export, make_plan
from pagersync.workflows.files import read_file, write_file
from pagersync.workflows.models import WorkflowTask
from tests.paging.conftest import Paging
from tests.support.server import running_server

PAGE: dict[str, Any] = {"task_type": "page_pagertree"}
INCIDENT = {"trigger_type": "incident", "triggers": ["incident_created"]}


@pytest.fixture
async def account(directory: Paging) -> Paging:
    """Return an account whose directory is known; no worker runs."""
    return directory


@pytest.fixture
async def saving(account: Paging, settings: Settings, token: str) -> AsyncIterator[AsyncClient]:
    del account
    headers = {"Authorization": f"Bearer {token}"}
    quiet = settings.model_copy(
        update={"directory_sync_s": 0, "http_client_hosts": "hooks.example.com"}
    )
    async with (
        running_server(quiet) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
    ):
        yield client


async def save(
    api: AsyncClient, *tasks: dict[str, Any], trigger: dict[str, Any] | None = None, **more: Any
) -> Response:
    attributes = {
        "name": "Page",
        "trigger_params": trigger or INCIDENT,
        "tasks": [{"task_params": task} for task in tasks],
        **more,
    }
    body = {"data": {"type": "workflows", "attributes": attributes}}
    return await api.post("/v1/workflows", json=body)


async def saved(sessions: Sessions) -> list[dict[str, Any]]:
    async with sessions() as session:
        every = select(WorkflowTask).order_by(WorkflowTask.position)
        return [task.task_params for task in await session.scalars(every)]


async def rename(sessions: Sessions, pagertree_id: str, name: str) -> None:
    async with sessions.begin() as session:
        await session.execute(
            update(DirectoryEntry)
            .where(DirectoryEntry.pagertree_id == pagertree_id)
            .values(name=name, name_key=name_key(name))
        )


async def test_names_get_ids_and_stay_readable(
    saving: AsyncClient, account: Paging, sessions: Sessions
) -> None:
    team, user = account.simulator.directory.teams[0], account.simulator.directory.account_users[0]
    task = {**PAGE, "teams": [{"name": team.name.upper()}], "users": [{"name": user.email}]}
    task["fallback"] = {"teams": [{"id": team.prefix_id}]}
    answer = await save(saving, task)
    assert answer.status_code == 201, answer.text
    (params,) = await saved(sessions)
    assert params["teams"] == [{"id": team.id, "name": team.name.upper()}]
    assert params["users"] == [{"id": user.id, "name": user.email}]
    assert params["fallback"]["teams"] == [{"id": team.id, "name": team.name}]


async def test_a_name_that_fits_nobody_is_refused_with_candidates(
    saving: AsyncClient, account: Paging
) -> None:
    name = account.simulator.directory.teams[0].name
    task = {**PAGE, "teams": [{"name": f"{name}x"}], "fallback": {"users": [{"name": "zz"}]}}
    answer = await save(saving, task)
    assert answer.status_code == 422
    first, second = answer.json()["errors"]
    assert f"did you mean '{name}'" in first["detail"]
    assert first["source"]["pointer"] == "/data/attributes/tasks/0/task_params/teams/0"
    assert second["source"]["pointer"] == "/data/attributes/tasks/0/task_params/fallback/users/0"


async def test_a_task_that_is_added_or_changed_is_looked_up_too(
    saving: AsyncClient, account: Paging, sessions: Sessions
) -> None:
    team = account.simulator.directory.teams[0]
    workflow = (await save(saving)).json()["data"]["id"]
    path = f"/v1/workflows/{workflow}/workflow_tasks"

    def body(name: str) -> dict[str, Any]:
        params = {**PAGE, "teams": [{"name": name}]}
        return {"data": {"type": "workflow_tasks", "attributes": {"task_params": params}}}

    refused = await saving.post(path, json=body("Nobody"))
    assert refused.status_code == 422
    pointer = refused.json()["errors"][0]["source"]["pointer"]
    assert pointer == "/data/attributes/task_params/teams/0"
    added = await saving.post(path, json=body(team.name))
    assert (await saved(sessions))[0]["teams"] == [{"id": team.id, "name": team.name}]
    task = f"/v1/workflow_tasks/{added.json()['data']['id']}"
    assert (await saving.put(task, json=body("Nobody"))).status_code == 422
    other = account.simulator.directory.teams[1]
    assert (await saving.put(task, json=body(other.name))).status_code == 200
    assert (await saved(sessions))[0]["teams"] == [{"id": other.id, "name": other.name}]


async def test_before_the_first_listing_names_are_kept_as_they_are(
    saving: AsyncClient, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Integration).values(directory_synced_at=None))
    task = {**PAGE, "teams": [{"name": "Not here yet"}]}
    assert (await save(saving, task)).status_code == 201
    assert (await saved(sessions))[0]["teams"] == [{"name": "Not here yet"}]


async def test_templates_and_accounts_that_only_the_run_knows_are_kept_as_they_are(
    saving: AsyncClient, account: Paging, sessions: Sessions, settings: Settings
) -> None:
    del settings
    templated = {**PAGE, "teams": [{"name": "{{ incident.title }}", "id": None}]}
    assert (await save(saving, templated)).status_code == 201
    elsewhere = {**PAGE, "integration": "{{ context.account }}", "teams": [{"name": "Nobody"}]}
    assert (await save(saving, elsewhere)).status_code == 201
    assert [params["teams"][0]["name"] for params in await saved(sessions)] == [
        "{{ incident.title }}",
        "Nobody",
    ]
    del account


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://hooks.example.com/x", 201),
        ("https://{{ context.host }}/x", 201),
        ("https://hooks.example.com/{{ incident.id }}", 201),
        ("https://elsewhere.example.com/x", 422),
        ("https://elsewhere.example.com/{{ incident.id }}", 422),
    ],
)
async def test_a_host_that_may_not_be_called_is_refused_when_it_is_saved(
    saving: AsyncClient, url: str, status: int
) -> None:
    task = {"task_type": "http_client", "url": url, "succeed_on_status": "200"}
    answer = await save(saving, task)
    assert answer.status_code == status, answer.text
    if status == 422:
        (problem,) = answer.json()["errors"]
        assert "PAGERSYNC_HTTP_CLIENT_HOSTS" in problem["detail"]
        assert problem["source"]["pointer"] == "/data/attributes/tasks/0/task_params/url"


FILE = """
workflows:
  - slug: page
    name: Page
    trigger_params: {{trigger_type: incident, triggers: [incident_created]}}
    tasks:
      - task_params: {{task_type: page_pagertree, teams: [{{name: "{name}"}}]}}
"""


async def apply(sessions: Sessions, text: str) -> list[str]:
    """Apply a file; return what the plan said of each workflow."""
    file = read_file(text.encode())
    async with sessions.begin() as session:
        plan = await make_plan(session, file)
        await apply_plan(session, plan, plan, requested_by="a test")
    return [step.action for step in plan.steps]


async def test_a_file_with_names_and_its_export_are_applied_once(
    account: Paging, sessions: Sessions
) -> None:
    team = account.simulator.directory.teams[0]
    written = FILE.format(name=team.name)
    assert await apply(sessions, written) == ["create"]
    assert await apply(sessions, written) == ["unchanged"]
    async with sessions() as session:
        exported = write_file(await export(session))
    assert team.id in exported
    assert await apply(sessions, exported) == ["unchanged"]
    await rename(sessions, team.id, "Platform of today")
    assert await apply(sessions, written) == ["unchanged"], "the saved id still says who is meant"
    assert await apply(sessions, exported) == ["unchanged"]
    renamed = FILE.format(name="Platform of today")
    assert await apply(sessions, renamed) == ["change"]
    assert await apply(sessions, renamed) == ["unchanged"]


async def test_a_plan_refuses_what_saving_would(account: Paging, sessions: Sessions) -> None:
    del account
    with pytest.raises(InvalidError, match="no team is called 'Nobody'") as refused:
        await apply(sessions, FILE.format(name="Nobody"))
    assert "line" in refused.value.detail
    calling = FILE.format(name="x").replace(
        'task_type: page_pagertree, teams: [{name: "x"}]',
        'task_type: http_client, url: "https://a.example.com", succeed_on_status: "200"',
    )
    async with sessions() as session:
        with pytest.raises(InvalidError, match="may not be called"):
            await make_plan(session, read_file(calling.encode()), hosts=["b.example.com"])


async def test_default_targets_are_saved_with_ids(
    saving: AsyncClient, account: Paging, sessions: Sessions
) -> None:
    team = account.simulator.directory.teams[0]
    attributes = {"default_targets": {"teams": [{"name": team.name}]}}
    body = {"data": {"type": "integrations", "attributes": attributes}}
    answer = await saving.patch(f"/v1/integrations/{account.integration_id}", json=body)
    assert answer.status_code == 200, answer.text
    async with sessions() as session:
        row = await session.get_one(Integration, account.integration_id)
        assert row.default_targets["teams"] == [{"id": team.id, "name": team.name}]
    await rename(sessions, team.id, "Platform of today")
    shown = answer.json()["data"]["attributes"]["default_targets"]
    body = {"data": {"type": "integrations", "attributes": {"default_targets": shown}}}
    again = await saving.patch(f"/v1/integrations/{account.integration_id}", json=body)
    assert again.status_code == 200, "what was read can be sent back after a rename"
    async with sessions.begin() as session:
        await change_integration(session, account.integration_id, directory_error=None)
