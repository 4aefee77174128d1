"""One API key asks for as much as it can, while a webhook comes in: its page goes out in time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.flood.stage import PAGE_S_MAX, Stage, a_stage

pytestmark = [pytest.mark.flood, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        assert await stage.seconds_to_page() < PAGE_S_MAX
        yield stage


async def test_requests_that_wait_for_locked_rows_delay_no_page_and_no_health_check(
    stage: Stage,
) -> None:
    async with stage.holding("LOCK TABLE incidents IN ACCESS EXCLUSIVE MODE"):
        waiting = [asyncio.create_task(stage.reader.get("/v1/incidents")) for _ in range(40)]
        await asyncio.sleep(1)
        page_s = await stage.seconds_to_page()
        ready = await stage.other.get("/readyz")
        other = await stage.other.get("/v1/alerts")
        answers = await asyncio.gather(*waiting)
    assert page_s < PAGE_S_MAX
    assert ready.status_code == 200
    assert other.status_code == 200
    assert {answer.status_code for answer in answers} <= {429, 503}
    assert all("Retry-After" in answer.headers for answer in answers)
