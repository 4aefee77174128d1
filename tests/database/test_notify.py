"""Wake-up calls: who is woken, when, and what a broken connection does to them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.database.engine import Connection, Sessions, raw_connection
from pagersync.database.notify import CHANNEL, Listener
from pagersync.inbox.models import Delivery, DeliveryState
from tests.support.wait import eventually

PATIENCE_S = 10

LISTENERS = """
SELECT l.pid FROM pg_locks l JOIN processes p ON p.id = l.classid::bigint << 32 | l.objid::bigint
WHERE l.locktype = 'advisory'
"""


@pytest.fixture
async def listener(engine: AsyncEngine) -> AsyncIterator[Listener]:
    """Yield a listener that listens."""
    listener = Listener(engine)
    began = listener.subscribe("anything")
    listening = asyncio.create_task(listener.run())
    await woken(began)
    yield listener
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


async def woken(event: asyncio.Event) -> None:
    """Return when the event is set; clear it."""
    async with asyncio.timeout(PATIENCE_S):
        await event.wait()
    event.clear()


async def add_delivery(sessions: Sessions, state: DeliveryState) -> None:
    body = str(new_id()).encode()
    async with sessions.begin() as session:
        session.add(
            Delivery(
                integration_id=new_id(),
                body=body,
                body_sha256=hashlib.sha256(body).digest(),
                state=state,
            )
        )


async def say(engine: AsyncEngine, table: str) -> None:
    """Wake who waits for `table`; calls that were made before have arrived by then."""
    async with raw_connection(engine) as connection:
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, table)


async def test_a_queued_delivery_wakes_everybody_who_waits_for_deliveries(
    listener: Listener, sessions: Sessions
) -> None:
    one, other = listener.subscribe("deliveries"), listener.subscribe("deliveries")
    stranger = listener.subscribe("operations")
    await add_delivery(sessions, DeliveryState.QUEUED)
    await woken(one)
    await woken(other)
    assert not stranger.is_set()


@pytest.mark.parametrize("state", [DeliveryState.IGNORED, DeliveryState.INVALID])
async def test_a_delivery_that_is_finished_already_wakes_nobody(
    listener: Listener, sessions: Sessions, engine: AsyncEngine, state: DeliveryState
) -> None:
    waiting, marker = listener.subscribe("deliveries"), listener.subscribe("marker")
    await add_delivery(sessions, state)
    await say(engine, "marker")
    await woken(marker)
    assert not waiting.is_set()


async def test_nobody_is_woken_before_the_commit(
    listener: Listener, sessions: Sessions, engine: AsyncEngine
) -> None:
    waiting, marker = listener.subscribe("deliveries"), listener.subscribe("marker")
    async with sessions.begin() as session:
        session.add(Delivery(integration_id=new_id(), body=b"{}", body_sha256=b"1"))
        await session.flush()
        await say(engine, "marker")
        await woken(marker)
        assert not waiting.is_set()
    await woken(waiting)


async def test_a_broken_connection_is_replaced_and_everybody_is_woken(
    listener: Listener, sessions: Sessions, engine: AsyncEngine
) -> None:
    """What was said while nobody listened is lost, so everybody has to look."""
    events = [listener.subscribe(table) for table in ("deliveries", "integrations", "unheard-of")]
    async with raw_connection(engine) as connection:
        (pid,) = await eventually(lambda: listening_pids(connection))
        assert await connection.fetchval("SELECT pg_terminate_backend($1)", pid)
        for event in events:
            await woken(event)
        assert pid not in await listening_pids(connection)
    await add_delivery(sessions, DeliveryState.QUEUED)
    await woken(events[0])
    assert not any(event.is_set() for event in events)


async def listening_pids(connection: Connection) -> list[int]:
    return [row["pid"] for row in await connection.fetch(LISTENERS)]


async def test_a_listener_that_ends_gives_back_a_connection_that_does_not_listen(
    engine: AsyncEngine,
) -> None:
    listener = Listener(engine)
    began = listener.subscribe("anything")
    listening = asyncio.create_task(listener.run())
    await woken(began)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    async with raw_connection(engine) as connection:
        assert await eventually(lambda: listening_pids(connection), lambda pids: not pids) == []
