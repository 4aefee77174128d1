"""Many who ask at once get one answer, and a flood of strangers makes nobody unready."""

import asyncio

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.disk import DiskWatch
from pagersync.health import Health
from pagersync.http import AsyncClient, Timeout
from pagersync.integrations.vault import open_vault
from pagersync.settings import Settings
from pagersync.shared_look import SharedLook


async def test_who_asks_during_a_look_shares_it_and_who_asks_later_has_a_new_one() -> None:
    looks = 0
    goes_on = asyncio.Event()

    async def look() -> int:
        nonlocal looks
        looks += 1
        await goes_on.wait()
        return looks

    shared = SharedLook(look)
    asking = [asyncio.create_task(shared()) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    goes_on.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert set(answers[1:]) == {1}
    assert await shared() == 2


async def test_what_fails_fails_for_all_who_asked_and_is_tried_anew() -> None:
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        if looks == 1:
            raise RuntimeError("away")
        return looks

    shared = SharedLook(look)
    answers = await asyncio.gather(shared(), shared(), return_exceptions=True)
    assert [str(each) for each in answers] == ["away", "away"]
    assert await shared() == 2


async def test_a_hundred_who_ask_for_health_at_once_cost_the_database_as_much_as_one(
    engine: AsyncEngine, settings: Settings
) -> None:
    opened: list[object] = []

    def note(*of: object) -> None:
        opened.append(of)

    event.listen(engine.sync_engine, "checkout", note)
    health = Health(engine, open_vault(settings), DiskWatch(settings))
    answers = await asyncio.gather(*(health.readiness() for _ in range(100)))
    assert all(answer.ready for answer in answers)
    assert len(opened) <= 2
    opened.clear()
    pages = await asyncio.gather(*(health.metrics() for _ in range(100)))
    assert all(b"pagersync_queue_rows" in page for page in pages)
    assert len(opened) == 1
    event.remove(engine.sync_engine, "checkout", note)


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
async def test_strangers_who_ask_for_health_all_at_once_make_nobody_unready(
    server: str, path: str
) -> None:
    async with AsyncClient(base_url=server, timeout=Timeout(60), trust_env=False) as client:
        answers = await asyncio.gather(*(client.get(path) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
