"""kill -9 at every await of a sender: what was asked for still happens, and pages once.

A run kills at every sixth await, the next day at the ones after those. `PAGERSYNC_KILL_SEED=7
make test ARGS="-k kill_points"` replays a run, `PAGERSYNC_KILL_EVERY=1` kills at all of them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.paging.models import Operation, OperationKind, marker_of
from pagersync.paging.service import get_page, request_operation
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.awaits import AT_ONCE, EVERY, MOMENTS, NOBODY, SEED, Prepare, chosen, everywhere
from tests.support.hurry import hurrying, let_leases_run_out
from tests.support.kill_points import Gallows, Job, Moment, running_gallows
from tests.support.server import running_server
from tests.support.wait import eventually

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def kill_settings(settings: Settings) -> Settings:
    """Return settings with short pauses, and leases that do not run out by themselves."""
    return settings.model_copy(
        update={
            "search_settle_s": 0.15,
            "pagertree_timeout_s": 5.0,
            "pagertree_calls_per_s": 1000.0,
            "pagertree_burst_calls": 1000,
        }
    )


@pytest.fixture(scope="module")
async def gallows(kill_settings: Settings) -> AsyncIterator[Gallows]:
    async with running_gallows(kill_settings) as gallows:
        yield gallows


@pytest.fixture
async def killed(
    idle: Paging, gallows: Gallows, engine: AsyncEngine, kill_settings: Settings
) -> "Killed":
    """Return an account that was paged once before, and whoever works for it next is killed."""
    killed = Killed(idle, gallows, engine, kill_settings)
    idle.simulator.change(webhooks="off")
    await killed.settle(await idle.page(title="The reference"))
    return killed


class Killed:
    """An account whose senders are killed."""

    def __init__(
        self, paging: Paging, gallows: Gallows, engine: AsyncEngine, settings: Settings
    ) -> None:
        self.paging = paging
        self.engine = engine
        self._gallows = gallows
        self._settings = settings

    async def everywhere(self, prepare: Prepare, *, step: int = 1, **job: Any) -> list[UUID]:
        """Kill a process at an early await, another at a later one, until one survives.

        Args:
            prepare: returns a page that is to be worked on.
            step: as for `chosen`.
            job: what is to be done about it.
        """
        return await everywhere(
            prepare, lambda page_id, fatal: self.at(page_id, fatal, **job), step=step
        )

    async def at(self, page_id: UUID, fatal: int, **job: Any) -> int | None:
        """Kill a process at one await; return how many there were if it survives."""
        await self.execute("DELETE FROM integration_gates")
        return await self._gallows.run(Job(str(page_id), fatal=fatal, **job))

    async def settle(self, *pages: UUID) -> None:
        """Let a fresh worker take over, and wait until nothing is left to do for these pages."""
        async with raw_connection(self.engine) as connection:
            await let_leases_run_out(connection, "operations")
        async with self.running():
            await self.finished(pages)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the service, with webhooks if they are switched on, and time passes faster."""
        paging = self.paging
        async with running_server(self._settings) as url, hurrying(self.engine):
            paging.simulator.change(
                webhook_url=f"{url}/webhooks/pagertree/{paging.integration_id}",
                webhook_secret=paging.webhook_secret,
            )
            yield
            paging.simulator.change(webhook_url="")

    async def finished(self, pages: Iterable[UUID]) -> None:
        """Wait until nothing is left to do for pages, or until they are unknown."""
        await eventually(lambda: self._unfinished(list(pages)), lambda rows: not rows, timeout_s=60)

    async def _unfinished(self, pages: list[UUID]) -> list[dict[str, Any]]:
        async with raw_connection(self.engine) as connection:
            return [dict(row) for row in await connection.fetch(_UNFINISHED, pages)]

    async def create(self, page_id: UUID) -> Operation:
        return (await self.paging.operations(page_id))[0]

    async def mark(self, page_id: UUID) -> str:
        return marker_of((await self.create(page_id)).id)

    async def execute(self, statement: str, *values: Any) -> None:
        async with raw_connection(self.engine) as connection:
            await connection.execute(statement, *values)

    async def assert_paged_once(self, page_id: UUID, *, status: str = "confirmed") -> None:
        """PagerTree has one alert for the page, its target was paged once, and it is known here."""
        create = await self.create(page_id)
        (alert,) = self.paging.simulator.alerts(marker_of(create.id))
        paged = self.paging.simulator.notifications()
        assert sum(each["alert_id"] == alert["id"] for each in paged) == 1
        page = await self.paging.get(page_id)
        assert (page.status, page.pagertree_id) == (status, alert["id"])
        assert create.state == "done"
        assert not create.may_have_been_sent


