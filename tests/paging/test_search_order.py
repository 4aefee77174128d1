"""What a search says that shows alerts which were created after a call whose answer was lost."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select

from pagersync.database.base import new_id
from pagersync.paging import settle
from pagersync.paging.lags import SearchLag
from pagersync.paging.models import Operation, marker_of
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.server import running_server
from tests.support.wait import eventually

LAG_MS = 200
LOOKS_MIN = 4
"""The third search is at `in_order_s` or just before it, so the fourth is later for sure."""


@pytest.fixture
def settings_of_account(paging_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Let an empty search be believed after minutes, and where order counts in a second."""
    monkeypatch.setattr(settle, "FACTOR", 1000.0)
    monkeypatch.setattr(settle, "LOOK_EVERY_S", 0.6)
    return paging_settings.model_copy(update={"search_settle_s": 180.0})


async def seen(idle: Paging, *, overtaken: int) -> None:
    """Let the account's search have been seen to keep order often, and to break it so often."""
    order = [False] * settle.ORDER_MIN + [True] * overtaken
    async with idle.sessions.begin() as session:
        for was_overtaken in order:
            session.add(
                SearchLag(
                    integration_id=idle.integration_id,
                    operation_id=new_id(),
                    missing_ms=LAG_MS,
                    found_ms=LAG_MS,
                    was_overtaken=was_overtaken,
                )
            )


async def lost_and_later(idle: Paging, *, finds_later: bool = True) -> tuple[UUID, UUID]:
    """Lose a call before PagerTree did anything; then page somebody else. Return the lost page."""
    await idle.reaches(await idle.page(title="Earlier"), "confirmed")  # the search works
    idle.simulator.fail_next("timeout_before", path_end="/alerts")
    lost = await idle.page(title="Lost")
    (create,) = await idle.operations(lost)
    await eventually(lambda: reread(idle, create.id), is_over)
    if finds_later:
        await idle.reaches(await idle.page(title="Later"), "confirmed")
    return lost, create.id


def is_over(lost: Operation) -> bool:
    """Tell whether a call certainly ended, and what is created from now on is later."""
    ended_at = lost.last_sent_at
    return lost.lookups > 0 and ended_at is not None and ended_at < datetime.now(UTC)


async def reread(idle: Paging, operation_id: UUID) -> Operation:
    async with idle.sessions() as session:
        return (await session.scalars(select(Operation).where(Operation.id == operation_id))).one()


async def test_a_later_alert_lets_an_empty_search_be_believed_early_where_order_is_kept(
    idle: Paging, settings_of_account: Settings
) -> None:
    await seen(idle, overtaken=0)
    async with running_server(settings_of_account):
        lost, create_id = await lost_and_later(idle)
        await idle.reaches(lost, "confirmed")
    assert len(idle.simulator.alerts(marker_of(create_id))) == 1


@pytest.mark.parametrize(("overtaken", "finds_later"), [(1, True), (0, False)])
async def test_an_empty_search_is_not_believed_early_without_order_or_without_a_later_alert(
    idle: Paging,
    settings_of_account: Settings,
    overtaken: int,
    finds_later: bool,  # noqa: FBT001 - parametrized
) -> None:
    await seen(idle, overtaken=overtaken)
    async with running_server(settings_of_account):
        _, create_id = await lost_and_later(idle, finds_later=finds_later)
        looked = await eventually(
            lambda: reread(idle, create_id), lambda each: each.lookups >= LOOKS_MIN
        )
        assert looked.may_have_been_sent
    assert idle.simulator.alerts(marker_of(create_id)) == []
