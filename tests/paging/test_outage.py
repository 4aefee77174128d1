"""An outage of hours, in a few seconds: pages wait, cost nothing, and go out in their order."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.integrations.gate import GateReason
from pagersync.paging.models import marker_of, operation_of
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.hurry import hurrying
from tests.support.server import running_server
from tests.support.wait import eventually

PAGES = 100
HELD_MAX = 16
"""What one process may hold at once: twice `PAGERSYNC_OPERATION_CONCURRENCY`."""

ATTEMPTS_BURNT_MAX = HELD_MAX
"""Creates that go out before the fifth failure shuts the rate limiter: eight are under way, and
each of the first four failures lets one more begin."""


@asynccontextmanager
async def serving(idle: Paging, engine: AsyncEngine, settings: Settings) -> AsyncIterator[None]:
    """Run the service without webhooks; it has sent a page before."""
    idle.simulator.change(webhooks="off")
    async with running_server(settings), hurrying(engine):
        await idle.reaches(await idle.page(title="The reference"), "sent", "confirmed")
        yield


async def ask(engine: AsyncEngine, statement: str, *values: Any) -> Any:
    async with raw_connection(engine) as connection:
        return await connection.fetchval(statement, *values)


async def ask_for_pages(idle: Paging, **fields: Any) -> list[UUID]:
    return [await idle.page(**fields) for _ in range(PAGES)]


async def failures(engine: AsyncEngine, more_than: int) -> None:
    """Wait until the gate has seen so many calls fail, one after the other."""
    statement = "SELECT coalesce(max(failures), 0) FROM integration_gates"
    await eventually(lambda: ask(engine, statement), lambda seen: seen > more_than, timeout_s=60)


async def all_confirmed(engine: AsyncEngine) -> None:
    statement = "SELECT array_agg(DISTINCT status) FROM pages"
    await eventually(
        lambda: ask(engine, statement), lambda statuses: statuses == ["confirmed"], timeout_s=60
    )


async def assert_sent_once_and_in_order(idle: Paging, pages: list[UUID]) -> None:
    """Each page has one alert; none was overtaken by more than what is sent at the same time."""
    expected = [marker_of((await idle.operations(page_id))[0].id) for page_id in pages]
    marks = [
        next(tag for tag in alert["tags"] if operation_of(tag)) for alert in idle.simulator.alerts()
    ][1:]
    assert sorted(marks) == sorted(expected)
    late = {mark: place - expected.index(mark) for place, mark in enumerate(marks)}
    # What the gate let try while PagerTree was away waits for its search, and comes a little later.
    overtaken = [mark for mark, places in late.items() if abs(places) > 2 * HELD_MAX]
    assert len(overtaken) <= ATTEMPTS_BURNT_MAX


@pytest.mark.parametrize("outage", ["unavailable", "closed"])
@pytest.mark.timeout(120)
async def test_after_an_outage_every_page_goes_out_once_oldest_first(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings, outage: str
) -> None:
    async with serving(idle, engine, paging_settings):
        idle.simulator.change(outage=outage)
        pages = await ask_for_pages(idle)
        await failures(engine, 4)
        running = await ask(engine, "SELECT count(*) FROM operations WHERE state = 'running'")
        assert running <= HELD_MAX
        gc.collect()
        assert sum(type(each).__name__ == "Turn" for each in gc.get_objects()) <= HELD_MAX
        burnt = await ask(engine, "SELECT sum(attempt) FROM operations WHERE state = 'queued'")
        seen = sum(each["fault"] == "outage" for each in idle.simulator.requests())
        assert burnt <= seen + HELD_MAX
        assert seen < PAGES
        idle.simulator.change(outage="none")
        await all_confirmed(engine)
    await assert_sent_once_and_in_order(idle, pages)


async def test_pages_that_are_too_old_after_an_outage_expire_and_are_not_sent(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings
) -> None:
    async with serving(idle, engine, paging_settings):
        idle.simulator.change(outage="unavailable")
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        old = [await idle.page(expires_at=soon) for _ in range(20)]
        await eventually(lambda: ask(engine, "SELECT now() > $1", soon))
        idle.simulator.change(outage="none")
        for page_id in old:
            await idle.reaches(page_id, "expired")
            events = await idle.events(page_id)
            assert [event for event in events if event != "page.unknown"] == ["page.expired"]
    assert len(idle.simulator.alerts()) == 1


async def test_while_a_key_is_refused_pages_wait_and_no_attempt_is_used_up(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings
) -> None:
    async with serving(idle, engine, paging_settings):
        idle.simulator.change(key_refused=True)
        pages = await ask_for_pages(idle)
        await failures(engine, 4)
        reason = await ask(engine, "SELECT reason FROM integration_gates")
        assert reason == GateReason.CREDENTIALS_REFUSED
        burnt = "SELECT max(attempt) FROM operations WHERE state = 'queued'"
        assert await ask(engine, burnt) == 0
        idle.simulator.change(key_refused=False)
        await all_confirmed(engine)
    await assert_sent_once_and_in_order(idle, pages)
