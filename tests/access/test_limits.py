"""How often keys may be used and logins may fail, counted by all processes together."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.keys import create_key
from pagersync.access.limits import Count, Kind, limits_of, source_of
from pagersync.access.models import Scope
from pagersync.app import create_service
from pagersync.database.engine import Sessions, raw_connection
from pagersync.http import AsyncClient, Response
from pagersync.settings import Settings
from tests.support.account import Account, event
from tests.support.server import running_server, serving

HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-used", "x-ratelimit-reset")


@asynccontextmanager
async def processes(
    settings: Settings, sessions: Sessions, count: int = 1, **limits: int
) -> AsyncIterator[list[AsyncClient]]:
    """Yield a client of each of several services on one database, all with the same key."""
    async with sessions.begin() as session:
        token = (await create_key(session, "limited", [Scope.ADMIN])).token
    limited = settings.model_copy(update=limits)
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(count):
            url = await stack.enter_async_context(running_server(limited, with_workers=False))
            client = AsyncClient(base_url=url, headers=headers, trust_env=False)
            clients.append(await stack.enter_async_context(client))
        yield clients


async def age(engine: AsyncEngine, minutes: int) -> None:
    """Let what was counted be older."""
    async with raw_connection(engine) as connection:
        await connection.execute("UPDATE request_counts SET minute = minute - $1", minutes)


def statuses(answers: list[Response]) -> dict[int, int]:
    found = [answer.status_code for answer in answers]
    return {status: found.count(status) for status in set(found)}


async def test_every_answer_says_how_much_is_left(
    settings: Settings, sessions: Sessions, engine: AsyncEngine
) -> None:
    del engine  # needed only to be emptied
    async with processes(settings, sessions, reads_per_minute_max=100) as (client,):
        began = time.time()
        for used, path in enumerate(("/v1/severities", "/v1/nowhere", "/v1/alerts/x?y=1"), 1):
            headers = (await client.get(path)).headers
            assert headers["x-ratelimit-limit"] == "100, 100;window=60"
            assert headers["x-ratelimit-used"] == str(used)
            assert headers["x-ratelimit-remaining"] == str(100 - used)
            assert began < float(headers["x-ratelimit-reset"]) < began + 130
        written = await client.post("/v1/severities", json={})
        assert written.status_code == 422
        assert written.headers["x-ratelimit-limit"] == "3000, 3000;window=60"
        assert written.headers["x-ratelimit-used"] == "1"


async def test_what_is_over_the_limit_is_refused_by_all_processes_together(
    settings: Settings, sessions: Sessions, engine: AsyncEngine
) -> None:
    async with processes(settings, sessions, 2, reads_per_minute_max=10) as clients:
        asked = [each.get("/v1/severities") for each in clients for _ in range(10)]
        answers = list(await asyncio.gather(*asked))
        assert statuses(answers) == {200: 10, 429: 10}
        refused = next(answer for answer in answers if answer.status_code == 429)
        (error,) = refused.json()["errors"]
        assert error["code"] == "rate_limited"
        assert "10 reads a minute" in error["detail"]
        assert 1 <= int(refused.headers["retry-after"]) <= 70
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert (await clients[0].post("/v1/severities", json={})).status_code == 422
        await age(engine, 2)
        assert (await clients[1].get("/v1/severities")).status_code == 200


async def test_new_alerts_have_a_limit_of_their_own(
    settings: Settings, sessions: Sessions, engine: AsyncEngine
) -> None:
    del engine  # needed only to be emptied
    async with processes(settings, sessions, alerts_per_minute_max=2) as (client,):
        answers = [await client.post("/v1/alerts", json={}) for _ in range(3)]
        assert statuses(answers) == {422: 2, 429: 1}
        assert "2 new alerts a minute" in answers[-1].text
        assert (await client.post("/v1/pages", json={})).status_code == 422


async def test_below_a_path_of_a_proxy_new_alerts_have_the_same_limit(
    settings: Settings, sessions: Sessions, engine: AsyncEngine
) -> None:
    del engine  # needed only to be emptied
    limited = settings.model_copy(update={"alerts_per_minute_max": 1})
    service = create_service(limited, with_workers=False)

    async def below(scope: Any, receive: Any, send: Any) -> None:
        await service({**scope, "root_path": "/pagersync"}, receive, send)

    async with sessions.begin() as session:
        token = (await create_key(session, "limited", [Scope.ADMIN])).token
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        serving(below) as url,
        AsyncClient(base_url=f"{url}/pagersync", headers=headers, trust_env=False) as client,
    ):
        answers = [await client.post("/v1/alerts", json={}) for _ in range(2)]
    assert statuses(answers) == {422: 1, 429: 1}


async def test_no_limit_is_no_header_and_no_row(
    settings: Settings, sessions: Sessions, engine: AsyncEngine
) -> None:
    async with processes(settings, sessions, reads_per_minute_max=0) as (client,):
        headers = (await client.get("/v1/severities")).headers
        assert not {*HEADERS} & headers.keys()
    async with raw_connection(engine) as connection:
        assert await connection.fetchval("SELECT count(*) FROM request_counts") == 0


async def test_the_last_minute_weighs_less_and_less(
    settings: Settings, sessions: Sessions, engine: AsyncEngine
) -> None:
    async with processes(settings, sessions, reads_per_minute_max=1000) as (client,):
        await client.get("/v1/severities")
        async with raw_connection(engine) as connection:
            await connection.execute("UPDATE request_counts SET used = 600, minute = minute - 1")
        used = int((await client.get("/v1/severities")).headers["x-ratelimit-used"])
        assert 1 <= used <= 602
        async with raw_connection(engine) as connection:
            row = await connection.fetchrow("SELECT used, used_before FROM request_counts")
        assert row is not None
        assert (row["used"], row["used_before"]) in {(1, 600), (1, 0)}, "the minute may have ended"


async def test_failed_logins_are_slowed_and_valid_keys_are_not(
    settings: Settings, sessions: Sessions, engine: AsyncEngine
) -> None:
    async with processes(settings, sessions, 2, failed_logins_per_minute_max=5) as clients:
        wrong = [{"Authorization": f"Bearer psk_{number}"} for number in range(10)]
        answers = [
            await clients[number % 2].get(path, headers=headers)
            for number, (headers, path) in enumerate(
                zip(wrong, ("/v1/severities", "/v1/nowhere") * 5, strict=True)
            )
        ]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 5
        (error,) = answers[-1].json()["errors"]
        assert error["code"] == "too_many_failed_logins"
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert not {*HEADERS} & answers[-1].headers.keys()
        assert (await clients[0].get("/v1/severities")).status_code == 200
        assert (await clients[0].get("/livez", headers=wrong[0])).status_code == 200
        await age(engine, 2)
        again = await clients[1].get("/v1/severities", headers=wrong[0])
        assert again.status_code == 401


async def test_the_webhooks_door_is_not_slowed(
    settings: Settings, sessions: Sessions, account: Account
) -> None:
    async with processes(settings, sessions, failed_logins_per_minute_max=1) as (client,):
        for _ in range(3):
            await client.get("/v1/severities", headers={"Authorization": "Bearer x"})
        path = f"/webhooks/pagertree/{account.id}"
        answer = await client.post(path, params={"secret": account.secret}, json=event())
        assert answer.status_code == 202
        wrong = [await client.post(path, params={"secret": "x"}, json=event()) for _ in range(3)]
        assert statuses(wrong) == {401: 3}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/alerts", {Kind.READS: 3000}),
        ("HEAD", "/v1/alerts", {Kind.READS: 3000}),
        ("DELETE", "/v1/alerts", {Kind.WRITES: 3000}),
        ("POST", "/v1/alerts", {Kind.WRITES: 3000, Kind.ALERTS: 50}),
        ("POST", "/v1/alerts/x/resolve", {Kind.WRITES: 3000}),
    ],
)
def test_rootlys_limits_are_the_defaults(method: str, path: str, expected: Any) -> None:
    assert limits_of(Settings(), method, path) == expected


@pytest.mark.parametrize("allowed", [1, 2, 50, 3000])
@pytest.mark.parametrize("second", [0.0, 1.5, 30.0, 59.9])
@pytest.mark.parametrize("before", [0, 1, 25, 3000])
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_who_waits_as_long_as_told_gets_in(
    allowed: int, second: float, before: int, part: float
) -> None:
    now = math.ceil(allowed * part)
    before = min(before, allowed)
    if before * (1 - second / 60) + now <= allowed - 1:
        return  # this one is not refused
    count = Count(Kind.READS, allowed, now, before, is_refused=True, minute=7, second=second)
    later = second + count.retry_after_s
    minutes, then = divmod(later, 60)
    old, new = {0: (before, now), 1: (now, 0)}.get(int(minutes), (0, 0))
    assert old * (1 - then / 60) + new <= allowed - 1 + 1e-9
    assert count.reset_at_s >= 7 * 60 + second + count.retry_after_s


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("", "unknown"),
        ("a.sock", "unknown"),
    ],
)
def test_an_address_of_ipv6_stands_for_its_network(address: str | None, source: str) -> None:
    assert source_of(address) == source
