from tests.paging.conftest import Paging


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
