"""The demo pages a team of the simulated account: once undisturbed, once with the answer lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

from pagersync.http import AsyncClient
from pagersync.simulator.demo_checks import Row
from pagersync.simulator.demo_paging_checks import Paged, Step, WatchedPage
from pagersync.simulator.demo_stage import PagerTree
from pagersync.simulator.demo_traffic import ANSWER_TIMEOUT_S, ASK_EVERY_S, Webhook

TEAM: Final = "Platform"
ACKNOWLEDGE_AFTER_S: Final = 0.5
ACKNOWLEDGE_LATER_S: Final = 10.0
"""For pages that a person sends while the demo goes on serving."""

PAGE_TIMEOUT_S: Final = 20.0
PAGING: Final = frozenset({"confirmed", "acknowledged"})
ACKNOWLEDGED: Final = frozenset({"acknowledged"})


@asynccontextmanager
async def open_control(pagertree: PagerTree, webhook: Webhook) -> AsyncIterator[AsyncClient]:
    """Yield a client of the simulator's control API; its webhooks go to the service from now on."""
    async with AsyncClient(
        base_url=pagertree.control_url, timeout=ANSWER_TIMEOUT_S, trust_env=False
    ) as control:
        await _change(
            control,
            webhook_url=webhook.url,
            webhook_secret=webhook.secret,
            acknowledge_after_s=ACKNOWLEDGE_AFTER_S,
        )
        yield control


async def sync_directory(api: AsyncClient, integration_id: str) -> Row:
    """Let the service fetch whom it can page, and return what it counted.

    Raises:
        HTTPError: the service could not.
    """
    answer = await api.post(f"/v1/integrations/{integration_id}/sync")
    return dict(answer.raise_for_status().json()["data"]["attributes"])


async def page_undisturbed(api: AsyncClient) -> WatchedPage:
    """Page the team and wait until somebody acknowledges."""
    began, steps = monotonic(), list[Step]()
    page_id = await _page(api, "Checkout is down", began, steps)
    page = await _watch(api, page_id, ACKNOWLEDGED, began, steps)
    return WatchedPage("every answer comes, and every webhook", page, steps)


async def page_with_a_lost_answer(api: AsyncClient, control: AsyncClient) -> WatchedPage:
    """Page the team; PagerTree does it, but its answer is lost and its webhooks are off.

    Webhooks are on again once the service has found out by itself.
    """
    await _change(control, webhooks="off", acknowledge_after_s=None)
    await _post(control, "/control/faults", fault="lost_response", path_end="/alerts")
    began, steps = monotonic(), list[Step]()
    page_id = await _page(api, "Search is slow", began, steps)
    page = await _watch(api, page_id, PAGING, began, steps)
    await _change(control, webhooks="on", acknowledge_after_s=ACKNOWLEDGE_LATER_S)
    if page["pagertree_id"] is not None:
        await _post(control, f"/control/alerts/{page['pagertree_id']}/acknowledge")
        page = await _watch(api, page_id, ACKNOWLEDGED, began, steps)
    return WatchedPage("the answer is lost on its way, and so are the webhooks", page, steps)


async def look_at_pagertree(control: AsyncClient, pages: Sequence[WatchedPage]) -> Paged:
    """Return the pages beside what the simulator saw and did."""
    alerts, notifications, requests = [
        (await control.get(f"/control/{name}")).raise_for_status().json()
        for name in ("alerts", "notifications", "requests")
    ]
    return Paged(TEAM, pages, alerts, notifications, requests)


async def _page(api: AsyncClient, title: str, began: float, steps: list[Step]) -> str:
    """Ask for a page of the team; return its id."""
    attributes = {"title": title, "urgency": "high", "teams": [{"name": TEAM}]}
    document = {"data": {"type": "pages", "attributes": attributes}}
    answer = await api.post("/v1/pages", json=document)
    page = answer.raise_for_status().json()["data"]
    _note(page["attributes"]["status"], began, steps)
    return str(page["id"])


async def _watch(
    api: AsyncClient, page_id: str, until: frozenset[str], began: float, steps: list[Step]
) -> Row:
    """Note down the statuses that a page shows until it has one of these, or takes too long."""
    deadline = monotonic() + PAGE_TIMEOUT_S
    while True:
        answer = await api.get(f"/v1/pages/{page_id}")
        page = dict(answer.raise_for_status().json()["data"]["attributes"])
        _note(page["status"], began, steps)
        if page["status"] in until or monotonic() > deadline:
            return page
        await asyncio.sleep(ASK_EVERY_S)


def _note(status: str, began: float, steps: list[Step]) -> None:
    if not steps or steps[-1].status != status:
        steps.append(Step(status, round((monotonic() - began) * 1000)))


async def _change(control: AsyncClient, **options: Any) -> None:
    (await control.patch("/control", json=options)).raise_for_status()


async def _post(control: AsyncClient, path: str, **body: Any) -> None:
    (await control.post(path, json=body)).raise_for_status()
