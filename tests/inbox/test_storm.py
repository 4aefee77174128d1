"""A redelivery storm: old and new bodies at once, while workers apply them."""

import asyncio
import json
import random

from sqlalchemy import text

from pagersync.database.engine import Sessions
from tests.support.account import Account
from tests.support.events import eight_bodies
from tests.support.wait import eventually

ALERTS = 60
SENDERS = 24


async def deadlocks(sessions: Sessions) -> int:
    async with sessions() as session:
        count: int = await session.scalar(
            text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
        return count


async def test_a_storm_of_redeliveries_and_the_workers_never_deadlock(
    account: Account, sessions: Sessions
) -> None:
    before = await deadlocks(sessions)
    bodies = [
        json.dumps(body).encode()
        for number in range(ALERTS)
        for body in eight_bodies(f"alt_{number}")
    ]
    storm = bodies * 4
    random.Random(3).shuffle(storm)

    async def send(mine: list[bytes]) -> None:
        for body in mine:
            assert (await account.post(body)).status_code == 202

    await asyncio.gather(*[send(storm[start::SENDERS]) for start in range(SENDERS)])

    async def totals() -> tuple[int, int, int]:
        async with sessions() as session:
            row = await session.execute(
                text(
                    "SELECT count(*), sum(times_received)::int, "
                    "count(*) FILTER (WHERE state = 'done') FROM deliveries"
                )
            )
            found = row.one()
            return found[0], found[1], found[2]

    await eventually(totals, lambda seen: seen == (len(bodies), len(storm), len(bodies)))
    await asyncio.sleep(1.1)  # PostgreSQL publishes its counts once a second
    assert await deadlocks(sessions) == before
