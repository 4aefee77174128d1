"""Cases of paging that are rare, and that tests of chaos and kills found or might have missed."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.read_back import read_back
from pagersync.database.engine import raw_connection
from pagersync.integrations import service as integrations
from pagersync.integrations.vault import open_vault
from pagersync.pagertree.client import create_http_client
from pagersync.paging.account_pages import cancel_waiting
from pagersync.paging.batches import loaded, mark_sending
from pagersync.paging.models import Operation, OperationKind, Page, marker_of
from pagersync.paging.sender import operations_queue
from pagersync.paging.service import get_page, request_operation
from pagersync.paging.store import show_lost
from pagersync.paging.turn import Turns
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.hurry import hurrying, let_leases_run_out
from tests.support.server import running_server
from tests.support.wait import eventually


async def test_a_page_is_checked_again_after_a_key_was_refused(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings
) -> None:
    idle.simulator.change(webhooks="off", queued_s=0.2)
    page_id = await idle.page()
    async with running_server(paging_settings), hurrying(engine):
        await idle.reaches(page_id, "sent")
        idle.simulator.change(key_refused=True)
        await eventually(
            lambda: asyncio.sleep(0, idle.simulator.requests()[-1]),
            lambda request: request["fault"] == "key_refused",
        )
        await asyncio.sleep(0.1)
        idle.simulator.change(key_refused=False)
        await idle.reaches(page_id, "confirmed")


async def interrupted(idle: Paging, *, looked: int = 0) -> UUID:
    """Return a page whose sender was lost while it was sending, some time ago."""
    page_id = await idle.page()
    async with idle.sessions.begin() as session:
        await session.execute(
            update(Operation)
            .where(Operation.page_id == page_id)
            .values(may_have_been_sent=True, lookups=looked, attempt=1)
        )
        await session.execute(update(Page).where(Page.id == page_id).values(status="unknown"))
    return page_id


async def test_a_page_that_may_have_been_sent_is_unknown_when_its_integration_is_removed(
    idle: Paging, paging_settings: Settings
) -> None:
    page_id = await interrupted(idle)
    async with idle.sessions.begin() as session:
        await integrations.remove_integration(session, idle.integration_id)
    async with running_server(paging_settings):
        (create,) = await eventually(
            lambda: idle.operations(page_id), lambda rows: rows[0].finished_at is not None
        )
    assert (create.state, create.may_have_been_sent) == ("unknown", True)
    assert (await idle.get(page_id)).status == "unknown"
    assert await idle.events(page_id) == ["page.unknown"]


async def arrived(idle: Paging, page_id: UUID) -> None:
    """Let PagerTree have the alert of a page after all."""
    (create,) = await idle.operations(page_id)
    team, mark = idle.simulator.directory.teams[0], marker_of(create.id)
    idle.simulator.create_alert(
        {
            "title": "Database down",
            "urgency": "high",
            "tags": [mark],
            "destination_team_ids": [team.id],
        }
    )


async def test_a_page_that_is_not_among_the_newest_thousand_alerts_is_not_sent_again(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings
) -> None:
    idle.simulator.change(thirdparty_id="dropped", webhooks="off", queued_s=3600)
    page_id = await interrupted(idle, looked=2)
    await arrived(idle, page_id)
    for _ in range(1001):
        idle.simulator.add_alert()
    async with raw_connection(engine) as connection:
        await connection.execute("UPDATE operations SET run_at = now() + interval '1 h'")
        later = await idle.page(title="A later page, which the search finds")
        async with running_server(paging_settings):
            await idle.reaches(later, "sent")
            await connection.execute("UPDATE operations SET run_at = now() WHERE state = 'queued'")
            page = await eventually(
                lambda: idle.get(page_id),
                lambda page: page.status == "sent" or page.unknown_at is not None,
            )
    (create,) = await idle.operations(page_id)
    assert len(idle.simulator.alerts(marker_of(create.id))) == 1
    assert page.status in ("sent", "unknown")


async def test_the_search_is_given_its_time_from_the_end_of_the_call(
    idle: Paging, paging_settings: Settings
) -> None:
    idle.simulator.change(hold_s=0.3, search_lag_s=0.5)
    idle.simulator.fail_next("timeout_after")
    page_id = await idle.page()
    async with running_server(paging_settings):
        await idle.reaches(page_id, "sent", "confirmed")
    (create,) = await idle.operations(page_id)
    call = (await idle.attempts(page_id))[0]
    assert create.last_sent_at is not None
    assert create.last_sent_at >= call.started_at + timedelta(milliseconds=call.duration_ms)


async def test_whoever_cancels_a_page_and_whoever_sends_it_do_not_wait_for_each_other(
    idle: Paging, engine: AsyncEngine
) -> None:
    page_id = await idle.page()
    (create,) = await idle.operations(page_id)
    async with raw_connection(engine) as canceling, raw_connection(engine) as sending:
        await sending.execute(
            "UPDATE operations SET state = 'running', lease_token = id,"
            " leased_until = now() + interval '1 min' WHERE id = $1",
            create.id,
        )
        await canceling.execute("BEGIN")
        await canceling.execute("SELECT FROM pages WHERE id = $1 FOR UPDATE", page_id)
        held = [(create.id, create.id, page_id)]
        mark = asyncio.create_task(mark_sending(sending, held, lease_s=60))
        await asyncio.sleep(0.1)
        await canceling.execute("SELECT FROM operations WHERE id = $1 FOR UPDATE NOWAIT", create.id)
        await canceling.execute("ROLLBACK")
        assert await mark == {create.id}


@pytest.mark.parametrize("table", ["pages WHERE id", "operations WHERE page_id"])
async def test_the_end_of_an_account_waits_for_no_page_that_is_on_its_way(
    idle: Paging, engine: AsyncEngine, table: str
) -> None:
    waiting, running = await idle.page(), await idle.page()
    async with raw_connection(engine) as sending, idle.sessions.begin() as session:
        await sending.execute("BEGIN")
        await sending.execute(f"SELECT FROM {table} = $1 FOR UPDATE", running)
        reason = "the account is disabled"
        assert await cancel_waiting(session, idle.integration_id, reason=reason) == [waiting]
        await sending.execute(
            "UPDATE operations SET state = 'running', lease_token = id,"
            " leased_until = now() + interval '1 min' WHERE page_id = $1",
            running,
        )
        await sending.execute("COMMIT")
    assert (await idle.get(waiting)).status == "canceled"


async def test_a_page_that_a_webhook_settles_while_it_is_announced_is_not_sent(
    idle: Paging, engine: AsyncEngine
) -> None:
    settled, other = await idle.page(), await idle.page()
    held = []
    async with raw_connection(engine) as webhook, raw_connection(engine) as sending:
        for page_id in (settled, other):
            (create,) = await idle.operations(page_id)
            held.append((create.id, create.id, page_id))
        await sending.execute(
            "UPDATE operations SET state = 'running', lease_token = id,"
            " leased_until = now() + interval '1 min'"
        )
        await webhook.execute("BEGIN")
        await webhook.execute(
            "UPDATE pages SET pagertree_alert_id = 'alt_1', status = 'confirmed' WHERE id = $1",
            settled,
        )
        mark = asyncio.create_task(mark_sending(sending, held, lease_s=60))
        await asyncio.sleep(0.1)
        assert not mark.done()  # it has read the page as it was, and waits for its lock
        await webhook.execute("COMMIT")
        assert await mark == {held[1][0]}
    assert (await idle.get(settled)).status == "confirmed"
    assert not (await idle.operations(settled))[0].may_have_been_sent


async def test_a_page_that_cannot_be_written_down_for_pagertree_was_not_sent(
    idle: Paging, paging_settings: Settings
) -> None:
    page_id = await idle.page()
    settings = paging_settings.model_copy(update={"operation_attempts_max": 1})
    async with running_server(settings):
        await idle.reaches(page_id, "sent", "confirmed")  # the account's rate limiter is there now
        page_id = await idle.page(severity="of no kind that there is")
        await idle.reaches(page_id, "failed")
    assert not (await idle.operations(page_id))[0].may_have_been_sent


async def test_showing_lost_pages_waits_for_nobody_who_holds_one(
    idle: Paging, engine: AsyncEngine
) -> None:
    held, free = await interrupted(idle), await interrupted(idle)
    async with raw_connection(engine) as holding, raw_connection(engine) as showing:
        await showing.execute("UPDATE pages SET status = 'sending'")
        await holding.execute("BEGIN")
        await holding.execute("SELECT FROM pages WHERE id = $1 FOR UPDATE", held)
        await asyncio.wait_for(show_lost(showing), 5)
        await holding.execute("ROLLBACK")
    assert (await idle.get(held)).status == "sending"
    assert (await idle.get(free)).status == "unknown"


async def test_a_worker_that_lost_an_operation_changes_nothing_when_it_goes_on(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings
) -> None:
    page_id = await interrupted(idle)
    queue = operations_queue(paging_settings, looks=True)
    async with create_http_client(timeout_s=1) as http, raw_connection(engine) as connection:
        turns = Turns(
            engine,
            queue,
            http=http,
            vault=open_vault(paging_settings),
            settings=paging_settings,
            read_back=read_back,
        )
        late = await queue.claim(connection, rows_max=1)
        await let_leases_run_out(connection, "operations")
        await queue.expire(connection)
        holder = await queue.claim(connection, rows_max=1)
        await turns.take(late.token, loaded(late.rows[0]))
    (create,) = await idle.operations(page_id)
    assert (create.state, create.lease_token, create.lookups) == ("running", holder.token, 0)
    assert [attempt.method for attempt in await idle.attempts(page_id)] == ["GET"]


async def test_what_is_asked_of_one_alert_happens_in_the_order_in_which_it_was_asked(
    idle: Paging, paging_settings: Settings
) -> None:
    page_id = await idle.page()

    async def retitle(title: str) -> None:
        async with idle.sessions.begin() as session:
            await request_operation(
                session,
                OperationKind.UPDATE_ALERT,
                integration_id=idle.integration_id,
                page=await get_page(session, page_id),
                params={"title": title},
                requested_by="a test",
            )

    async with running_server(paging_settings):
        await idle.reaches(page_id, "sent", "confirmed")
        idle.simulator.fail_next("internal_error", method="PUT")
        await retitle("first")
        await eventually(lambda: idle.attempts(page_id), lambda rows: len(rows) == 2)
        await retitle("second")
        await eventually(
            lambda: idle.operations(page_id), lambda rows: all(row.state == "done" for row in rows)
        )
    (alert,) = idle.simulator.alerts()
    assert alert["title"] == "second"
