"""How late pages are while PagerTree fails, and how many go out twice when its search slows down.

Against the simulated PagerTree as a process of its own, without webhooks: each page that may have
been sent must be looked for. A page is late by the time from asking for it until PagerTree has its
first alert. Run alone as `python -m bench.late`.
"""

import argparse
import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final
from uuid import UUID

import uvloop
from sqlalchemy import select

from bench.database import Database, open_database
from bench.figures import Figure, Target, percentile, to_table
from bench.paging import wait_until_done
from bench.processes import Server, running, serving, serving_simulator
from pagersync.database.engine import create_sessions
from pagersync.http import AsyncClient
from pagersync.integrations.service import add_integration
from pagersync.integrations.vault import open_vault
from pagersync.paging.models import Operation, marker_of
from pagersync.paging.service import NewPage, create_page
from pagersync.paging.settle import SAMPLES_MIN

API_KEY: Final = "bench"
LAG_S: Final = 0.8
PAGES_PER_S: Final[Mapping[float, float]] = {0.10: 2.0, 0.35: 1.0}
"""By the share of requests that fail before they act. With 7 of 10 failing, a page takes about 7
turns, and an account gets ten a second: at two pages a second they would wait for that limit."""

WARM_UP_PAGES: Final = 10
"""So many go out before anything fails, and as many again until the account's lag is known."""

WARM_UP_PAGES_MAX: Final = 200
WARM_UP_PER_S: Final = 2.0

ALL_THERE_TIMEOUT_S: Final = 240.0
WELL: Final = {
    "internal_error": 0.0,
    "bad_gateway": 0.0,
    "lost_response": 0.0,
    "truncated": 0.0,
}
P90_S_MAX: Final[Mapping[float, float]] = {0.10: 5.0, 0.35: 30.0}
SLOWER: Final = (2, 5, 10)


@dataclass(slots=True)
class Stage:
    """A connected account at a simulated PagerTree, and what was asked of it."""

    database: Database
    pagertree_url: str
    integration_id: UUID
    target: dict[str, Any]
    measures: bool
    asked_at: dict[str, datetime] = field(default_factory=dict)

    async def ask(self, pages: int, *, per_s: float) -> None:
        """Ask for pages, evenly spread over time."""
        async with self.database.engine() as engine:
            sessions, begun_s = create_sessions(engine), monotonic()
            for number in range(pages):
                await asyncio.sleep(begun_s + number / per_s - monotonic())
                new = NewPage(
                    integration_id=self.integration_id,
                    title=f"page {number}",
                    targets=[self.target],
                    requested_by="the bench",
                    urgency="high",
                )
                async with sessions.begin() as session:
                    page = await create_page(session, new)
                    statement = select(Operation.id).where(Operation.page_id == page.id)
                    create_id = (await session.scalars(statement)).one()
                self.asked_at[marker_of(create_id)] = datetime.now(UTC)

    async def change(self, **options: Any) -> None:
        """Let the simulated PagerTree behave otherwise."""
        async with AsyncClient(trust_env=False) as client:
            answer = await client.patch(f"{self.pagertree_url}/control", json=options)
            answer.raise_for_status()

    async def alerts(self) -> dict[str, list[datetime]]:
        """Return when PagerTree made the alerts of each page that was asked for."""
        async with AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.pagertree_url}/control/alerts")
        made: dict[str, list[datetime]] = {}
        for alert in answer.raise_for_status().json():
            for tag in set(alert["tags"]) & self.asked_at.keys():
                made.setdefault(tag, []).append(datetime.fromisoformat(alert["created_at"]))
        return made

    async def samples(self) -> int:
        """Return how often it was measured how far the search lags behind."""
        async with self.database.connection() as connection:
            statement = "SELECT count(*) FROM search_lags WHERE found_ms IS NOT NULL"
            return int(await connection.fetchval(statement))

    async def all_there(self) -> dict[str, list[datetime]]:
        """Wait until each page is in PagerTree, and no more can follow."""
        async with self.database.connection() as connection:
            await wait_until_done(connection, ALL_THERE_TIMEOUT_S)
        return await self.alerts()


def measure_late(
    database: Database, log: Path, *, pages: int, slower: bool = True
) -> Iterator[Figure]:
    """Measure how late pages are while PagerTree fails, and what a search that slows down does."""
    for share in P90_S_MAX:
        yield measure_faults(database, log, share=share, pages=pages)
    for mode in ("measured", "careful") if slower else ():
        for times in SLOWER:
            yield measure_slower(database, log, mode=mode, times=times, pages=pages)


