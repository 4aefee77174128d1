from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, update

from pagersync.errors import ConflictError
from pagersync.http import AsyncClient
from pagersync.integrations import service as integrations
from pagersync.paging.models import Operation, OperationKind
from pagersync.paging.service import get_page, redrive_operation, request_operation
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.pagertree import API_KEY
from tests.support.server import running_server
from tests.support.wait import eventually


async def test_a_page_reaches_pagertree_once_and_is_confirmed_by_its_webhook(
    paging: Paging,
) -> None:
    page_id = await paging.page()
    page = await paging.reaches(page_id, "confirmed")
    (alert,) = paging.simulator.alerts()
    assert page.pagertree_id == alert["id"]
    assert page.pagertree_alert_id == alert["prefix_id"]
    assert len(paging.simulator.notifications()) == 1
    assert await paging.events(page_id) == ["page.confirmed"]
    (attempt,) = await paging.attempts(page_id)
    assert (attempt.method, attempt.path, attempt.number) == ("POST", "/alerts", 1)


async def test_a_lost_answer_is_looked_for_and_not_sent_again(paging: Paging) -> None:
    paging.simulator.change(webhooks="off")
    paging.simulator.fail_next("lost_response")
    page_id = await paging.page()
    await paging.reaches(page_id, "confirmed")
    assert len(paging.simulator.alerts()) == 1
    methods = [attempt.method for attempt in await paging.attempts(page_id)]
    assert methods[0] == "POST"
    assert set(methods[1:]) == {"GET"}


async def test_a_page_that_did_not_arrive_is_sent_again_once_the_search_can_be_trusted(
    paging: Paging,
) -> None:
    await paging.reaches(await paging.page(), "confirmed")
    paging.simulator.fail_next("internal_error")
    page_id = await paging.page()
    await paging.reaches(page_id, "confirmed")
    assert len(paging.simulator.alerts()) == 2


async def test_operations_about_one_alert_are_worked_in_their_order(paging: Paging) -> None:
    paging.simulator.change(queued_s=0.1)
    page_id = await paging.page()
    for kind in (
        OperationKind.UPDATE_ALERT,
        OperationKind.ADD_COMMENT,
        OperationKind.RESOLVE_ALERT,
    ):
        await ask(paging, page_id, kind)
    await paging.reaches(page_id, "resolved")
    asked = [
        (seen["method"], seen["path"].rpartition("/")[2])
        for seen in paging.simulator.requests()
        if seen["method"] != "GET" and seen["status"] in (200, 201)
    ]
    alert_id = (await paging.get(page_id)).pagertree_id
    assert asked == [
        ("POST", "alerts"),
        ("PUT", alert_id),
        ("POST", "comments"),
        ("POST", "resolve"),
    ]


async def test_what_was_asked_about_a_page_that_never_arrived_is_canceled(paging: Paging) -> None:
    gone = {"kind": "team", "pagertree_id": "01GONE", "prefix_id": None, "name": "Gone"}
    page_id = await paging.page(targets=[gone])
    await ask(paging, page_id, OperationKind.RESOLVE_ALERT)

    async def states() -> list[str]:
        return [operation.state for operation in await paging.operations(page_id)]

    await eventually(states, lambda found: found == ["failed", "canceled"])