_UNFINISHED = """
SELECT o.id, o.kind, o.state, o.last_error, p.status
FROM operations o JOIN pages p ON p.id = o.page_id
WHERE p.id = ANY($1::uuid[])
  AND (o.state IN ('queued', 'running') OR p.status = 'sent')
  AND (p.unknown_at IS NULL OR coalesce(p.pagertree_id, p.pagertree_alert_id) IS NOT NULL)
"""


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
async def test_a_page_whose_sender_is_killed_at_any_await_goes_out_once(
    killed: Killed, moment: Moment, step: int
) -> None:
    pages = await killed.everywhere(killed.paging.page, moment=moment, step=step)
    await killed.settle(*pages)
    for page_id in pages:
        await killed.assert_paged_once(page_id)
    assert len(killed.paging.simulator.alerts()) == len(pages) + 1


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
async def test_a_page_whose_answer_was_lost_and_whose_sender_is_killed_goes_out_once(
    killed: Killed, moment: Moment, step: int
) -> None:
    async def lost() -> UUID:
        killed.paging.simulator.fail_next("lost_response", path_end="/alerts")
        return await killed.paging.page()

    pages = await killed.everywhere(lost, moment=moment, step=step)
    await killed.settle(*pages)
    for page_id in pages:
        await killed.assert_paged_once(page_id)


async def searched_for(killed: Killed) -> UUID:
    """Return a page that did not arrive, was searched for twice, and is due for the last search."""
    page_id = await killed.paging.page()
    await killed.execute(
        "UPDATE operations SET may_have_been_sent = true, lookups = 2, attempt = 1,"
        " first_sent_at = now() - interval '1 s', last_sent_at = now() - interval '1 s'"
        " WHERE page_id = $1",
        page_id,
    )
    await killed.execute("UPDATE pages SET status = 'unknown' WHERE id = $1", page_id)
    return page_id


async def test_a_page_that_is_searched_for_and_sent_again_goes_out_once_wherever_that_is_killed(
    killed: Killed,
) -> None:
    pages = await killed.everywhere(lambda: searched_for(killed), step=2)
    await killed.settle(*pages)
    for page_id in pages:
        await killed.assert_paged_once(page_id)


