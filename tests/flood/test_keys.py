"""Keys ask for as many pages, changes and incidents as they can: a webhook's page goes out in time.

The account makes two calls a second, so what one key asks for here takes a minute of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from pagersync.http import AsyncClient, Response
from tests.flood.stage import PAGE_S_MAX, Stage, a_stage, key_of, send

pytestmark = [pytest.mark.flood, pytest.mark.timeout(170)]

PAGES: Final = 150
SLOWLY: Final[dict[str, Any]] = {
    "PAGERSYNC_WRITES_PER_MINUTE_MAX": "0",
    "PAGERSYNC_PAGERTREE_CALLS_PER_S": "2",
    "PAGERSYNC_PAGERTREE_BURST_CALLS": "5",
}
INCIDENTS: Final = 80
AT_ONCE: Final = 4
SLOW: Final = "{% for i in (1..5000) %}" + "{{''}}" * 1_300 + "{% endfor %}"
"""It takes half a second of CPU time, which is as much as a template may."""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage(**SLOWLY) as stage:
        assert await stage.seconds_to_page() < PAGE_S_MAX
        yield stage


async def flood(times: int, ask: Callable[[int], Awaitable[Response]]) -> None:
    """Ask for much, a few requests at a time."""
    numbers = iter(range(times))

    async def go_on() -> None:
        for number in numbers:
            answer = await ask(number)
            assert answer.is_success, answer.text

    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))


@asynccontextmanager
async def a_key(stage: Stage, scope: str) -> AsyncIterator[AsyncClient]:
    """Yield a client with a key of its own."""
    headers = {"Authorization": f"Bearer {await key_of(stage.api, scope, scope)}"}
    async with AsyncClient(base_url=stage.url, headers=headers, trust_env=False, timeout=90) as own:
        yield own


def are_behind(stage: Stage, times: int) -> bool:
    """Tell whether most of the flood is not in PagerTree yet."""
    sent = [alert for alert in stage.pagertree.simulator.alerts() if "Flood" in alert["title"]]
    return len(sent) < times / 2


async def test_a_key_that_asks_for_hundreds_of_pages_delays_no_other_page(stage: Stage) -> None:
    team = stage.pagertree.simulator.directory.teams[0].name

    async def ask(number: int) -> Response:
        teams = [{"name": team}]
        return await send(own, "/v1/pages", "pages", title=f"Flood {number}", teams=teams)

    async with a_key(stage, "page") as own:
        await flood(PAGES, ask)
    assert await stage.seconds_to_page() < PAGE_S_MAX
    assert are_behind(stage, PAGES)


async def test_a_key_that_declares_hundreds_of_incidents_delays_no_page(stage: Stage) -> None:
    team = stage.pagertree.simulator.directory.teams[0].name
    tasks = [
        {"task_type": "print", "message": SLOW},
        {
            "task_type": "create_pagertree_alert",
            "title": "{{ incident.title }}",
            "teams": [{"name": team}],
        },
    ]
    made = await send(
        stage.api,
        "/v1/workflows",
        "workflows",
        name="Page for incidents",
        runs_per_minute_max=1000,
        trigger_params={"trigger_type": "incident", "triggers": ["incident_created"]},
        tasks=[{"task_params": task} for task in tasks],
    )
    assert made.status_code == 201, made.text

    async def declare(number: int) -> Response:
        return await send(own, "/v1/incidents", "incidents", title=f"Flood {number}")

    async with a_key(stage, "write") as own:
        await flood(INCIDENTS, declare)
    assert await stage.seconds_to_page() < PAGE_S_MAX
    assert are_behind(stage, INCIDENTS)
