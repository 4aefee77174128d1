"""Pages that stay unknown: somebody is paged again, once, and told that it may be a repeat."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.http import AsyncClient
from pagersync.incidents.models import Incident
from pagersync.paging.models import Operation, Page, marker_of
from pagersync.paging.repeats import RepeatChecker
from pagersync.paging.repeats_texts import PREFIX
from pagersync.paging.requests import TITLE_CHARACTERS_MAX
from pagersync.settings import Settings
from pagersync.workflows.models import WorkflowTaskRun
from tests.paging.conftest import Paging
from tests.paging.repeating import (
    ELSEWHERE_S,
    changed,
    incident,
    other_account,
    repeats,
    timeline,
    unknown,
)
from tests.support.server import running_server
from tests.support.wait import eventually


async def test_an_account_keeps_looking_by_default(idle: Paging, checker: RepeatChecker) -> None:
    await unknown(idle, for_s=100_000)
    assert await checker.check_due() == 0


async def test_a_page_that_stays_unknown_is_sent_again_once_and_says_so_everywhere(
    idle: Paging, checker: RepeatChecker
) -> None:
    await changed(idle, when_unknown="page_again", page_again_after_s=60)
    declared = await incident(idle)
    page_id = await unknown(idle, for_s=61, incident_id=declared.id, description="No disk left")
    task_id = new_id()
    async with idle.sessions.begin() as session:
        session.add(
            WorkflowTaskRun(
                id=task_id,
                integration_id=idle.integration_id,
                run_id=new_id(),
                task_id=new_id(),
                position=1,
                name="Page",
                skip_on_failure=False,
                task_params={},
                page_id=page_id,
            )
        )
    made = await asyncio.gather(*(checker.check_due() for _ in range(3)))
    assert (sum(made), await checker.check_due()) == (1, 0)

    (repeat,) = await repeats(idle, page_id)
    first = await idle.get(page_id)
    assert repeat.title == f"{PREFIX}Database down"
    assert str(page_id) in (repeat.description or "")
    assert "No disk left" in (repeat.description or "")
    assert (repeat.targets, repeat.urgency) == (first.targets, first.urgency)
    assert (repeat.incident_id, repeat.is_elsewhere) == (declared.id, False)
    (create,) = await idle.operations(repeat.id)
    assert (create.kind, create.state, create.may_have_been_sent) == (
        "create_alert",
        "queued",
        False,
    )
    assert "perhaps again" in first.notes[0]
    assert str(page_id) in repeat.notes[0]
    assert any("perhaps again" in entry for entry in await timeline(idle, declared.id))
    async with idle.sessions() as session:
        task = (
            await session.scalars(select(WorkflowTaskRun).where(WorkflowTaskRun.id == task_id))
        ).one()
    assert "perhaps again" in task.notes[0]


@pytest.mark.parametrize(
    ("page", "operation"),
    [
        ({"resolve_wanted_by": "a test"}, {}),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, {}),
        ({"repeat_of": new_id()}, {}),
        ({"status": "sending"}, {}),
        ({}, {"may_have_been_sent": False}),
        ({}, {"last_sent_at": datetime.now(UTC) + timedelta(days=1)}),
    ],
)
async def test_nothing_is_repeated_that_nobody_wants_or_that_is_not_in_doubt_for_long(
    idle: Paging,
    settings: Settings,
    checker: RepeatChecker,
    page: dict[str, Any],
    operation: dict[str, Any],
) -> None:
    await changed(idle, when_unknown="page_again", page_again_after_s=60)
    await other_account(idle, settings, "other")
    page_id = await unknown(idle, for_s=1000)
    async with idle.sessions.begin() as session:
        if page:
            await session.execute(update(Page).where(Page.id == page_id).values(**page))
        if operation:
            of_page = update(Operation).where(Operation.page_id == page_id)
            await session.execute(of_page.values(**operation))
    assert await checker.check_due() == 0


@pytest.mark.parametrize("status", ["resolved", "closed", "cancelled"])
async def test_nobody_is_paged_again_for_an_incident_that_is_over(
    idle: Paging, settings: Settings, checker: RepeatChecker, status: str
) -> None:
    await changed(idle, when_unknown="page_again", page_again_after_s=60)
    await other_account(idle, settings, "other")
    declared = await incident(idle)
    await unknown(idle, for_s=1000, incident_id=declared.id)
    async with idle.sessions.begin() as session:
        of_incident = update(Incident).where(Incident.id == declared.id)
        await session.execute(of_incident.values(status=status))
    assert await checker.check_due() == 0


async def test_a_page_that_is_unknown_for_long_goes_to_the_default_targets_of_another_account(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    await other_account(idle, settings, "off", enabled=False)
    await other_account(idle, settings, "nobody", default_targets={})
    await other_account(idle, settings, "second")
    chosen = await other_account(idle, settings, "chosen")
    await changed(idle, is_default=False)
    await changed(idle, chosen, is_default=True)
    page_id = await unknown(idle, for_s=ELSEWHERE_S + 1)
    assert [await checker.check_due() for _ in range(2)] == [1, 0]
    (repeat,) = await repeats(idle, page_id)
    assert (repeat.integration_id, repeat.is_elsewhere) == (chosen, True)
    assert [target["name"] for target in repeat.targets] == [idle.simulator.directory.teams[1].name]
    assert "chosen" in repeat.notes[0]


async def test_without_a_default_account_that_could_the_oldest_other_account_pages(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    second = await other_account(idle, settings, "second")
    await other_account(idle, settings, "third")
    page_id = await unknown(idle, for_s=ELSEWHERE_S + 1)
    await checker.check_due()
    assert [page.integration_id for page in await repeats(idle, page_id)] == [second]


async def test_elsewhere_is_not_paged_too_early_nor_where_it_is_switched_off(
    idle: Paging, engine: AsyncEngine, settings: Settings, checker: RepeatChecker
) -> None:
    await other_account(idle, settings, "other")
    await unknown(idle, for_s=ELSEWHERE_S - 10)
    assert await checker.check_due() == 0
    await unknown(idle, for_s=100_000)
    never = RepeatChecker(engine, settings.model_copy(update={"unknown_elsewhere_s": 0}))
    assert await never.check_due() == 0


async def test_a_page_can_go_out_again_and_elsewhere_once_each(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    await changed(idle, when_unknown="page_again", page_again_after_s=60)
    await other_account(idle, settings, "other")
    page_id = await unknown(idle, for_s=ELSEWHERE_S + 1, title="x" * TITLE_CHARACTERS_MAX)
    assert [await checker.check_due() for _ in range(2)] == [2, 0]
    found = await repeats(idle, page_id)
    assert sorted(page.is_elsewhere for page in found) == [False, True]
    assert all(page.title.startswith(PREFIX) for page in found)
    assert all(len(page.title) == TITLE_CHARACTERS_MAX for page in found)


async def test_when_the_first_page_turns_up_after_all_both_are_known_and_it_is_told(
    idle: Paging, paging_settings: Settings
) -> None:
    await changed(idle, when_unknown="page_again", page_again_after_s=0)
    idle.simulator.change(search="never", webhooks="off")
    idle.simulator.fail_next("lost_response")
    declared = await incident(idle)
    page_id = await idle.page(incident_id=declared.id)
    async with running_server(paging_settings) as url:
        (repeat,) = await eventually(lambda: repeats(idle, page_id), timeout_s=15)
        await idle.reaches(repeat.id, "sent", "confirmed")
        assert (await idle.get(page_id)).status == "unknown"
        idle.simulator.change(
            search="works",
            webhooks="on",
            webhook_url=f"{url}/webhooks/pagertree/{idle.integration_id}",
            webhook_secret=idle.webhook_secret,
        )
        (create,) = await idle.operations(page_id)
        (alert,) = idle.simulator.alerts(marker_of(create.id))
        idle.simulator.act(alert["id"], "acknowledge")
        first = await idle.reaches(page_id, "acknowledged")
        idle.simulator.change(webhooks="off")
    assert len(idle.simulator.alerts()) == 2
    assert "after all" in first.notes[-1]
    assert any("after all" in entry for entry in await timeline(idle, declared.id))


async def test_what_to_do_about_unknown_pages_is_set_over_the_api(
    directory: Paging, service_api: AsyncClient
) -> None:
    path = f"/v1/integrations/{directory.integration_id}"
    before = (await service_api.get(path)).json()["data"]["attributes"]
    assert (before["when_unknown"], before["page_again_after_s"]) == ("keep_looking", 120)

    async def change(**attributes: Any) -> Any:
        body = {"data": {"type": "integrations", "attributes": attributes}}
        return await service_api.patch(path, json=body)

    answer = await change(when_unknown="page_again", page_again_after_s=30)
    after = answer.json()["data"]["attributes"]
    assert (after["when_unknown"], after["page_again_after_s"]) == ("page_again", 30)
    for wrong in ({"when_unknown": "give_up"}, {"page_again_after_s": 9}, {"when_unknown": None}):
        assert (await change(**wrong)).status_code == 422


async def test_pages_for_which_nothing_can_be_done_hold_no_other_back(
    idle: Paging, checker: RepeatChecker, settings: Settings
) -> None:
    await other_account(idle, settings, "pages nobody by default", default_targets={})
    await other_account(
        idle, settings, "pages who is gone", default_targets={"teams": [{"id": "tem_gone"}]}
    )
    for _ in range(21):
        await unknown(idle, for_s=ELSEWHERE_S + 1)
    assert await checker.check_due() == 0
    await changed(idle, when_unknown="page_again", page_again_after_s=400)
    page_id = await unknown(idle, for_s=401)
    assert await checker.check_due() == 1
    assert len(await repeats(idle, page_id)) == 1
