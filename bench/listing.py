"""Lists of very many alerts: the first page of each kind, and a walk while rows are added."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any, Final

import uvloop

from bench.database import Account, Database
from bench.figures import Figure, Target, percentile
from bench.processes import serving
from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import create_sessions
from pagersync.http import AsyncClient

FIRST_PAGE: Final = Target(p50_ms_max=30)
WARM_UP: Final = 10
SAMPLES: Final = 50
WALKED_PAGES: Final = 100
WALKED_SIZE: Final = 200
ADDED_ROWS: Final = 50
ADDED_EVERY_S: Final = 0.02

QUERIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "all": "",
        "by status": "filter[status]=triggered",
        "by a rare status": "filter[status]=acknowledged",
        "by label": "filter[labels]=team:none",
        "by a rare label": "filter[labels]=team:rare",
        "by time": "filter[started_at][gte]=2026-01-01T00:00:00Z",
        "with their events": "include=events",
    }
)


def measure_lists(database: Database, account: Account, log: Path, *, alerts: int) -> list[Figure]:
    """Ask an idle `serve` for lists of so many alerts."""
    token = uvloop.run(_preload(database, account, alerts))
    with serving("--no-workers", environment=database.environment, log=log) as server:
        figures = uvloop.run(_measure(database, account, server.url, token, alerts))
    uvloop.run(database.empty())
    return figures


async def _preload(database: Database, account: Account, alerts: int) -> str:
    await database.empty()
    async with database.connection() as connection:
        await connection.execute(_ALERTS, account.id, alerts, "L")
        await connection.execute("VACUUM ANALYZE alerts")
    async with database.engine() as engine, create_sessions(engine).begin() as session:
        return (await create_key(session, "bench", [Scope.READ])).token


async def _measure(
    database: Database, account: Account, url: str, token: str, alerts: int
) -> list[Figure]:
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        figures = [
            await _first_page(client, f"first page of {alerts:,} alerts, {name}", query)
            for name, query in QUERIES.items()
        ]
        return [*figures, await _walk(database, account, client)]


async def _first_page(client: AsyncClient, name: str, query: str) -> Figure:
    took_ms, failures = [], 0
    for _ in range(WARM_UP + SAMPLES):
        began = perf_counter()
        answer = await client.get(f"/v1/alerts?{query}")
        took_ms.append((perf_counter() - began) * 1000)
        failures += answer.status_code != 200  # noqa: PLR2004 - anything else is a failure
    took_ms = took_ms[WARM_UP:]
    return Figure(
        name=name,
        value=len(took_ms),
        unit="samples",
        p50_ms=percentile(took_ms, 50),
        p99_ms=percentile(took_ms, 99),
        target=FIRST_PAGE,
        failures=failures,
    )


async def _walk(database: Database, account: Account, client: AsyncClient) -> Figure:
    """Follow `links.next` while alerts are added; every one that was there is seen once."""
    async with database.connection() as connection:
        wanted = await connection.fetch(_NEWEST, WALKED_PAGES * WALKED_SIZE)
        adding = asyncio.create_task(_keep_adding(database, account))
        seen: list[str] = []
        link: str | None = f"/v1/alerts?page[size]={WALKED_SIZE}"
        began = perf_counter()
        while link and len(seen) < len(wanted):
            page: Any = (await client.get(link)).json()
            seen += [row["id"] for row in page["data"]]
            link = page["links"]["next"]
        took_s = perf_counter() - began
        adding.cancel()
        with suppress(asyncio.CancelledError):
            await adding
    expected = [str(row["id"]) for row in wanted]
    skipped = set(expected[:-ADDED_ROWS]) - set(seen)
    return Figure(
        name="alerts walked by links.next while others are added",
        value=len(seen) / took_s,
        failures=len(skipped) + len(seen) - len(set(seen)),
        note="a failure is one that was skipped or came twice",
    )


async def _keep_adding(database: Database, account: Account) -> None:
    prefixes = iter(range(100, 1_000_000))
    async with database.connection() as connection:
        while True:
            await connection.execute(_ALERTS, account.id, ADDED_ROWS, f"M{next(prefixes)}-")
            await asyncio.sleep(ADDED_EVERY_S * random.uniform(0.5, 1.5))


_ALERTS = """
INSERT INTO alerts (id, integration_id, short_id, external_id, external_url, status, summary,
    labels, data, fold, started_at, created_at, updated_at)
SELECT uuidv7(), $1, $3 || n, 'bench-' || $3 || n, '',
    CASE WHEN n % 20 = 0 THEN 'triggered' WHEN n % 50001 = 0 THEN 'acknowledged'
        ELSE 'resolved' END,
    'Alert ' || n,
    CASE WHEN n % 100003 = 0 THEN '{"team": "rare"}' ELSE '{"team": "none"}' END::jsonb,
    '{"title": "Checkout is slow"}', '{}', t, t, t
FROM generate_series(1, $2::int) n, LATERAL (SELECT now() - make_interval(secs => $2::int - n) t)
"""
_NEWEST = "SELECT id FROM alerts ORDER BY id DESC LIMIT $1"
