"""A task whose account cannot page: another account's default targets are paged, and it is said."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from pagersync.database.engine import Sessions
from pagersync.integrations import service
from pagersync.integrations.gate import IntegrationGate
from pagersync.integrations.models import Integration
from pagersync.paging.models import Page
from tests.paging.conftest import Paging
from tests.support.wait import eventually
from tests.workflows.conftest import Flows


async def other_account(sessions: Sessions, **columns: Any) -> UUID:
    async with sessions.begin() as session:
        new = await service.add_integration(session, name="other", **columns)
        return new.integration.id


async def paged(flows: Flows, paging: Paging, team: dict[str, str], account: str) -> Page:
    """Return the page of a task that names an account, and a team that only that one has."""
    async with flows.sessions.begin() as session:
        await session.execute(
            update(Integration)
            .where(Integration.id == paging.integration_id)
            .values(default_targets={"teams": [team]})
        )
    task = {
        "task_type": "page_pagertree",
        "integration": account,
        "title": "Down",
        "teams": [{"name": "A team of the other account"}],
    }
    workflow_id = await flows.add(task)
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed", (await flows.tasks(run))[0].error
    (page,) = await eventually(lambda: flows.pages(incident_id), bool)
    assert page.integration_id == paging.integration_id
    assert [target["name"] for target in page.targets] == [team["name"]]
    (task_run,) = await flows.tasks(run)
    assert set(page.notes) <= set(task_run.notes)
    assert any("are paged instead" in line for line in await flows.timeline(incident_id))
    return page


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"enabled": False}, "the account 'other' is disabled"),
        ({}, "the account 'other' has no API key"),
    ],
)
async def test_a_task_that_names_an_account_that_cannot_page_pages_anothers_default_targets(
    flows: Flows, paging: Paging, team: dict[str, str], columns: dict[str, Any], said: str
) -> None:
    await other_account(flows.sessions, **columns)
    page = await paged(flows, paging, team, "other")
    assert any(note.startswith(said) for note in page.notes)
    await paging.reaches(page.id, "confirmed")


async def test_a_task_that_names_a_removed_account_pages_the_default_accounts_targets(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    other = await other_account(flows.sessions)
    async with flows.sessions.begin() as session:
        await service.remove_integration(session, other)
    page = await paged(flows, paging, team, "other")
    assert any(note.startswith("there is no account 'other'") for note in page.notes)


async def test_an_account_whose_key_pagertree_refuses_is_passed_over_by_tasks(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    other = await other_account(flows.sessions, api_key_encrypted=b"a key that was revoked")
    async with flows.sessions.begin() as session:
        session.add(IntegrationGate(integration_id=other, tokens=1, reason="credentials_refused"))
    page = await paged(flows, paging, team, "other")
    assert any(note.startswith("PagerTree refuses the API key") for note in page.notes)
