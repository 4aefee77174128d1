"""Group commit: every caller gets the fate of its own row, and only after the commit."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions, create_engine, raw_connection
from pagersync.errors import BusyError
from pagersync.inbox.models import Delivery
from pagersync.inbox.writer import Arrival, InboxWriter, insert_deliveries
from pagersync.settings import Settings
from tests.support.faults import refusing

OWNER = UUID(int=1)


def arrival(text: str) -> Arrival:
    body = text.encode()
    return Arrival(
        integration_id=OWNER,
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        event_type="alert.open",
        pagertree_alert_id="a",
        state="ignored",
        error=None,
    )


@pytest.fixture
async def writer(engine: AsyncEngine, settings: Settings) -> AsyncIterator[InboxWriter]:
    inbox = InboxWriter(engine, settings)
    running = asyncio.create_task(inbox.run())
    yield inbox
    running.cancel()


async def count(sessions: Sessions) -> int | None:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(Delivery))


async def test_many_arrivals_at_once_are_all_stored(
    writer: InboxWriter, sessions: Sessions
) -> None:
    stored = await asyncio.gather(*[writer.store(arrival(str(n))) for n in range(700)])
    assert all(one.created for one in stored)
    assert len({one.delivery_id for one in stored}) == 700
    assert await count(sessions) == 700


async def test_of_equal_bodies_in_one_batch_one_is_new(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async with raw_connection(engine) as connection:
        stored = await insert_deliveries(connection, [arrival(text) for text in "aba"])
    assert [one.created for one in stored] == [True, True, False]
    assert stored[0].delivery_id == stored[2].delivery_id
    async with sessions() as session:
        times = await session.scalars(select(Delivery.times_received).order_by(Delivery.id))
        assert sorted(times) == [1, 2]


async def test_a_poison_row_fails_alone(
    writer: InboxWriter, engine: AsyncEngine, sessions: Sessions
) -> None:
    async with refusing(engine, "deliveries", "NEW.body = 'poison'"):
        results = await asyncio.gather(
            *[writer.store(arrival(text)) for text in ("a", "poison", "b")],
            return_exceptions=True,
        )
    assert [isinstance(result, BusyError) for result in results] == [False, True, False]
    assert await count(sessions) == 2


async def test_a_commit_that_fails_is_never_answered_as_stored(
    writer: InboxWriter, engine: AsyncEngine, sessions: Sessions
) -> None:
    async with refusing(engine, "deliveries", "true", at_commit=True):
        with pytest.raises(BusyError):
            await writer.store(arrival("a"))
    assert await count(sessions) == 0
    assert (await writer.store(arrival("a"))).created


async def test_a_full_queue_turns_away_at_once(engine: AsyncEngine, settings: Settings) -> None:
    small = settings.model_copy(update={"ingest_queue_rows_max": 2})
    inbox = InboxWriter(engine, small)  # nobody stores: everything waits
    waiting = [asyncio.create_task(inbox.store(arrival(text))) for text in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(BusyError) as turned_away:
        await inbox.store(arrival("c"))
    assert turned_away.value.retry_after_s > 0
    for task in waiting:
        task.cancel()


async def test_waiting_bytes_are_limited_too(engine: AsyncEngine, settings: Settings) -> None:
    inbox = InboxWriter(engine, settings.model_copy(update={"ingest_queue_bytes_max": 10}))
    waiting = asyncio.create_task(inbox.store(arrival("x" * 10)))
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await inbox.store(arrival("y"))
    waiting.cancel()


async def test_a_database_that_is_away_turns_everybody_away(settings: Settings) -> None:
    nowhere = settings.model_copy(
        update={"database_url": SecretStr("postgresql+asyncpg://x@/x?host=/nowhere")}
    )
    engine = create_engine(nowhere)
    inbox = InboxWriter(engine, nowhere)
    running = asyncio.create_task(inbox.run())
    results = await asyncio.gather(
        *[inbox.store(arrival(str(n))) for n in range(5)], return_exceptions=True
    )
    assert all(isinstance(result, BusyError) for result in results)
    running.cancel()
    await engine.dispose()
