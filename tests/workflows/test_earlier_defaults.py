"""Accounts that an earlier version connected: what their default workflows lack is found."""

import shlex
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from pagersync.database.engine import Sessions
from pagersync.findings import Finding
from pagersync.http import AsyncClient
from pagersync.integrations.service import get_integration
from pagersync.settings import Settings
from pagersync.workflows.defaults import RESTART, default_key
from pagersync.workflows.earlier_defaults import add_lacking
from pagersync.workflows.findings import find_workflow_problems
from pagersync.workflows.models import Workflow, WorkflowTask
from tests.support.pagertree import SimulatedPagerTree
from tests.workflows.test_defaults import connect

WHOM = {"teams": [{"name": "Platform"}]}
OLD_TASK = {"task_type": "create_pagertree_alert", "title": "{{ incident.title }}"}


class Account:
    """A connected account, as an earlier version left it."""

    def __init__(self, sessions: Sessions, settings: Settings, id_: UUID) -> None:
        self.sessions, self.settings, self.id = sessions, settings, id_

    async def find(self) -> list[Finding]:
        async with self.sessions() as session:
            found = await find_workflow_problems(session, self.settings)
            return [each for each in found if each.code == "default_workflows_outdated"]

    async def update(self) -> list[str]:
        async with self.sessions.begin() as session:
            account = await get_integration(session, self.id)
            return await add_lacking(session, account, "a test")

    async def set_task(self, params: dict[str, Any]) -> None:
        own = select(Workflow.id).where(Workflow.default_key == default_key(self.id, "create"))
        async with self.sessions.begin() as session:
            tasks = update(WorkflowTask).where(WorkflowTask.workflow_id.in_(own))
            await session.execute(tasks.values(task_params=params))

    async def forget_restart(self) -> None:
        own = Workflow.default_key == default_key(self.id, RESTART)
        async with self.sessions.begin() as session:
            ids = select(Workflow.id).where(own)
            await session.execute(delete(WorkflowTask).where(WorkflowTask.workflow_id.in_(ids)))
            await session.execute(delete(Workflow).where(own))

    async def restarts(self) -> list[bool]:
        async with self.sessions() as session:
            own = Workflow.default_key == default_key(self.id, RESTART)
            return list(await session.scalars(select(Workflow.enabled).where(own)))


@pytest.fixture
async def account(
    api: AsyncClient, pagertree: SimulatedPagerTree, sessions: Sessions, settings: Settings
) -> Account:
    answer = await connect(api, pagertree, name="acme west", default_targets=WHOM)
    return Account(sessions, settings, UUID(answer["id"]))


async def test_a_new_account_lacks_nothing(account: Account) -> None:
    assert await account.find() == []
    assert await account.update() == []


async def test_what_an_earlier_version_left_is_found_with_the_command_that_mends_it(
    account: Account,
) -> None:
    await account.set_task(OLD_TASK)
    await account.forget_restart()
    (finding,) = await account.find()
    assert "pages people again" in finding.detail
    assert "restart" in finding.detail
    command = ["pagersync", "workflows", "update-defaults", "acme west"]
    assert shlex.split(finding.remedy) == command


async def test_what_is_lacking_is_added_and_the_new_workflow_is_off(account: Account) -> None:
    await account.set_task(OLD_TASK)
    await account.forget_restart()
    assert len(await account.update()) == 2
    assert await account.find() == []
    assert await account.restarts() == [False]
    async with account.sessions() as session:
        own = (
            select(WorkflowTask.task_params)
            .join(Workflow)
            .where(Workflow.default_key == default_key(account.id, "create"))
        )
        assert await session.scalar(own) == OLD_TASK | {"skip_if_alert_pages": True}


@pytest.mark.parametrize("skips", [True, False])
async def test_what_a_person_decided_about_pages_beside_alerts_stays(
    account: Account,
    skips: bool,  # noqa: FBT001 - parametrized
) -> None:
    await account.set_task(OLD_TASK | {"skip_if_alert_pages": skips})
    assert await account.find() == []
    assert await account.update() == []


async def test_a_workflow_that_a_person_removed_is_not_made_again(
    account: Account, api: AsyncClient
) -> None:
    rows = (await api.get("/v1/workflows")).json()["data"]
    (restart,) = [row for row in rows if "restarted" in row["attributes"]["name"]]
    assert (await api.delete(f"/v1/workflows/{restart['id']}")).status_code == 200
    assert await account.find() == []


async def test_an_account_without_default_workflows_is_left_alone(
    api: AsyncClient, pagertree: SimulatedPagerTree, sessions: Sessions, settings: Settings
) -> None:
    answer = await connect(api, pagertree, default_workflows=False)
    account = Account(sessions, settings, UUID(answer["id"]))
    assert await account.find() == []
    assert await account.update() == []
