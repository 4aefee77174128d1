"""Kills and floods together: every webhook that was taken pages once, and soon.

`make flood` runs 40 rounds; CI runs as many as fit into a few seconds.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from statistics import quantiles
from time import monotonic
from typing import Any, Final

import pytest

from pagersync.http import AsyncClient, HTTPError
from tests.flood.attack import MIB, flood, sockets_to
from tests.flood.stage import PAGE_S_MAX, connect, key_of, page_for_alerts, send
from tests.support.account import event
from tests.support.pagertree import SimulatedPagerTree, simulated_pagertree
from tests.support.program import ADMIN_KEY, Setup, embedded_setup
from tests.support.wait import eventually

ROUNDS: Final = int(os.environ.get("PAGERSYNC_FLOOD_ROUNDS", "2"))
WEBHOOKS: Final = 4
"""So many come in each round."""

VARIABLES: Final = {
    "PAGERSYNC_PAGERTREE_CALLS_PER_S": "100",
    "PAGERSYNC_SEARCH_SETTLE_S": "2",  # the simulator's search finds an alert at once
}

pytestmark = [pytest.mark.flood, pytest.mark.timeout(120 + 20 * ROUNDS)]

LOOPING: Final = "{% for i in (1..4000) %}{{ incident.title | upcase }}{% endfor %}"


@dataclass
class Play:
    """What is attacked, and what has happened so far; moments are monotonic.

    Attributes:
        taken: when each webhook was answered 202, by its title.
        seen: when its page was first seen in PagerTree.
        down: from when until when nothing served.
    """

    setup: Setup
    pagertree: SimulatedPagerTree
    webhook: str = ""
    secret: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    taken: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    down: list[tuple[float, float]] = field(default_factory=list)

    async def look(self) -> None:
        """Note all the time which pages are in PagerTree."""
        while True:
            for alert in self.pagertree.simulator.alerts():
                self.seen.setdefault(alert["title"], monotonic())
            await asyncio.sleep(0.05)

    def late_s(self, title: str) -> float:
        """Return how long a page took since it could last begin: its webhook, or a start."""
        seen = self.seen[title]
        return seen - max([self.taken[title], *(end for _, end in self.down if end < seen)])


def a_port() -> int:
    """Return a port that is free, so that a service that starts again has the same address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@asynccontextmanager
async def client_of(url: str, key: str) -> AsyncIterator[AsyncClient]:
    headers = {"Authorization": f"Bearer {key}"}
    async with AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=20) as client:
        yield client


async def prepare(play: Play, url: str) -> None:
    """Connect the account, let every alert page, and make keys."""
    async with client_of(url, ADMIN_KEY) as api:
        address, play.secret = await connect(api, play.pagertree)
        play.webhook = url + address[address.index("/webhooks") :]
        await page_for_alerts(api, play.pagertree, runs_per_minute_max=10_000)
        play.keys = {scope: await key_of(api, scope, scope) for scope in ("read", "write")}


async def again(attack: Any) -> None:
    """Attack for as long as the round lasts, whatever is answered."""
    while True:
        with suppress(OSError, EOFError, HTTPError, ValueError):
            await attack()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def under_attack(play: Play, url: str) -> AsyncIterator[None]:
    """Attack as strangers and with two keys, until the block ends."""
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(client_of(url, play.keys["read"]))
        writer = await stack.enter_async_context(client_of(url, play.keys["write"]))
        task = {"task_params": {"task_type": "print", "message": LOOPING}}
        attacks = (
            lambda: flood(url, b"GET / HTTP/1.1\r\nx: ", b"a" * MIB, mib_max=4),
            lambda: reader.get("/v1/alerts?page[size]=200&include=events,incidents"),
            lambda: send(
                reader,
                "/v1/workflows/preview",
                "workflow_previews",
                workflow={"name": "w", "tasks": [task] * 20},
            ),
            lambda: send(writer, "/v1/incidents", "incidents", title="flood", summary="x" * 10_000),
            lambda: send(writer, "/v1/alerts", "alerts", summary="flood", source="api"),
        )
        with suppress(OSError):
            stack.enter_context(sockets_to(url, 100, source="127.0.0.2", send=b"GET / HT"))
        tasks = [asyncio.create_task(again(attack)) for attack in attacks]
        try:
            yield
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def deliver(play: Play, title: str) -> bool:
    """Send a webhook; tell whether it was taken."""
    body = event("alert.created", f"alt_{title}", title=title)
    with suppress(HTTPError):
        async with AsyncClient(trust_env=False, timeout=20) as client:
            answer = await client.post(play.webhook, params={"secret": play.secret}, json=body)
        if answer.status_code == 202:
            play.taken.setdefault(title, monotonic())
            return True
    return False


async def one_round(play: Play, titles: list[str], killed_after_s: float) -> list[str]:
    """Start, attack, send webhooks, kill; return the titles of those that were not taken."""
    async with play.setup.running("serve") as program:
        url = await program.url()
        if play.down:
            play.down[-1] = (play.down[-1][0], monotonic())
        if not play.keys:
            await prepare(play, url)
        async with under_attack(play, url):
            ends = monotonic() + killed_after_s
            while monotonic() < ends:
                titles = [title for title in titles if not await deliver(play, title)]
                await asyncio.sleep(0.1)
            program.process.kill()
            play.down.append((monotonic(), float("inf")))
    return titles


async def last_round(play: Play, titles: list[str]) -> None:
    """Start for the last time, and wait for all pages."""
    async with play.setup.running("serve") as program:
        await program.url()
        play.down[-1] = (play.down[-1][0], monotonic())
        try:
            for title in titles:
                await eventually(partial(deliver, play, title), timeout_s=40)
            await eventually(partial(_all_seen, play), timeout_s=60)
            await asyncio.sleep(1)  # a second page would come now
        finally:
            await program.terminate()


def tell(play: Play) -> None:
    """Print what came out, for `make flood`."""
    late = sorted(play.late_s(title) for title in play.taken)
    cuts = quantiles(late, n=10)
    print(  # noqa: T201 - it is what `make flood` is run for
        f"{ROUNDS} rounds, {len(late)} webhooks: late p50 {cuts[4]:.2f} s, p90 {cuts[8]:.2f} s, "
        f"max {late[-1]:.2f} s"
    )
    for title in sorted(play.taken, key=play.late_s)[-3:]:
        during = [
            round(begin - play.taken[title], 1)
            for begin, _ in play.down
            if play.taken[title] < begin < play.seen[title]
        ]
        print(f"{title}: {play.late_s(title):.2f} s, after kills at {during} s")  # noqa: T201


async def test_kills_and_floods_together_lose_and_double_no_page() -> None:
    rng, numbers = Random(7), count(1)
    with embedded_setup(None, **VARIABLES, PAGERSYNC_PORT=str(a_port())) as setup:
        async with simulated_pagertree() as pagertree:
            play = Play(setup, pagertree)
            looking = asyncio.create_task(play.look())
            waiting: list[str] = []
            for _ in range(ROUNDS):
                waiting += [f"Disk {next(numbers)} is full" for _ in range(WEBHOOKS)]
                waiting = await one_round(play, waiting, rng.uniform(0.2, 6))
            await last_round(play, waiting)
            looking.cancel()
    tell(play)
    titles = [alert["title"] for alert in pagertree.simulator.alerts()]
    assert sorted(title for title in titles if title in play.taken) == sorted(play.taken)
    assert max(play.late_s(title) for title in play.taken) < PAGE_S_MAX


async def _all_seen(play: Play) -> bool:
    return play.taken.keys() <= play.seen.keys()