def measure_faults(database: Database, log: Path, *, share: float, pages: int) -> Figure:
    """Time pages while this share of requests fails before acting, and as many after it."""
    with _stage(database, log) as stage:
        uvloop.run(_page(stage, pages, before=share, after=share, lag_s=LAG_S))
        made = uvloop.run(stage.all_there())
    late_s = [
        (min(made[mark]) - asked_at).total_seconds()
        for mark, asked_at in stage.asked_at.items()
        if mark in made
    ]
    doubled = sum(len(times) > 1 for times in made.values())
    p50_s, p90_s = percentile(late_s, 50), percentile(late_s, 90)
    return Figure(
        name=f"{share:.0%} of requests fail before acting, {share:.0%} after: p90",
        value=p90_s,
        unit="s",
        failures=doubled + len(stage.asked_at) - len(made),
        target=Target(value_max=P90_S_MAX[share]),
        note=f"p50 {p50_s:.2f} s, p90 {p90_s:.2f} s, max {max(late_s):.2f} s, {doubled} doubled, "
        f"{len(late_s)} of {len(stage.asked_at)} pages; the search lags {LAG_S:g} s",
    )


def measure_slower(database: Database, log: Path, *, mode: str, times: int, pages: int) -> Figure:
    """Count the pages that go out twice after the search became so many times slower at once."""
    with _stage(database, log, mode=mode) as stage:
        uvloop.run(_page(stage, pages, before=0.10, after=0.10, lag_s=LAG_S * times))
        made = uvloop.run(stage.all_there())
    counts = Counter(len(times) for times in made.values())
    doubled = sum(count for alerts, count in counts.items() if alerts > 1)
    return Figure(
        name=f"{mode}: the search is {times} times slower at once: doubled",
        value=100 * doubled / len(stage.asked_at),
        unit="%",
        failures=len(stage.asked_at) - len(made),
        note=f"{doubled} of {len(stage.asked_at)} pages, of which 10 % lost their answer",
    )


async def _page(stage: Stage, pages: int, *, before: float, after: float, lag_s: float) -> None:
    """Let the lag become known; then ask for pages while things go wrong."""
    await stage.change(**WELL, search_lag_s=LAG_S)
    await stage.ask(WARM_UP_PAGES, per_s=WARM_UP_PER_S)
    while stage.measures and await stage.samples() < SAMPLES_MIN:
        if len(stage.asked_at) >= WARM_UP_PAGES_MAX:
            raise RuntimeError("the lag of the search stays unknown")
        await stage.ask(WARM_UP_PAGES, per_s=WARM_UP_PER_S)
    await stage.all_there()
    stage.asked_at.clear()
    await stage.change(
        internal_error=before / 2,
        bad_gateway=before / 2,
        lost_response=after / 2,
        truncated=after / 2,
        search_lag_s=lag_s,
    )
    await stage.ask(pages, per_s=PAGES_PER_S[before])


@contextmanager
def _stage(database: Database, log: Path, *, mode: str = "measured") -> Iterator[Stage]:
    """Run a worker and the PagerTree that it calls, both of them new."""
    uvloop.run(database.empty())
    environment = {**database.environment, "PAGERSYNC_SEARCH_SETTLE": mode}
    with serving_simulator(API_KEY, log) as pagertree:
        stage = uvloop.run(_connect(database, pagertree, measures=mode == "measured"))
        with running("pagersync", "worker", environment=environment, log=log):
            yield stage


async def _connect(database: Database, pagertree: Server, *, measures: bool) -> Stage:
    api_url = f"{pagertree.url}/api/v4"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with AsyncClient(trust_env=False, headers=headers) as client:
        team = (await client.get(f"{api_url}/teams")).raise_for_status().json()["data"][0]
    target = {
        "kind": "team",
        "pagertree_id": team["id"],
        "prefix_id": team["prefix_id"],
        "name": team["name"],
    }
    async with database.engine() as engine, create_sessions(engine).begin() as session:
        new = await add_integration(
            session,
            name=f"late {pagertree.url}",
            pagertree_url=api_url,
            api_key_encrypted=open_vault(database.settings).encrypt(API_KEY),
        )
    return Stage(database, pagertree.url, new.integration.id, target, measures)


def main() -> None:
    """Measure only this, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.late", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few pages")
    parser.add_argument("--faults-only", action="store_true", help="leave out the slower searches")
    options = parser.parse_args()
    pages = 60 if options.quick else 200
    with tempfile.TemporaryDirectory(prefix="ps-bench-") as directory:
        Path(directory).chmod(0o711)  # under root, PostgreSQL runs as another user
        log, data_dir = Path(directory) / "processes.log", Path(directory) / "data"
        with serving(environment={"PAGERSYNC_DATA_DIR": str(data_dir)}, log=log):
            pass  # it sets up the database
        with open_database(data_dir) as database:
            figures = []
            slower = not options.faults_only
            for figure in measure_late(database, log, pages=pages, slower=slower):
                print(json.dumps([figure.name, figure.value, figure.note]), flush=True)
                figures.append(figure)
    print(to_table(figures))


if __name__ == "__main__":
    main()
