"""Incidents change while everything goes wrong: paged for once at most, and resolved to the end.

A run works on three batches of incidents, the next day on the next three of nine.
`PAGERSYNC_CHAOS_SEED=7 make test ARGS="-k chaos"` replays one batch.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from random import Random
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.models import Alert
from pagersync.database.engine import raw_connection
from pagersync.errors import InvalidError
from pagersync.http import HTTPError
from pagersync.incidents.attach import attach_alerts
from pagersync.incidents.lifecycle import is_over
from pagersync.incidents.service import change_incident, get_incident
from pagersync.integrations.service import change_integration, get_integration
from pagersync.paging.models import marker_of
from pagersync.settings import Settings
from pagersync.simulator.lifecycle import NotAllowedError
from pagersync.workflows.defaults import create_default_workflows
from tests.paging.conftest import Paging
from tests.support.chaos import Plan, seeds
from tests.support.hurry import hurrying
from tests.support.server import running_server
from tests.support.workers import Stage
from tests.workflows.conftest import PERSON, Flows

INCIDENTS = 40
SETTLE_S = 60
SEEDS = 9
MOVES = ("acknowledged", "mitigated", "resolved", "resolved", "closed", "started", "cancelled")


@pytest.fixture
def chaos_settings(settings: Settings) -> Settings:
    """Return settings with short pauses, and leases that run out while the test goes on."""
    return settings.model_copy(
        update={
            "search_settle_s": 0.3,
            "pagertree_timeout_s": 0.3,
            "operation_lease_s": 3.0,
            "apply_lease_s": 3.0,
            "workflow_lease_s": 3.0,
            "workflow_attempts_max": 1000,
            "apply_attempts_max": 1000,
            "pagertree_calls_per_s": 1000.0,
            "pagertree_burst_calls": 1000,
            "operation_attempts_max": 1000,
        }
    )


class Chaos:
    """One batch of incidents."""

    def __init__(self, plan: Plan, paging: Paging, flows: Flows, settings: Settings) -> None:
        self.plan = plan
        self.paging = paging
        self.flows = flows
        self.incidents: list[UUID] = []
        self._rng = Random(plan.seed)
        self.stage = Stage(paging.simulator, settings, self._rng)

    async def run(self) -> None:
        """Declare and change incidents while things go wrong; then be well."""
        self.stage.start()
        reference = await self.paging.page(title="The reference")
        await self.paging.reaches(reference, "confirmed")
        self.paging.simulator.change(**self.plan.faults)
        for number in range(INCIDENTS):
            for happening in self.plan.moments.get(number, ()):
                await self.stage.happen(happening)
            status = self._rng.choice(("started", "started", "in_triage"))
            self.incidents.append(await self.flows.declare(title=f"I{number}", status=status))
            for _ in range(self._rng.randint(1, 3)):
                await self._change(self._rng.choice(self.incidents[-8:]))
            await asyncio.sleep(self._rng.uniform(0, 0.03))
        self.stage.recover()

    async def _change(self, incident_id: UUID) -> None:
        """Do something to an incident, to its alerts, or as a person in PagerTree."""
        match self._rng.choice(("move", "move", "move", "title", "attach", "person", "stranger")):
            case "move":
                with suppress(InvalidError):  # impossible from where it is
                    await self.flows.move(incident_id, self._rng.choice(MOVES))
            case "title":
                async with self.flows.sessions.begin() as session:
                    incident = await get_incident(session, incident_id, lock=True)
                    title = f"{incident.title}."
                    await change_incident(session, incident, {"title": title}, PERSON)
            case "attach":
                await self._attach(incident_id)
            case "person":
                alerts = self.paging.simulator.alerts()[-5:]
                action = self._rng.choice(("acknowledge", "resolve", "drop", "reject", "timeout"))
                with suppress(NotAllowedError):
                    self.paging.simulator.act(self._rng.choice(alerts)["id"], action)
            case "stranger":
                with suppress(HTTPError):  # it meets the same faults
                    await self.paging.pagertree.create(title="A stranger")

    async def _attach(self, incident_id: UUID) -> None:
        async with self.flows.sessions.begin() as session:
            strangers = select(Alert).where(Alert.summary == "A stranger").order_by(Alert.id.desc())
            alert = await session.scalar(strangers.limit(1))
            if alert is not None:
                incident = await get_incident(session, incident_id, lock=True)
                if not is_over(incident.status):  # what is attached later, nobody resolves
                    await attach_alerts(session, incident, [alert.id], PERSON)

    async def wrong(self, engine: AsyncEngine) -> list[str]:
        """Return what is wrong, or not over yet."""
        async with raw_connection(engine) as connection:
            waiting = await connection.fetch(_WAITING)
            rows = await connection.fetch(_STANDING, self.incidents)
            attached = await connection.fetch(_ATTACHED)
            await connection.execute("UPDATE pages SET check_at = now() WHERE check_at > now()")
        if waiting:
            return [f"under way: {[dict(row) for row in waiting]}"]
        there = {alert["id"]: alert for alert in self.paging.simulator.alerts()}
        return [*self._wrong_pages(rows, there), *_wrong_attached(attached, there)]

    def _wrong_pages(self, rows: Any, there: dict[str, Any]) -> list[str]:
        problems = []
        by_mark: dict[str, list[Any]] = {}
        for alert in there.values():
            for tag in alert["tags"]:
                by_mark.setdefault(tag, []).append(alert)
        for row in rows:
            alerts = [a for create in row["creates"] for a in by_mark.get(marker_of(create), [])]
            if len(row["creates"]) > 1 or len(alerts) > 1:
                problems.append(
                    f"{row['title']}: {len(row['creates'])} pages, {len(alerts)} alerts"
                )
            problems += [
                f"{row['title']} is {row['status']}, its alert is {alert['status']}: {row['story']}"
                for alert in alerts
                if is_over(row["status"]) and alert["status"] != "resolved"
            ]
        return problems


def _wrong_attached(rows: Any, there: dict[str, Any]) -> list[str]:
    by_name = {alert["prefix_id"]: alert for alert in there.values()} | there
    return [
        f"{row['title']} is {row['status']}, attached {row['external_id']} is open"
        for row in rows
        if is_over(row["status"]) and by_name[row["external_id"]]["status"] != "resolved"
    ]


_WAITING = """
SELECT 'event' AS what, type AS which, state, last_error FROM domain_events
WHERE state IN ('queued', 'running')
UNION ALL
SELECT 'run', id::text, state, last_error FROM workflow_runs WHERE state IN ('queued', 'running')
UNION ALL
SELECT 'operation', kind, state, last_error FROM operations WHERE state IN ('queued', 'running')
UNION ALL
SELECT 'delivery', id::text, state, last_error FROM deliveries WHERE state IN ('queued', 'running')
"""

_STANDING = """
SELECT i.title, i.status, array_remove(array_agg(o.id), NULL) AS creates,
    (SELECT array_agg(concat_ws(' ', q.status, a.kind, a.state, a.attempt, a.last_error))
     FROM pages q JOIN operations a ON a.page_id = q.id WHERE q.incident_id = i.id) AS story
