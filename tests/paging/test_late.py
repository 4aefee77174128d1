"""What turns up in PagerTree after all, although its page was over."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.paging.fallback import fall_back
from pagersync.paging.models import marker_of
from pagersync.paging.service import get_page, redrive_operation, resolve_page
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.server import running_server


async def resolved(paging: Paging) -> tuple[UUID, UUID]:
    """Return a page that was resolved before it was sent, and the operation that sends it."""
    page_id = await paging.page(title="Too late")
    (create,) = await paging.operations(page_id)
    async with paging.sessions.begin() as session:
        await resolve_page(session, await get_page(session, page_id), requested_by="a test")
    assert (await paging.get(page_id)).status == "canceled"
    return page_id, create.id


async def test_an_alert_that_turns_up_after_its_page_was_canceled_is_resolved(
    idle: Paging, paging_settings: Settings
) -> None:
    page_id, create_id = await resolved(idle)
    async with running_server(paging_settings) as url:
        idle.simulator.change(
            webhook_url=f"{url}/webhooks/pagertree/{idle.integration_id}",
            webhook_secret=idle.webhook_secret,
        )
        mark = marker_of(create_id)  # the call that seemed not to arrive did
        there = await idle.pagertree.created(title="Too late", thirdparty_id=mark, tags=[mark])
        await idle.pagertree.reaches(there["id"], "resolved")
        await idle.reaches(page_id, "resolved")
        idle.simulator.change(webhooks="off")


async def test_a_canceled_page_that_a_person_sends_after_all_is_not_resolved(
    idle: Paging, paging_settings: Settings
) -> None:
    page_id, create_id = await resolved(idle)
    async with idle.sessions.begin() as session:
        await redrive_operation(session, create_id)
    async with running_server(paging_settings):
        page = await idle.reaches(page_id, "confirmed")
    assert page.resolve_wanted_by is None


async def test_nobody_else_is_paged_when_a_page_is_dropped_that_was_to_be_resolved(
    idle: Paging, engine: AsyncEngine
) -> None:
    page_id = await idle.page(fallback_targets=[{"kind": "team", "name": "Managers"}])
    async with idle.sessions.begin() as session:
        page = await get_page(session, page_id)
        page.resolve_wanted_by = "a test"
    async with raw_connection(engine) as connection:
        await fall_back(connection, [page_id])
        assert await connection.fetchval("SELECT count(*) FROM pages") == 1
