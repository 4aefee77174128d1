"""What the demo exchanges with the service, over HTTP like everybody: events in, alerts out."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from pagersync.http import AsyncClient
from pagersync.simulator.demo_checks import Kept, Row, Sent, Told
from pagersync.simulator.demo_stage import PagerTree
from pagersync.simulator.play import SEEDED_START, Play, Script, write_script
from pagersync.simulator.schedule import Chaos, RetrySchedule
from pagersync.simulator.sender import Report, SendOptions, send
from pagersync.simulator.target import Target

PLAY: Final = Play(alerts=40, seed=27, comments=True)
CHAOS: Final = Chaos(duplicate_rate=0.2, reorder=8, late_rate=0.08)
RETRIES: Final = RetrySchedule(time_scale=0.0001)
REQUESTS_AT_ONCE: Final = 4
UNREADABLE: Final = b"this is not JSON"

PAGE_SIZE: Final = 200
ANSWER_TIMEOUT_S: Final = 30.0
APPLY_TIMEOUT_S: Final = 60.0
COUNT_TIMEOUT_S: Final = 10.0
ASK_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Webhook:
    """The connected account's end of the service."""

    integration_id: str
    url: str
    secret: str = field(repr=False)


def write_demo_script(*, now: datetime) -> Script:
    """Write the play of the demo: the same every time, but the last event happens now."""
    last = write_script(PLAY, now=now).events[-1]
    return write_script(replace(PLAY, started_at=SEEDED_START + (now - last.at)), now=now)


@asynccontextmanager
async def open_api(url: str, token: str) -> AsyncIterator[AsyncClient]:
    """Yield a client of the service's API that uses this key."""
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(
        base_url=url, headers=headers, timeout=ANSWER_TIMEOUT_S, trust_env=False
    ) as api:
        yield api


async def connect(api: AsyncClient, pagertree: PagerTree, *, team: str) -> Webhook:
    """Connect the simulated account; the service asks PagerTree whether the key works.

    Its default workflows page the team.

    Raises:
        HTTPError: the service refuses, or does not answer.
    """
    attributes = {
        "name": "demo",
        "api_key": pagertree.api_key,
        "pagertree_url": pagertree.url,
        "default_targets": {"teams": [{"name": team}]},
    }
    document = {"data": {"type": "integrations", "attributes": attributes}}
    answer = await api.post("/v1/integrations", json=document)
    made = answer.raise_for_status().json()["data"]
    # The URL that the service names holds the port of its settings, here 0: any free one.
    path = urlsplit(made["attributes"]["webhook_url"]).path
    url = str(api.base_url.join(path))
    return Webhook(made["id"], url, made["attributes"]["webhook_secret"])


async def send_all(script: Script, webhook: Webhook) -> Sent:
    """Send a play in disorder, each second event with the other form of the secret.

    Two requests that have to be refused go along: one with a wrong secret, one unreadable.
    """
    target = Target(webhook.url, webhook.secret, integration_id=script.account.integration_id)
    *reports, answers = await asyncio.gather(
        _send_half(script, 0, target),
        _send_half(script, 1, replace(target, auth="bare")),
        _send_wrong(script, target),
    )
    return _sum_up(script, reports, answers)


async def _send_half(script: Script, first: int, target: Target) -> Report:
    options = SendOptions(CHAOS, RETRIES, REQUESTS_AT_ONCE, seed=script.seed + first)
    return await send(script.deliveries[first::2], target, options)


async def _send_wrong(script: Script, target: Target) -> dict[str, int]:
    wrong = replace(target, secret="not-the-secret")  # noqa: S106 - that is the point
    async with AsyncClient(timeout=ANSWER_TIMEOUT_S, trust_env=False) as client:
        refused = await client.post(
            wrong.request_url, content=script.deliveries[0].body, headers=wrong.headers
        )
        unreadable = await client.post(
            target.request_url, content=UNREADABLE, headers=target.headers
        )
    return {"wrong secret": refused.status_code, "unreadable body": unreadable.status_code}


def _sum_up(script: Script, reports: Sequence[Report], answers: Mapping[str, int]) -> Sent:
    lives: defaultdict[str, list[Told]] = defaultdict(list)
    others: list[Told] = []
    for event, delivery in zip(script.events, script.deliveries, strict=True):
        told = Told(event, hashlib.sha256(delivery.body).hexdigest())
        is_alert = event.type.startswith("alert.")
        (lives[event.data["id"]] if is_alert else others).append(told)
    requests = sum(report.requests for report in reports)
    return Sent(
        lives=lives,
        others=others,
        unreadable_sha256=hashlib.sha256(UNREADABLE).hexdigest(),
        requests=requests + len(answers),
        duplicates=sum(report.duplicates for report in reports),
        accepted=requests - sum(sum(report.failures.values()) for report in reports),
        given_up=sum(report.given_up for report in reports),
        answers=answers,
    )


async def wait_until_applied(api: AsyncClient) -> None:
    """Return when nothing is queued or running any more, or after a minute at the latest."""

    async def is_idle() -> bool:
        query: dict[str, Any] = {"filter[state]": "queued,running", "page[size]": 1}
        answer = await api.get("/v1/deliveries", params=query)
        return bool(answer.raise_for_status().json()["meta"]["total_count"] == 0)

    await _wait_until(is_idle, timeout_s=APPLY_TIMEOUT_S)


async def read_back(api: AsyncClient, integration_id: str) -> Kept:
    """Read everything that the service keeps; give it a moment to count its refusals.

    Raises:
        HTTPError: the service does not answer.
    """

    async def has_refusals() -> bool:
        return bool(await _refusals(api, integration_id))

    alerts = await _list(api, "/v1/alerts")
    events = {alert["id"]: await _list(api, f"/v1/alerts/{alert['id']}/events") for alert in alerts}
    deliveries = await _list(api, "/v1/deliveries")
    await _wait_until(has_refusals, timeout_s=COUNT_TIMEOUT_S)
    return Kept(alerts, events, deliveries, await _refusals(api, integration_id))


async def _list(api: AsyncClient, path: str) -> list[Row]:
    """Read a list page by page, newest first."""
    rows: list[Row] = []
    query: dict[str, Any] = {"page[size]": PAGE_SIZE}
    while True:
        page = (await api.get(path, params=query)).raise_for_status().json()
        rows += [{**resource["attributes"], "id": resource["id"]} for resource in page["data"]]
        if page["meta"]["next_cursor"] is None:
            return rows
        query["page[after]"] = page["meta"]["next_cursor"]


async def _refusals(api: AsyncClient, integration_id: str) -> dict[str, int]:
    answer = await api.get(f"/v1/integrations/{integration_id}")
    refusals = answer.raise_for_status().json()["data"]["attributes"]["refusals"]
    return {refusal["reason"]: refusal["times"] for refusal in refusals}


async def _wait_until(is_so: Callable[[], Awaitable[bool]], *, timeout_s: float) -> None:
    deadline = monotonic() + timeout_s
    while not await is_so():
        if monotonic() > deadline:
            return
        await asyncio.sleep(ASK_EVERY_S)
