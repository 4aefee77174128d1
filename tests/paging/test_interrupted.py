"""A turn that fails on our side, after its call may have gone out."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.read_back import read_back
from pagersync.database.engine import Connection
from pagersync.integrations.vault import open_vault
from pagersync.pagertree.client import create_http_client
from pagersync.paging.models import marker_of
from pagersync.paging.record import Shown
from pagersync.paging.sender import Sender, operations_queue
from pagersync.paging.turn import Turns
from pagersync.settings import Settings
from tests.paging.conftest import Paging


async def test_a_page_that_cannot_be_recorded_after_its_call_is_looked_for_and_not_sent_again(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings
) -> None:
    failures = [RuntimeError("it cannot be recorded")] * 2

    async def fail_first(connection: Connection, shown: Sequence[Shown]) -> None:
        if failures:
            raise failures.pop()
        await read_back(connection, shown)

    first, second = await idle.page(), await idle.page()
    async with create_http_client(timeout_s=1) as http:
        turns = Turns(
            engine,
            operations_queue(paging_settings),
            http=http,
            vault=open_vault(paging_settings),
            settings=paging_settings,
            read_back=fail_first,
        )
        wake, stop = asyncio.Event(), asyncio.Event()
        sending = asyncio.create_task(Sender(turns, paging_settings).run(wake, stop))
        for page_id in (first, second):
            await idle.reaches(page_id, "sent", "confirmed")
        stop.set()
        await sending
    assert not failures
    for page_id in (first, second):
        (create,) = await idle.operations(page_id)
        assert len(idle.simulator.alerts(marker_of(create.id))) == 1
