"""Pages without an incident that reached nobody: `doctor` names each, and what to do."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from pagersync.findings import Finding
from pagersync.paging import lost_pages
from pagersync.paging.lost_pages import find_lost_pages
from pagersync.paging.models import Operation, Page
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.paging.repeating import incident

REDRIVE = "pagersync operations redrive {id}"


async def lost(paging: Paging, status: str, **fields: object) -> UUID:
    """Return a page that ended like this."""
    page_id = await paging.page(**fields)
    async with paging.sessions.begin() as session:
        own = update(Operation).where(Operation.page_id == page_id)
        await session.execute(own.values(last_error="PagerTree refused it: no such team."))
        values = {"status": status} | (
            {"sent_at": datetime.now(UTC)} if status == "dropped" else {}
        )
        await session.execute(update(Page).where(Page.id == page_id).values(**values))
    return page_id


async def found(paging: Paging, settings: Settings) -> list[Finding]:
    async with paging.sessions() as session:
        return await find_lost_pages(session, settings)


@pytest.mark.parametrize(
    ("status", "why", "remedy"),
    [
        ("failed", ": PagerTree refused it: no such team", REDRIVE),
        ("expired", ": PagerTree refused it: no such team", REDRIVE),
        ("dropped", "", "pagersync page --team NAME --title 'Database down'"),
        (
            "unknown",
            ": PagerTree refused it: no such team",
            f"look in PagerTree; if it is not there: {REDRIVE} --confirmed-absent",
        ),
    ],
)
async def test_a_page_without_an_incident_that_reached_nobody_is_named_with_what_to_do(
    idle: Paging, settings: Settings, status: str, why: str, remedy: str
) -> None:
    page_id = await lost(idle, status)
    (create,) = await idle.operations(page_id)
    (finding,) = await found(idle, settings)
    assert finding.detail == f"The page 'Database down' to team Platform is `{status}`{why}."
    assert finding.remedy == remedy.format(id=create.id)


async def test_what_is_told_elsewhere_made_good_or_not_wanted_is_left_out(
    idle: Paging, settings: Settings
) -> None:
    declared = await incident(idle)
    await lost(idle, "failed", incident_id=declared.id)
    first = await lost(idle, "failed")
    again = await idle.page()
    wanted = await lost(idle, "failed")
    old = await lost(idle, "failed")
    await idle.page()
    async with idle.sessions.begin() as session:
        now = datetime.now(UTC)
        values = {"repeat_of": first, "status": "confirmed", "confirmed_at": now}
        await session.execute(update(Page).where(Page.id == again).values(**values))
        unwanted = update(Page).where(Page.id == wanted)
        await session.execute(unwanted.values(resolve_wanted_by="a person"))
        aged = update(Page).where(Page.id == old)
        await session.execute(aged.values(created_at=now - timedelta(days=8)))
    assert await found(idle, settings) == []


async def test_many_are_counted(
    idle: Paging, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_pages, "NAMED_MAX", 2)
    for _ in range(3):
        await lost(idle, "failed")
    assert [each.detail for each in await found(idle, settings)][
        -1
    ] == "1 more pages reached nobody."
