"""Cases of paging that are rare, and that tests of chaos and kills found or might have missed."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.hurry import hurrying
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