FROM incidents i
LEFT JOIN pages p ON p.incident_id = i.id
LEFT JOIN operations o ON o.page_id = p.id AND o.kind = 'create_alert'
WHERE i.id = ANY($1::uuid[]) GROUP BY i.id
"""

_ATTACHED = """
SELECT i.title, i.status, a.external_id FROM incident_alerts l
JOIN incidents i ON i.id = l.incident_id JOIN alerts a ON a.id = l.alert_id
"""


@pytest.mark.parametrize("seed", seeds(SEEDS, each=INCIDENTS))
async def test_in_chaos_an_incident_is_paged_for_once_at_most_and_nothing_stays_open(
    directory: Paging, flows: Flows, engine: AsyncEngine, chaos_settings: Settings, seed: int
) -> None:
    plan = Plan.drawn(seed, INCIDENTS)
    simulator, integration_id = directory.simulator, directory.integration_id
    simulator.change(hold_s=0.4, slow_s=0.1, retry_after_s=0)
    async with flows.sessions.begin() as session:
        team = {"name": simulator.directory.teams[0].name}
        await change_integration(session, integration_id, default_targets={"teams": [team]})
        integration = await get_integration(session, integration_id)
        for workflow in await create_default_workflows(session, integration, "a test"):
            workflow.runs_per_minute_max = 100_000
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running_server(chaos_settings, with_workers=False))
        await stack.enter_async_context(hurrying(engine))
        simulator.change(
            **plan.account,
            webhook_url=f"{url}/webhooks/pagertree/{integration_id}",
            webhook_secret=directory.webhook_secret,
        )
        chaos = Chaos(plan, directory, flows, chaos_settings)
        stack.push_async_callback(chaos.stage.end)
        await chaos.run()
        deadline = monotonic() + SETTLE_S
        while problems := await chaos.wrong(engine):
            assert monotonic() < deadline, f"PAGERSYNC_CHAOS_SEED={seed}: {problems[:5]}\n{plan}"
            await asyncio.sleep(0.3)
        simulator.change(webhooks="off")
