"""After a restore to an earlier moment, what was sent since is looked for and never sent again."""

from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.paging.models import OperationState, marks_of
from pagersync.paging.restored import mark_restored
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.server import running_server

BEFORE_SENDING = """
SET session_replication_role = replica;
DELETE FROM attempts WHERE operation_id IN (SELECT id FROM operations WHERE page_id = '{page}');
UPDATE operations SET state = 'queued', attempt = 0, may_have_been_sent = false, lookups = 0,
    first_sent_at = NULL, last_sent_at = NULL, finished_at = NULL, last_error = NULL
WHERE page_id = '{page}';
UPDATE pages SET status = 'queued', pagertree_alert_id = NULL, pagertree_id = NULL,
    remote_status = NULL, remote_updated_ms = NULL, sent_at = NULL, confirmed_at = NULL,
    check_at = NULL, alert_id = NULL
WHERE id = '{page}';
SET session_replication_role = origin
"""
"""What a database shows that is restored to the moment before a page was sent."""


async def go_back(engine: AsyncEngine, page_id: UUID) -> None:
    async with raw_connection(engine) as connection:
        await connection.execute(BEFORE_SENDING.format(page=page_id))


async def restored(engine: AsyncEngine) -> int:
    async with raw_connection(engine) as connection:
        return await mark_restored(connection)


def alerts_of(paging: Paging) -> Counter[str]:
    """Return how many alerts PagerTree has of each operation."""
    alerts = paging.simulator.alerts()
    return Counter(
        mark for each in alerts for mark in marks_of(each["thirdparty_id"], each["tags"])
    )


async def test_a_page_that_was_sent_after_the_moment_is_found_and_not_sent_again(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings
) -> None:
    async with running_server(paging_settings):
        earlier, page_id = await idle.page(), await idle.page()
        for each in (earlier, page_id):
            await idle.reaches(each, "sent", "confirmed")
    assert sorted(alerts_of(idle).values()) == [1, 1]
    await go_back(engine, page_id)
    assert await restored(engine) == 1
    async with running_server(paging_settings):
        await idle.reaches(page_id, "sent", "confirmed")
    assert sorted(alerts_of(idle).values()) == [1, 1]
    calls = {(each.method, each.path.partition("?")[0]) for each in await idle.attempts(page_id)}
    assert {method for method, _ in calls} == {"GET"}


async def test_a_page_that_was_never_sent_goes_out_once(
    idle: Paging, engine: AsyncEngine, paging_settings: Settings
) -> None:
    async with running_server(paging_settings):
        await idle.reaches(await idle.page(), "sent", "confirmed")
    page_id = await idle.page()
    assert await restored(engine) == 1
    async with running_server(paging_settings):
        await idle.reaches(page_id, "sent", "confirmed")
    assert sorted(alerts_of(idle).values()) == [1, 1]


@pytest.mark.parametrize("state", sorted(set(OperationState) - {"done"}))
async def test_whatever_is_not_done_is_looked_for_first(
    idle: Paging, engine: AsyncEngine, state: str
) -> None:
    page_id = await idle.page()
    async with raw_connection(engine) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("UPDATE operations SET state = $1", state)
        await connection.execute("SET session_replication_role = origin")
    assert await restored(engine) == 1
    (create,) = await idle.operations(page_id)
    assert (create.may_have_been_sent, create.first_sent_at) == (True, create.created_at)
    assert create.last_sent_at is not None
    assert create.last_sent_at > create.created_at
