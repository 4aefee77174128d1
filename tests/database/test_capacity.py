"""Connections are shared out: paging has its own, and no caller takes all of the others."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.database.capacity import CONNECTIONS_MIN, LOOPS, share_of_keys, share_out
from pagersync.database.engine import Engines, create_engines, raw_connection
from pagersync.database.shared_pool import SHARE, Share
from pagersync.errors import BusyError
from pagersync.fair import Gate, Limits, TooManyAtOnceError
from pagersync.settings import Settings


@given(st.integers(1, 500))
def test_every_part_has_connections_and_together_they_are_what_was_allowed(most: int) -> None:
    capacity = share_out(most)
    assert capacity.total == max(most, CONNECTIONS_MIN)
    assert capacity.paging >= LOOPS + 3
    assert capacity.background >= 2
    keys, of_a_key = share_of_keys(capacity.interactive)
    assert 1 <= of_a_key < keys
    assert 1 <= capacity.runs <= capacity.paging - LOOPS - 1


@pytest.fixture
async def engines(settings: Settings) -> AsyncIterator[Engines]:
    engines = create_engines(settings)
    yield engines
    await engines.dispose()


def gate(slots: int = 2, of_one: int = 1, **limits: float) -> Gate:
    return Gate(Limits(slots, of_one, **limits))  # type: ignore[arg-type]


async def test_callers_come_in_by_turns_however_many_requests_one_of_them_has() -> None:
    served: list[str] = []
    one_at_a_time = gate(slots=1)

    async def ask(caller: str) -> None:
        await one_at_a_time.enter(caller)
        served.append(caller)
        await asyncio.sleep(0)
        one_at_a_time.leave(caller)

    await asyncio.gather(*(ask("greedy") for _ in range(9)), ask("modest"))
    assert served.index("modest") <= 2
    assert served.count("greedy") == 9


async def test_a_caller_who_asks_for_too_much_at_once_is_told_so_and_others_come_in() -> None:
    shared = gate(slots=2, of_one=1, wait_s=0.01)
    await shared.enter("greedy")
    with pytest.raises(TooManyAtOnceError) as refused:
        await shared.enter("greedy")
    assert refused.value.retry_after_s >= 1
    await shared.enter("modest")
    with pytest.raises(BusyError):
        await shared.enter("third")
    shared.leave("greedy")
    await shared.enter("third")


async def test_a_queue_has_an_end() -> None:
    shared = gate(slots=1, waiting_max=1)
    await shared.enter("a")
    waiting = asyncio.create_task(shared.enter("a"))
    await asyncio.sleep(0)
    with pytest.raises(TooManyAtOnceError):
        await shared.enter("a")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    shared.leave("a")
    await shared.enter("a")


async def test_who_is_broken_off_when_let_in_leaves_room_for_the_next() -> None:
    shared = gate(slots=1)
    await shared.enter("a")
    broken = asyncio.create_task(shared.enter("b"))
    await asyncio.sleep(0)
    shared.leave("a")
    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)
    async with asyncio.timeout(1):
        await shared.enter("c")


async def test_health_checks_and_logins_find_a_connection_when_requests_hold_theirs(
    engines: Engines,
) -> None:
    async with asyncio.TaskGroup() as group:
        enough = asyncio.Event()
        held = asyncio.Semaphore(0)

        async def hold(caller: str) -> None:
            SHARE.set(Share("keys", caller))
            async with engines.interactive.connect():
                held.release()
                await enough.wait()

        keys, _ = share_of_keys(share_out(24).interactive)
        for number in range(keys):
            group.create_task(hold(f"key {number % 2}"))
        for _ in range(keys):
            await held.acquire()
        for share in (Share("health"), Share("login", "127.0.0.1")):
            SHARE.set(share)
            async with raw_connection(engines.interactive) as connection:
                assert await connection.fetchval("SELECT 1") == 1
        async with raw_connection(engines.paging) as connection:
            assert await connection.fetchval("SELECT 1") == 1
        enough.set()


async def test_a_connection_for_requests_waits_neither_for_locks_nor_for_slow_statements(
    engines: Engines, settings: Settings
) -> None:
    async with raw_connection(engines.interactive) as connection:
        assert await connection.fetchval("SHOW lock_timeout") == "3s"
        limit = await connection.fetchval("SHOW statement_timeout")
        assert limit == f"{settings.request_statement_s:.0f}s"
    async with raw_connection(engines.paging) as connection:
        assert await connection.fetchval("SHOW statement_timeout") == "0"
