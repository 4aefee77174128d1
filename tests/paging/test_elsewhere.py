"""An account that cannot page any more: the default targets of another one are paged, once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.events.models import DomainEvent
from pagersync.integrations.gate import IntegrationGate
from pagersync.paging.models import Operation, Page
from pagersync.paging.repeats import EVENT, RepeatChecker
from pagersync.paging.service import cancel_operation
from pagersync.settings import Settings
from pagersync.unpaged.sweep import sweep
from pagersync.workflows.accounts import disable_account, remove_account
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


async def shut(paging: Paging, reason: str, *, for_s: float) -> None:
    """Let the rate limiter of the account be shut since so long."""
    now = datetime.now(UTC)
    columns = {
        "reason": reason,
        "failing_since": now - timedelta(seconds=for_s),
        "open_until": now + timedelta(seconds=60),
        "last_error": "PagerTree answered 503",
    }
    new = insert(IntegrationGate).values(
        integration_id=paging.integration_id, tokens=1.0, **columns
    )
    async with paging.sessions.begin() as session:
        await session.execute(
            new.on_conflict_do_update(index_elements=["integration_id"], set_=columns)
        )


async def waiting(paging: Paging, *, for_s: float, **fields: Any) -> UUID:
    """Return a page that has waited to be sent for so long."""
    page_id = await paging.page(**fields)
    created_at = datetime.now(UTC) - timedelta(seconds=for_s)
    async with paging.sessions.begin() as session:
        await session.execute(update(Page).where(Page.id == page_id).values(created_at=created_at))
    return page_id


async def test_a_page_that_waits_for_a_refused_key_goes_to_another_account_and_says_why(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    other = await other_account(idle, settings, "other")
    await shut(idle, "credentials_refused", for_s=ELSEWHERE_S + 5)
    declared = await incident(idle)
    page_id = await waiting(idle, for_s=ELSEWHERE_S + 1, incident_id=declared.id)

    assert [await checker.check_due() for _ in range(2)] == [1, 0]
    (new,) = await repeats(idle, page_id)
    first = await idle.get(page_id)
    why = "PagerTree refuses the API key of the account 'acme'"
    assert (new.integration_id, new.is_elsewhere, first.status) == (other, True, "queued")
    assert new.title == "(acme cannot page) Database down"
    assert why in (new.description or "")
    assert why in new.notes[-1]
    assert "was paged for it" in first.notes[-1]
    assert any(why in entry for entry in await timeline(idle, declared.id))
    async with idle.sessions() as session:
        event = (await session.scalars(select(DomainEvent).where(DomainEvent.type == EVENT))).one()
    assert (event.subject_id, event.data["page_id"]) == (page_id, str(new.id))


@pytest.mark.parametrize(
    ("page_s", "gate_s"), [(ELSEWHERE_S - 10, ELSEWHERE_S + 10), (ELSEWHERE_S + 10, 100)]
)
async def test_another_account_is_given_the_time_of_the_setting(
    idle: Paging, settings: Settings, checker: RepeatChecker, page_s: float, gate_s: float
) -> None:
    await other_account(idle, settings, "other")
    await shut(idle, "credentials_refused", for_s=gate_s)
    await waiting(idle, for_s=page_s)
    assert await checker.check_due() == 0


async def test_a_page_of_an_account_without_an_api_key_goes_to_another_account(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    await other_account(idle, settings, "other")
    await changed(idle, api_key_encrypted=None)
    page_id = await waiting(idle, for_s=ELSEWHERE_S + 1)
    assert await checker.check_due() == 1
    (new,) = await repeats(idle, page_id)
    assert "has no API key" in new.notes[-1]


async def test_a_pagertree_that_fails_for_all_accounts_is_not_given_the_page_twice(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    other = await other_account(idle, settings, "other")
    await changed(idle, other, directory_synced_at=datetime.now(UTC) - timedelta(seconds=900))
    await shut(idle, "failing", for_s=ELSEWHERE_S + 5)
    await waiting(idle, for_s=ELSEWHERE_S + 1)
    assert await checker.check_due() == 0
    await changed(idle, other, directory_synced_at=datetime.now(UTC))  # it answers the other one
    assert await checker.check_due() == 1


@pytest.mark.parametrize("reason", ["refused", "disabled"])
async def test_an_account_that_cannot_page_either_is_passed_over(
    idle: Paging, settings: Settings, checker: RepeatChecker, reason: str
) -> None:
    other = await other_account(idle, settings, "other")
    if reason == "refused":
        await shut(Paging(idle.pagertree, idle.sessions, other, ""), "credentials_refused", for_s=1)
    else:
        await changed(idle, other, enabled=False)
    await shut(idle, "credentials_refused", for_s=ELSEWHERE_S + 5)
    await waiting(idle, for_s=ELSEWHERE_S + 1)
    assert await checker.check_due() == 0


async def test_a_default_target_whose_id_is_gone_is_paged_by_its_name_elsewhere_too(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    team = idle.simulator.directory.teams[1]
    gone = {"teams": [{"id": "0195ac71-0000-7000-8000-000000000000", "name": team.name}]}
    await other_account(idle, settings, "other", default_targets=gone)
    await changed(idle, api_key_encrypted=None)
    page_id = await waiting(idle, for_s=ELSEWHERE_S + 1)
    assert await checker.check_due() == 1
    (new,) = await repeats(idle, page_id)
    assert [target["pagertree_id"] for target in new.targets] == [team.id]


@pytest.mark.parametrize("end", [disable_account, remove_account])
async def test_a_page_whose_account_ends_goes_to_another_account_at_once(
    idle: Paging, settings: Settings, checker: RepeatChecker, end: Any
) -> None:
    other = await other_account(idle, settings, "other")
    page_id = await idle.page()
    async with idle.sessions.begin() as session:
        await end(session, idle.integration_id)
    assert (await idle.get(page_id)).status == "canceled"
    assert [await checker.check_due() for _ in range(2)] == [1, 0]
    (new,) = await repeats(idle, page_id)
    assert new.integration_id == other
    assert "the account 'acme' " in new.notes[-1]


async def test_an_unknown_page_whose_account_ends_goes_to_another_account_at_once(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    await other_account(idle, settings, "other")
    await unknown(idle, for_s=1)
    assert await checker.check_due() == 0
    async with idle.sessions.begin() as session:
        await disable_account(session, idle.integration_id)
    assert await checker.check_due() == 1


async def test_a_page_that_is_for_later_is_for_later_at_the_other_account_too(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    await other_account(idle, settings, "other")
    later = datetime.now(UTC) + timedelta(hours=3)
    page_id = await idle.page(send_at=later)
    async with idle.sessions.begin() as session:
        await disable_account(session, idle.integration_id)
    await checker.check_due()
    (new,) = await repeats(idle, page_id)
    (create,) = await idle.operations(new.id)
    assert (new.send_at, create.run_at) == (later, later)


async def refuse(paging: Paging, page_id: UUID) -> None:
    """Let PagerTree have refused a page."""
    ended = {"finished_at": datetime.now(UTC), "last_error": "PagerTree refused it: no such team"}
    async with paging.sessions.begin() as session:
        of_page = update(Operation).where(Operation.page_id == page_id)
        await session.execute(of_page.values(state="running"))
        await session.execute(of_page.values(state="failed", **ended))
        await session.execute(update(Page).where(Page.id == page_id).values(status="failed"))


async def test_a_page_that_failed_goes_to_another_account_and_names_the_error(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    await other_account(idle, settings, "other")
    page_id = await idle.page()
    await refuse(idle, page_id)
    assert await checker.check_due() == 1
    (new,) = await repeats(idle, page_id)
    assert "no such team" in new.notes[-1]


async def test_a_page_that_fails_at_the_other_account_too_goes_to_a_third_and_then_it_is_told(
    idle: Paging, settings: Settings, checker: RepeatChecker, engine: AsyncEngine
) -> None:
    accounts = [await other_account(idle, settings, name) for name in ("second", "third")]
    declared = await incident(idle)
    page_id = await idle.page(incident_id=declared.id)
    for account in accounts:
        await refuse(idle, page_id)
        assert [await checker.check_due() for _ in range(2)] == [1, 0]
        (new,) = await repeats(idle, page_id)
        assert (new.integration_id, new.incident_id) == (account, declared.id)
        page_id = new.id
    title = (await idle.get(page_id)).title
    assert title == "(second cannot page) (acme cannot page) Database down"
    await refuse(idle, page_id)
    assert await checker.check_due() == 0, "every account was tried, each once"
    async with raw_connection(engine) as connection:
        await connection.execute("SELECT pg_sleep(0.002)")  # ids have milliseconds
        ((found, problem),) = (await sweep(connection, after_s=0)).found
    assert (found.id, problem.reason) == (declared.id, "page_failed")
    assert any("Nobody was paged" in entry for entry in await timeline(idle, declared.id))


@pytest.mark.parametrize("status", ["confirmed", "canceled", "resolve_wanted"])
async def test_no_third_account_pages_for_what_reached_somebody_or_is_not_wanted(
    idle: Paging, settings: Settings, checker: RepeatChecker, status: str
) -> None:
    for name in ("second", "third"):
        await other_account(idle, settings, name)
    await changed(idle, api_key_encrypted=None)
    page_id = await waiting(idle, for_s=ELSEWHERE_S + 1)
    assert await checker.check_due() == 1
    (new,) = await repeats(idle, page_id)
    await refuse(idle, new.id)
    (create,) = await idle.operations(page_id)
    async with idle.sessions.begin() as session:
        first = update(Page).where(Page.id == page_id)
        if status == "canceled":
            await cancel_operation(session, create.id)
        elif status == "confirmed":
            await session.execute(first.values(status="confirmed"))
        else:
            await session.execute(first.values(resolve_wanted_by="a test"))
    assert await checker.check_due() == 0


async def test_a_page_that_waits_for_another_account_too_goes_to_a_third(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    second, third = [await other_account(idle, settings, name) for name in ("second", "third")]
    page_id = await idle.page()
    async with idle.sessions.begin() as session:
        await disable_account(session, idle.integration_id)
    assert await checker.check_due() == 1
    (new,) = await repeats(idle, page_id)
    assert new.integration_id == second
    await changed(idle, second, api_key_encrypted=None)
    created_at = datetime.now(UTC) - timedelta(seconds=ELSEWHERE_S + 1)
    async with idle.sessions.begin() as session:
        await session.execute(update(Page).where(Page.id == new.id).values(created_at=created_at))
    assert await checker.check_due() == 1
    (last,) = await repeats(idle, new.id)
    assert last.integration_id == third
    assert "has no API key" in last.notes[-1]


async def test_a_page_that_a_person_canceled_stays_canceled_everywhere(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    await other_account(idle, settings, "other")
    page_id = await idle.page()
    (create,) = await idle.operations(page_id)
    async with idle.sessions.begin() as session:
        await cancel_operation(session, create.id)
        await disable_account(session, idle.integration_id)
    assert await checker.check_due() == 0


async def test_a_page_that_cannot_be_read_holds_no_other_back(
    idle: Paging, settings: Settings, checker: RepeatChecker
) -> None:
    await other_account(idle, settings, "other")
    bad, good = [await unknown(idle, for_s=ELSEWHERE_S + 1) for _ in range(2)]
    async with idle.sessions.begin() as session:
        nonsense = [{"no": "target"}]
        await session.execute(update(Page).where(Page.id == bad).values(targets=nonsense))
    await changed(idle, when_unknown="page_again", page_again_after_s=60)
    assert await checker.check_due() == 2
    assert await repeats(idle, bad) == []
    assert len(await repeats(idle, good)) == 2
