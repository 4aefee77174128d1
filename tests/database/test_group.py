"""Group commit: what is asked at the same time is done together, and one spoils no other."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, create_engine, raw_connection
from pagersync.database.group import Group
from pagersync.settings import Settings


class Doubling:
    """Doubles numbers in the database, and keeps which came together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def __call__(self, connection: Connection, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        rows = await connection.fetch("SELECT 2 * n AS n FROM unnest($1::int[]) AS n", items)
        if 13 in items:
            raise ValueError("13 cannot be doubled")
        return [row["n"] for row in rows]


async def test_what_is_asked_meanwhile_is_done_together(engine: AsyncEngine) -> None:
    work = Doubling()
    group = Group(engine, work)
    assert await asyncio.gather(*map(group.do, range(8))) == [2 * n for n in range(8)]
    assert work.groups == [list(range(8))]
    assert await group.do(21) == 42


async def test_an_item_that_fails_spoils_no_other(engine: AsyncEngine) -> None:
    group = Group(engine, Doubling())
    ends = await asyncio.gather(*map(group.do, (1, 13, 2)), return_exceptions=True)
    assert ends[0::2] == [2, 4]
    assert isinstance(ends[1], ValueError)


async def test_a_group_has_a_limit_and_keeps_the_order(engine: AsyncEngine) -> None:
    work = Doubling()
    group = Group(engine, work, items_max=3)
    await asyncio.gather(*map(group.do, range(7)))
    assert work.groups == [[0, 1, 2], [3, 4, 5], [6]]


async def test_whoever_waits_for_a_group_that_is_broken_off_learns_of_it(
    engine: AsyncEngine,
) -> None:
    async def hang(_: Connection, items: Sequence[int]) -> list[int]:
        await asyncio.sleep(60)
        return list(items)

    group = Group(engine, hang)
    asked = [asyncio.ensure_future(group.do(n)) for n in range(3)]
    await asyncio.sleep(0.05)
    await group.aclose()
    for each in asked:
        with pytest.raises(asyncio.CancelledError):
            await each


async def test_an_item_that_waits_for_a_lock_spoils_no_other(
    settings: Settings, engine: AsyncEngine
) -> None:
    async def lock(connection: Connection, items: Sequence[int]) -> list[int]:
        await connection.execute(
            "SELECT pg_advisory_xact_lock(n) FROM unnest($1::bigint[]) AS n", items
        )
        return list(items)

    impatient = create_engine(settings, command_timeout_s=1)
    group = Group(impatient, lock, lock_wait_s=0.1)
    async with raw_connection(engine) as holding:
        await holding.execute("SELECT pg_advisory_lock(13)")
        ends = await asyncio.gather(*map(group.do, (1, 13, 2)), return_exceptions=True)
        await holding.execute("SELECT pg_advisory_unlock(13)")
    assert ends[0::2] == [1, 2]
    assert isinstance(ends[1], TimeoutError)
    async with raw_connection(impatient) as connection:
        assert await connection.fetchval("SHOW lock_timeout") == "0"
    await impatient.dispose()