async def test_a_page_whose_sender_is_killed_twice_goes_out_once(killed: Killed) -> None:
    rng = Random(SEED)
    simulator = killed.paging.simulator

    async def twice(first: int, second: int) -> UUID:
        simulator.fail_next("lost_response", path_end="/alerts")
        page_id = await killed.paging.page()
        await killed.at(page_id, first)
        await killed.execute(
            "UPDATE operations SET leased_until = now() - interval '1 s'"
            " WHERE page_id = $1 AND state = 'running'",
            page_id,
        )
        await killed.at(page_id, second)
        return page_id

    pages: list[UUID] = []
    for _ in range(-(-9 // EVERY)):
        pairs = [(rng.randint(1, 130), rng.randint(1, 130)) for _ in range(AT_ONCE)]
        pages += await asyncio.gather(*(twice(*pair) for pair in pairs))
    await killed.settle(*pages)
    for page_id in pages:
        await killed.assert_paged_once(page_id)


@pytest.mark.parametrize("kind", [OperationKind.ACKNOWLEDGE_ALERT, OperationKind.RESOLVE_ALERT])
async def test_an_alert_is_acknowledged_or_resolved_wherever_that_is_killed(
    killed: Killed, kind: OperationKind
) -> None:
    ready = [await killed.paging.page() for _ in range(AT_ONCE + 80 // EVERY)]
    await killed.settle(*ready)
    left = iter(ready)

    async def acted_on() -> UUID:
        page_id = next(left)
        async with killed.paging.sessions.begin() as session:
            page = await get_page(session, page_id)
            await request_operation(
                session,
                kind,
                integration_id=page.integration_id,
                page=page,
                requested_by="a test",
            )
        return page_id

    pages = await killed.everywhere(acted_on, step=2)
    await killed.settle(*pages)
    status = "resolved" if kind == OperationKind.RESOLVE_ALERT else "acknowledged"
    for page_id in pages:
        await killed.assert_paged_once(page_id, status=status)
        operations = await killed.paging.operations(page_id)
        assert [operation.state for operation in operations] == ["done", "done"]
        (alert,) = killed.paging.simulator.alerts(marker_of(operations[0].id))
        assert alert["status"] == status


async def test_a_page_is_confirmed_once_wherever_the_one_who_asks_is_killed(
    killed: Killed,
) -> None:
    pages, fatal = [], 0
    for fatal in chosen(2):
        page_id = await killed.paging.page()
        await killed.at(page_id, NOBODY)
        await killed.execute(
            "UPDATE pages SET check_at = CASE WHEN id = $1 THEN now() END", page_id
        )
        pages.append(page_id)
        if await killed.at(page_id, fatal, work="check") is not None:
            break
    assert 120 > fatal > 20
    await killed.execute("UPDATE pages SET check_at = now()")
    await killed.settle(*pages)
    for page_id in pages:
        await killed.assert_paged_once(page_id)
        assert await killed.paging.events(page_id) == ["page.confirmed"]


async def test_a_page_that_nobody_can_search_for_is_unknown_and_never_sent_again(
    killed: Killed,
) -> None:
    simulator = killed.paging.simulator
    simulator.change(search="never")
    pages = await killed.everywhere(killed.paging.page)
    await killed.settle(*pages)
    marks = {page_id: await killed.mark(page_id) for page_id in pages}
    arrived = [page_id for page_id in pages if simulator.alerts(marks[page_id])]
    unknown = [page_id for page_id in pages if (await killed.create(page_id)).may_have_been_sent]
    in_doubt, known = set(unknown) & set(arrived), set(arrived) - set(unknown)
    # The one that survives is always known; how many of the others are depends on the day's awaits.
    assert in_doubt
    assert known
    for page_id in known:
        await killed.assert_paged_once(page_id)
    for page_id in unknown:
        assert (await killed.paging.get(page_id)).status == "unknown"
        assert (await killed.paging.events(page_id)) == ["page.unknown"]
    simulator.change(webhooks="on")
    await settled_by_webhooks(killed, in_doubt)
    assert all(len(simulator.alerts(mark)) <= 1 for mark in marks.values())


async def settled_by_webhooks(killed: Killed, pages: set[UUID]) -> None:
    """Let somebody acknowledge the alerts of pages that are unknown, and see them acknowledged."""
    simulator = killed.paging.simulator
    async with killed.running():
        for page_id in pages:
            (alert,) = simulator.alerts(await killed.mark(page_id))
            simulator.act(alert["id"], "acknowledge")
        for page_id in pages:
            await killed.paging.reaches(page_id, "acknowledged")
        await killed.finished(pages)
        simulator.change(webhooks="off")
    for page_id in pages:
        assert (await killed.create(page_id)).state == "done"
