"""From an accepted page to the call at PagerTree: how soon one, and how many a second."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any, Final
from uuid import UUID

import uvloop

from bench.client import Address, Exchange
from bench.database import Database
from bench.figures import Figure, Target, percentile
from bench.pagertree_stub import TEAM
from bench.processes import running, serving
from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Connection, create_sessions
from pagersync.http import AsyncClient
from pagersync.integrations.service import add_integration
from pagersync.integrations.vault import open_vault
from pagersync.paging.service import NewPage, create_page

CALLED: Final = Target(p50_ms_max=25)
SENT: Final = Target(value_min=500)
UNLIMITED: Final = {
    "PAGERSYNC_PAGERTREE_CALLS_PER_S": "1000",
    "PAGERSYNC_PAGERTREE_BURST_CALLS": "1000",
}
CONCURRENCY: Final = 8
"""As `PAGERSYNC_OPERATION_CONCURRENCY` is when nobody sets it."""

WARM_UP_PAGES: Final = 10
PAGES_PER_COMMIT: Final = 100
PAUSE_MIN_S: Final = 0.002
PAUSE_MAX_S: Final = 0.020
LOOK_EVERY_S: Final = 0.005
DONE_TIMEOUT_S: Final = 10.0
DRAIN_TIMEOUT_S: Final = 60.0
NAME: Final = "paging"

Arrivals = Mapping[str, Sequence[float]]
"""When the calls about each title came."""


@dataclass(frozen=True, slots=True)
class PagingAccount:
    """A connected account whose PagerTree is the stub, and a key that may page it."""

    id: UUID
    pagertree_url: str
    token: str = field(repr=False)

    def page(self, title: str) -> bytes:
        """Return what asks for a page of its one team."""
        attributes = {"title": title, "integration": NAME, "teams": [{"name": TEAM["name"]}]}
        return json.dumps({"data": {"type": "pages", "attributes": attributes}}).encode()

    @property
    def headers(self) -> dict[str, str]:
        """What stands in every request to our API."""
        return {"Authorization": f"Bearer {self.token}"}


async def connect_paging_account(database: Database, pagertree_url: str) -> PagingAccount:
    """Add an account at this PagerTree."""
    encrypted = open_vault(database.settings).encrypt("bench")
    async with database.engine() as engine, create_sessions(engine).begin() as session:
        new = await add_integration(
            session, name=NAME, pagertree_url=pagertree_url, api_key_encrypted=encrypted
        )
        key = await create_key(session, NAME, [Scope.ADMIN])
        return PagingAccount(new.integration.id, pagertree_url, key.token)


@dataclass(frozen=True, slots=True)
class Moments:
    """When things happened to each title, by the monotonic clock."""

    asked_s: dict[str, float] = field(default_factory=dict)
    accepted_s: dict[str, float] = field(default_factory=dict)
    posted_s: dict[str, float] = field(default_factory=dict)


def measure_call_latency(
    database: Database, account: PagingAccount, log: Path, *, samples: int
) -> list[Figure]:
    """Page one at a time by an idle `serve`; time from its 202 until the call is at PagerTree.

    Each page is followed by a bare POST of the same kind to the same PagerTree, as the reference.
    """
    uvloop.run(database.empty())
    environment = {**database.environment, **UNLIMITED}
    with serving(environment=environment, log=log) as server:
        moments, arrivals = uvloop.run(_page_in_turns(database, account, server.url, samples))
    bare = _latency("idle: bare httpx POST -> the same PagerTree", moments.posted_s, arrivals)
    name = "idle: page accepted -> call at PagerTree"
    paged = _latency(name, moments.accepted_s, arrivals, target=CALLED, samples=samples)
    answers_ms = [
        (accepted_s - moments.asked_s[title]) * 1000
        for title, accepted_s in moments.accepted_s.items()
    ]
    times = (paged.p50_ms or 0) / (bare.p50_ms or 1)
    note = f"{times:.1f} x the bare POST; before it {percentile(answers_ms, 50):.1f} ms to the 202"
    return [bare, replace(paged, note=note)]


def _latency(
    name: str,
    since_s: Mapping[str, float],
    arrivals: Arrivals,
    *,
    target: Target | None = None,
    samples: int = 0,
) -> Figure:
    took_ms = [
        (arrivals[title][0] - since_s[title]) * 1000 for title in since_s if title in arrivals
    ]
    once = sum(len(arrivals.get(title, ())) == 1 for title in since_s)
    return Figure(
        name=name,
        value=len(took_ms),
        unit="samples",
        p50_ms=percentile(took_ms, 50),
        p99_ms=percentile(took_ms, 99),
        target=target,
        failures=(samples or len(since_s)) - once,
    )


async def _page_in_turns(
    database: Database, account: PagingAccount, url: str, samples: int
) -> tuple[Moments, Arrivals]:
    moments, address = Moments(), Address.of(f"{url}/v1/pages")
    exchange = await Exchange.open(address)
    async with AsyncClient(trust_env=False) as client, database.connection() as connection:
        sync = f"{url}/v1/integrations/{account.id}/sync"
        (await client.post(sync, headers=account.headers)).raise_for_status()
        for number in range(-WARM_UP_PAGES, samples):
            await asyncio.sleep(random.uniform(PAUSE_MIN_S, PAUSE_MAX_S))
            title = f"page {number}"
            asked_s = monotonic()
            status = await exchange.send(address.post(account.page(title), account.headers))
            accepted_s = monotonic()
            await wait_until_done(connection, DONE_TIMEOUT_S)
            if status == HTTPStatus.ACCEPTED and number >= 0:
                moments.asked_s[title], moments.accepted_s[title] = asked_s, accepted_s
            await _post(client, account, f"bare {number}", moments.posted_s)
        arrivals = await take_arrivals(client, account)
    exchange.close()
    return moments, arrivals


async def _post(
    client: AsyncClient, account: PagingAccount, title: str, posted_s: dict[str, float]
) -> None:
    """Create an alert as plainly as can be."""
    body = {"title": title, "urgency": "high", "destination_team_ids": [TEAM["id"]]}
    posted_s[title] = monotonic()
    answer = await client.post(f"{account.pagertree_url}/alerts", json=body)
    answer.raise_for_status()


async def take_arrivals(client: AsyncClient, account: PagingAccount) -> Arrivals:
    """Return when calls came to the stub since it was last asked."""
    answer = (await client.get(f"{account.pagertree_url}/arrivals")).raise_for_status()
    arrivals: defaultdict[str, list[float]] = defaultdict(list)
    for title, arrived_s in answer.json():
        arrivals[title].append(arrived_s)
    return arrivals


async def wait_until_done(connection: Connection, timeout_s: float) -> None:
    """Wait until no operation is under way, or the time is over."""
    deadline = monotonic() + timeout_s
    while await connection.fetchval(_WAITING):
        if monotonic() > deadline:
            return
        await asyncio.sleep(LOOK_EVERY_S)


def measure_sending(database: Database, account: PagingAccount, log: Path, *, pages: int) -> Figure:
    """Time one `pagersync worker` on pages that wait: calls a second, from the first to the last.

    Bare POSTs, as many at once, are timed right before and right after it.
    """
    uvloop.run(_preload(database, account, pages))
    before = uvloop.run(_measure_posts(account, pages))
    environment = {**database.environment, **UNLIMITED}
    with running("pagersync", "worker", environment=environment, log=log):
        arrivals = uvloop.run(_drain(database, account))
    after = uvloop.run(_measure_posts(account, pages))
    rate = _rate(arrivals)
    return Figure(
        name=f"worker, {pages:,} pages that wait",
        value=rate,
        target=SENT,
        failures=pages - sum(len(times) == 1 for times in arrivals.values()),
        note=f"{rate / ((before + after) / 2):.2f} x bare httpx POSTs, {CONCURRENCY} at once: "
        f"{before:,.0f}/s before it, {after:,.0f}/s after it",
    )


async def _preload(database: Database, account: PagingAccount, pages: int) -> None:
    await database.empty()
    target = {"kind": "team", "pagertree_id": TEAM["id"], **TEAM}
    del target["id"]
    async with database.engine() as engine:
        for first in range(0, pages, PAGES_PER_COMMIT):
            async with create_sessions(engine).begin() as session:
                for number in range(first, min(first + PAGES_PER_COMMIT, pages)):
                    await create_page(session, _new_page(account, number, target))


def _new_page(account: PagingAccount, number: int, target: dict[str, Any]) -> NewPage:
    return NewPage(
        integration_id=account.id,
        title=f"waiting {number}",
        targets=[target],
        requested_by="the bench",
    )


async def _drain(database: Database, account: PagingAccount) -> Arrivals:
    async with AsyncClient(trust_env=False) as client, database.connection() as connection:
        await wait_until_done(connection, DRAIN_TIMEOUT_S)
        return await take_arrivals(client, account)


async def _measure_posts(account: PagingAccount, posts: int) -> float:
    """Return how many bare POSTs a second arrive."""
    titles = iter([f"bare {number}" for number in range(posts)])
    async with AsyncClient(trust_env=False) as client:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(_post_all(client, account, titles))
        return _rate(await take_arrivals(client, account))


async def _post_all(client: AsyncClient, account: PagingAccount, titles: Iterator[str]) -> None:
    for title in titles:
        await _post(client, account, title, {})


def _rate(arrivals: Arrivals) -> float:
    times = sorted(time for each in arrivals.values() for time in each)
    if len(times) < 2:  # noqa: PLR2004 - a rate needs a beginning and an end
        return 0.0
    return (len(times) - 1) / (times[-1] - times[0])


_WAITING = "SELECT EXISTS (SELECT FROM operations WHERE state IN ('queued', 'running'))"