async def test_a_page_that_is_too_old_is_not_sent_and_says_so(
    idle: Paging, paging_settings: Settings
) -> None:
    page_id = await idle.page(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    async with running_server(paging_settings):
        await idle.reaches(page_id, "expired")
    assert idle.simulator.alerts() == []
    assert await idle.events(page_id) == ["page.expired"]


async def test_a_refused_key_is_shown_and_burns_no_attempt_until_a_new_one_is_there(
    paging: Paging, service_api: AsyncClient
) -> None:
    paging.simulator.change(key_refused=True)
    page_id = await paging.page()
    url = f"/v1/integrations/{paging.integration_id}"

    async def state() -> str:
        shown = (await service_api.get(url)).json()["data"]["attributes"]
        return str(shown["api"]["state"])

    await eventually(state, lambda found: found == "credentials_refused")

    async def waits() -> bool:
        (operation,) = await paging.operations(page_id)
        return (operation.state, operation.attempt) == ("queued", 0)

    await eventually(waits)
    paging.simulator.change(key_refused=False)
    key = {"data": {"type": "integrations", "attributes": {"api_key": API_KEY}}}
    assert (await service_api.patch(url, json=key)).status_code == 200
    await paging.reaches(page_id, "confirmed")
    assert await state() == "ok"
    assert len(paging.simulator.alerts()) == 1


async def test_a_page_for_a_disabled_account_ends_at_once_with_the_reason(paging: Paging) -> None:
    await set_enabled(paging, enabled=False)
    page_id = await paging.page()
    await paging.reaches(page_id, "canceled")
    (operation,) = await paging.operations(page_id)
    assert operation.last_error == "the account 'acme' is disabled"
    assert await paging.events(page_id) == ["page.canceled"]
    assert paging.simulator.alerts() == []


async def test_what_is_asked_of_an_alert_waits_until_its_account_is_enabled(paging: Paging) -> None:
    page_id = await paging.page()
    await paging.reaches(page_id, "confirmed")
    await set_enabled(paging, enabled=False)
    await ask(paging, page_id, OperationKind.RESOLVE_ALERT)
    await set_enabled(paging, enabled=True)
    await paging.reaches(page_id, "resolved")


async def test_an_account_without_an_api_key_keeps_its_pages_until_it_has_one(
    idle: Paging, paging_settings: Settings
) -> None:
    async def set_key(key: bytes | None) -> None:
        async with idle.sessions.begin() as session:
            account = await integrations.get_integration(session, idle.integration_id)
            before.append(account.api_key_encrypted)
            account.api_key_encrypted = key

    before: list[bytes | None] = []
    await set_key(None)
    page_id = await idle.page()
    async with running_server(paging_settings):

        async def reason() -> str:
            (operation,) = await idle.operations(page_id)
            return f"{operation.state} {operation.attempt} {operation.last_error}"

        expected = "queued 0 the account 'acme' has no API key: enter one"
        await eventually(reason, lambda text: text == expected)
        await set_key(before[0])
        async with idle.sessions.begin() as session:
            await session.execute(update(Operation).values(run_at=func.now()))
        await idle.reaches(page_id, "confirmed")


async def test_what_waits_for_a_removed_account_is_canceled(
    idle: Paging, paging_settings: Settings
) -> None:
    page_id = await idle.page()
    async with idle.sessions.begin() as session:
        await integrations.remove_integration(session, idle.integration_id)
    async with running_server(paging_settings):
        await idle.reaches(page_id, "canceled")
    assert idle.simulator.alerts() == []


async def test_an_unknown_page_is_sent_when_a_person_vouches_that_it_is_not_there(
    paging: Paging,
) -> None:
    paging.simulator.fail_next("internal_error")
    page_id = await paging.page()

    async def announced() -> bool:
        return "page.unknown" in await paging.events(page_id)

    await eventually(announced)
    assert paging.simulator.alerts() == []
    assert (await paging.get(page_id)).status == "unknown"
    (operation,) = await paging.operations(page_id)

    async def redriven() -> bool:
        try:
            async with paging.sessions.begin() as session:
                await redrive_operation(session, operation.id, is_absent=True)
        except ConflictError:  # it is being looked for at this very moment
            return False
        return True

    await eventually(redriven)
    await paging.reaches(page_id, "confirmed")
    assert len(paging.simulator.alerts()) == 1


async def ask(paging: Paging, page_id: UUID, kind: OperationKind) -> None:
    """Ask for an operation on a page's alert."""
    params = {"update_alert": {"description": "more"}, "add_comment": {"body": "looking"}}
    async with paging.sessions.begin() as session:
        await request_operation(
            session,
            kind,
            integration_id=paging.integration_id,
            requested_by="a test",
            page=await get_page(session, page_id),
            params=params.get(kind.value),
        )


async def set_enabled(paging: Paging, *, enabled: bool) -> None:
    async with paging.sessions.begin() as session:
        await integrations.change_integration(session, paging.integration_id, enabled=enabled)


async def test_a_page_goes_out_although_the_demand_for_an_urgency_was_cut_off(
    idle: Paging, paging_settings: Settings
) -> None:
    idle.simulator.change(omitted_urgency="refused")
    idle.simulator.fail_next("truncated")
    page_id = await idle.page(urgency="auto")
    async with running_server(paging_settings):
        await idle.reaches(page_id, "sent", "confirmed")
    assert len(idle.simulator.alerts()) == 1
