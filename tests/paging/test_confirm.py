from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from pagersync.alerts.models import Alert
from pagersync.paging.models import Page, marker_of
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.server import running_server
from tests.support.wait import eventually


def target(paging: Paging, name: str) -> dict[str, Any]:
    (team,) = [team for team in paging.simulator.directory.teams if team.name == name]
    return {"kind": "team", "pagertree_id": team.id, "prefix_id": None, "name": name}


async def due_now(paging: Paging, page_id: UUID) -> None:
    """Let PagerTree be asked at once how a page stands."""
    async with paging.sessions.begin() as session:
        await session.execute(
            update(Page)
            .where(Page.id == page_id, Page.check_at.is_not(None))
            .values(check_at=text("now()"))
        )


async def test_without_webhooks_a_page_is_confirmed_by_asking(paging: Paging) -> None:
    paging.simulator.change(webhooks="off")
    page_id = await paging.page()
    await paging.reaches(page_id, "sent", "confirmed")
    await due_now(paging, page_id)
    page = await paging.reaches(page_id, "confirmed")
    assert page.alert_id is not None
    assert await paging.events(page_id) == ["page.confirmed"]


async def test_an_acknowledgement_and_a_resolve_without_webhooks_are_seen_too(
    paging: Paging,
) -> None:
    paging.simulator.change(webhooks="off", acknowledge_after_s=0.05, resolve_after_s=0.2)
    page_id = await paging.page()

    async def status() -> str:
        await due_now(paging, page_id)
        return (await paging.get(page_id)).status

    await eventually(status, lambda found: found == "resolved")
    page = await paging.get(page_id)
    assert page.acknowledged_at is not None
    assert page.check_at is None


async def test_who_acknowledged_is_known_from_the_webhook(paging: Paging) -> None:
    paging.simulator.change(acknowledge_after_s=0.05)
    page_id = await paging.page()
    page = await paging.reaches(page_id, "acknowledged")
    assert page.acknowledged_by
    assert await paging.events(page_id) == ["page.confirmed", "page.acknowledged"]


async def test_a_page_that_nobody_is_on_call_for_is_dropped(paging: Paging) -> None:
    page_id = await paging.page(targets=[target(paging, "Night Watch")])
    page = await paging.reaches(page_id, "dropped")
    assert page.confirmed_at is None
    assert await paging.events(page_id) == ["page.dropped"]


async def test_a_page_that_stays_queued_is_stuck_and_can_still_be_confirmed(
    idle: Paging, paging_settings: Settings
) -> None:
    idle.simulator.change(queued_s=3600)
    hasty = paging_settings.model_copy(update={"page_stuck_s": 0.1})
    async with running_server(hasty):
        page_id = await idle.page()
        await idle.reaches(page_id, "sent")

        async def status() -> str:
            await due_now(idle, page_id)
            return (await idle.get(page_id)).status

        await eventually(status, lambda found: found == "stuck")
        (alert,) = idle.simulator.alerts()
        idle.simulator.act(alert["id"], "open")
        await eventually(status, lambda found: found == "confirmed")
    assert await idle.events(page_id) == ["page.stuck", "page.confirmed"]


async def test_a_webhook_that_overtakes_the_answer_links_the_page(paging: Paging) -> None:
    paging.simulator.change(slow_s=0.6)
    paging.simulator.fail_next("slow")
    page_id = await paging.page()
    page = await paging.reaches(page_id, "confirmed")
    assert page.pagertree_id is None  # the answer, which tells it, is still on its way
    (operation,) = await paging.operations(page_id)
    assert operation.state == "running"

    async def done() -> bool:
        (operation,) = await paging.operations(page_id)
        return operation.state == "done"

    await eventually(done)
    assert (await paging.get(page_id)).pagertree_id is not None
    assert len(paging.simulator.alerts()) == 1
    async with paging.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Alert)) == 1


async def test_a_webhook_settles_a_page_that_was_unknown(paging: Paging) -> None:
    paging.simulator.change(search="never", webhooks="off")
    paging.simulator.fail_next("lost_response")
    page_id = await paging.page()
    await paging.reaches(page_id, "unknown")
    (alert,) = paging.simulator.alerts()
    paging.simulator.change(webhooks="on")
    paging.simulator.act(alert["id"], "acknowledge")
    await paging.reaches(page_id, "acknowledged")
    assert len(paging.simulator.alerts()) == 1


async def test_the_mark_is_found_in_the_tags_where_the_thirdparty_id_is_dropped(
    paging: Paging,
) -> None:
    paging.simulator.change(thirdparty_id="dropped")
    paging.simulator.fail_next("lost_response")
    page_id = await paging.page()
    await paging.reaches(page_id, "confirmed")
    assert len(paging.simulator.alerts()) == 1


async def test_a_second_alert_with_a_mark_that_is_taken_is_an_alert_of_its_own(
    paging: Paging,
) -> None:
    page_id = await paging.page()
    page = await paging.reaches(page_id, "confirmed")
    (operation,) = await paging.operations(page_id)
    other = paging.simulator.add_alert(title="copied", tags=[marker_of(operation.id)])

    async def external_ids() -> set[str]:
        async with paging.sessions() as session:
            return set(await session.scalars(select(Alert.external_id)))

    both = {page.pagertree_alert_id, other["prefix_id"]}
    await eventually(external_ids, lambda found: found == both)
    assert (await paging.get(page_id)).pagertree_alert_id == page.pagertree_alert_id


@pytest.mark.parametrize("demands", ["refused", "defaulted"])
async def test_auto_urgency_is_left_out_and_named_only_where_pagertree_wants_it(
    paging: Paging, demands: str
) -> None:
    paging.simulator.change(omitted_urgency=demands)
    for _ in range(2):
        page_id = await paging.page(urgency="auto", severity="critical")
        await paging.reaches(page_id, "confirmed")
    first, second = paging.simulator.alerts()
    expected = "critical" if demands == "refused" else first["urgency"]
    assert first["urgency"] == second["urgency"] == expected
    posts = [seen for seen in paging.simulator.requests() if seen["method"] == "POST"]
    assert len(posts) == (3 if demands == "refused" else 2)
