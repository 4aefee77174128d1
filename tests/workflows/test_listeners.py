"""Workflows as events meet them."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select, update

from pagersync.database.engine import Sessions
from pagersync.database.session import driver_connection
from pagersync.http import AsyncClient
from pagersync.workflows import listeners
from pagersync.workflows.conditions import Conditions, conditions_of
from pagersync.workflows.models import Workflow
from tests.workflows.test_routes import saved

BROKEN = "One that cannot be read"


async def test_each_version_of_a_workflow_is_read_once_also_one_that_cannot_be_read(
    api: AsyncClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await saved(api, name="One that can be read")
    await saved(api, name=BROKEN)
    broken = update(Workflow).where(Workflow.name == BROKEN)
    params: dict[str, Any] = {"trigger_type": "incident", "incident_condition": "SOME"}
    async with sessions.begin() as session:
        await session.execute(broken.values(trigger_params=params))
    read: list[Mapping[str, Any]] = []

    def counted(trigger_params: Mapping[str, Any]) -> Conditions:
        read.append(trigger_params)
        return conditions_of(trigger_params)

    monkeypatch.setattr(listeners, "conditions_of", counted)
    reader = listeners.Listeners()
    async with sessions.begin() as session:
        (readable,) = await session.scalars(select(Workflow.id).where(Workflow.name != BROKEN))
        connection = await driver_connection(session)
        for _ in range(3):
            loaded = await reader.load(connection)
            assert {each.id for each in loaded if not each.problem} == {readable}
            assert len(loaded) == 2  # one that cannot be read is known to listen
        assert len(read) == 2
        mended = {"trigger_type": "incident"}
        await session.execute(broken.values(trigger_params=mended, version=Workflow.version + 1))
        assert len(await reader.load(connection)) == 2
    assert len(read) == 3
