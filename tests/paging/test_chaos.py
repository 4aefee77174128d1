"""Everything goes wrong at once: still no page is lost, none is sent twice, none is made up.

The oracle is PagerTree alone. A run works on four batches of pages, the next day on the next
four of 24. `PAGERSYNC_CHAOS_SEED=7 make test ARGS="-k chaos"` replays one batch,
`PAGERSYNC_CHAOS_RUNS=10000` works on that many pages.
"""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, suppress
from random import Random
from time import monotonic
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.errors import ConflictError
from pagersync.paging.models import OperationKind, marker_of
from pagersync.paging.service import cancel_operation, get_page, request_operation
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.chaos import Plan, Seen, seeds
from tests.support.hurry import hurrying
from tests.support.server import running_server
from tests.support.workers import Stage

pytestmark = pytest.mark.long

PAGES = 100
SETTLE_S = 60
SEEDS = 24


@pytest.fixture
def chaos_settings(settings: Settings) -> Settings:
    """Return settings with short pauses: over `slow_s`, under `hold_s`, over the search's lag."""
    return settings.model_copy(
        update={
            "search_settle_s": 0.3,
            "pagertree_timeout_s": 0.3,
            "operation_lease_s": 3.0,
            "apply_lease_s": 3.0,
            "pagertree_calls_per_s": 1000.0,
            "pagertree_burst_calls": 1000,
            "operation_attempts_max": 1000,
        }
    )


class Chaos:
    """One batch of pages."""

    def __init__(self, plan: Plan, paging: Paging, settings: Settings) -> None:
        self.plan = plan
        self.paging = paging
        self.pages: list[UUID] = []
        self.wrong: dict[UUID, str] = {}
        self._rng = Random(plan.seed)
        self.stage = Stage(paging.simulator, settings, self._rng)

    async def run(self) -> None:
        """Ask for all pages while things go wrong; then be well, and stay until all is quiet."""
        self.stage.start()
        await self.paging.reaches(await self.paging.page(title="The reference"), "confirmed")
        self.paging.simulator.change(**self.plan.faults)
        for number in range(PAGES):
            for happening in self.plan.moments.get(number, ()):
                await self.stage.happen(happening)
            await self._ask()
            await self._act()
            await asyncio.sleep(self._rng.uniform(0, 0.01))
        self.stage.recover()

    async def _ask(self) -> None:
        rng = self._rng
        urgency = rng.choice(("high", "auto", "critical"))
        severity = rng.choice((None, "critical", "low"))
        self.pages.append(await self.paging.page(urgency=urgency, severity=severity))

    async def _act(self) -> None:
        """Do something to a page that is on its way: here, or as a person in PagerTree."""
        rng, page_id = self._rng, self._rng.choice(self.pages[-10:])
        match rng.choice(("ack", "resolve", "cancel", "escalate", "nothing", "nothing", "nothing")):
            case "ack":
                await self._request(page_id, OperationKind.ACKNOWLEDGE_ALERT)
            case "resolve":
                await self._request(page_id, OperationKind.RESOLVE_ALERT)
            case "cancel":
                await self._cancel(page_id)
            case "escalate":
                self._escalate(rng)

    async def _request(self, page_id: UUID, kind: OperationKind) -> None:
        async with self.paging.sessions.begin() as session:
            page = await get_page(session, page_id)
            await request_operation(
                session, kind, integration_id=page.integration_id, page=page, requested_by="a test"
            )

    async def _cancel(self, page_id: UUID) -> None:
        create = (await self.paging.operations(page_id))[0]
        with suppress(ConflictError):
            async with self.paging.sessions.begin() as session:
                await cancel_operation(session, create.id)

    def _escalate(self, rng: Random) -> None:
        alerts = [a for a in self.paging.simulator.alerts()[-10:] if a["status"] == "open"]
        if alerts:
            action = rng.choice(("reject", "timeout", "acknowledge", "resolve"))
            self.paging.simulator.act(rng.choice(alerts)["id"], action)

    async def look(self, engine: AsyncEngine) -> dict[UUID, str]:
        """Return what is wrong with which page, or not over yet."""
        async with raw_connection(engine) as connection:
            rows = await connection.fetch(_STANDING)
            await connection.execute(_CHECK, list(self.wrong))
        alerts: dict[str, list[dict[str, object]]] = {}
        for alert in self.paging.simulator.alerts():
            mark = next(tag for tag in alert["tags"] if tag.startswith("pagersync:"))
            alerts.setdefault(mark, []).append(alert)
        paged: dict[str, Counter[str]] = {}
        for each in self.paging.simulator.notifications():
            paged.setdefault(each["alert_id"], Counter())[each["target_id"]] += 1
        wrong: dict[UUID, str] = {}
        for row in rows:
            mark = marker_of(row["create_id"])
            there = alerts.get(mark, [])
            on = sum((paged.get(str(alert["id"]), Counter()) for alert in there), Counter[str]())
            seen = Seen(
                mark,
                row["status"],
                (row["pagertree_id"], row["pagertree_alert_id"]),
                there,
                on,
                row["attempts"],
            )
            problem = f"under way: {row['under_way']}" if row["under_way"] else seen.wrong()
            if problem is None and self.plan.records_all and not seen.is_recorded:
                problem = "no attempt was recorded"
            if problem:
                wrong[row["id"]] = problem
        self.wrong = wrong
        return wrong


_STANDING = """
SELECT p.id, p.status, p.pagertree_id, p.pagertree_alert_id,
    (SELECT o.id FROM operations o WHERE o.page_id = p.id AND o.kind = 'create_alert') AS create_id,
    (SELECT count(*) FROM attempts a JOIN operations o ON o.id = a.operation_id
     WHERE o.page_id = p.id) AS attempts,
    (SELECT array_agg(o.kind || ' ' || o.state || coalesce(': ' || o.last_error, ''))
     FROM operations o WHERE o.page_id = p.id AND o.state IN ('queued', 'running')) AS under_way
FROM pages p
"""

_CHECK = """
UPDATE pages SET check_at = now() WHERE id IN (
    SELECT id FROM pages WHERE id = ANY($1::uuid[]) AND check_at > now() FOR UPDATE SKIP LOCKED)
"""


async def settled(chaos: Chaos, engine: AsyncEngine) -> None:
    """Wait until PagerTree and we agree about every page, or fail with the seed."""
    deadline = monotonic() + SETTLE_S
    while wrong := await chaos.look(engine):
        assert monotonic() < deadline, (
            f"PAGERSYNC_CHAOS_SEED={chaos.plan.seed}: {wrong}\n{chaos.plan}"
        )
        await asyncio.sleep(0.3)


@pytest.mark.parametrize("seed", seeds(SEEDS, each=PAGES))
async def test_in_chaos_every_page_goes_out_once(
    idle: Paging, engine: AsyncEngine, chaos_settings: Settings, seed: int
) -> None:
    plan = Plan.drawn(seed, PAGES)
    idle.simulator.change(hold_s=0.4, slow_s=0.1, retry_after_s=0)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running_server(chaos_settings, with_workers=False))
        await stack.enter_async_context(hurrying(engine))
        idle.simulator.change(
            **plan.account,
            webhook_url=f"{url}/webhooks/pagertree/{idle.integration_id}",
            webhook_secret=idle.webhook_secret,
        )
        chaos = Chaos(plan, idle, chaos_settings)
        stack.push_async_callback(chaos.stage.end)
        await chaos.run()
        await settled(chaos, engine)
        idle.simulator.change(webhooks="off")
    assert len(await chaos.look(engine)) == 0
