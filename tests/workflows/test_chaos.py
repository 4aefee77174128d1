"""Incidents change while everything goes wrong: paged for once at most, and resolved to the end.

A run works on two batches of incidents, the next day on the next two of twelve.
`PAGERSYNC_CHAOS_SEED=7 make test ARGS="-k chaos"` replays one batch.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
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
from pagersync.events.publish import NO_INTEGRATION
from pagersync.http import HTTPError
from pagersync.incidents.attach import attach_alerts
from pagersync.incidents.lifecycle import is_over
from pagersync.incidents.models import Incident
from pagersync.incidents.service import change_incident, get_incident
from pagersync.integrations.service import change_integration, get_integration
from pagersync.paging.models import marker_of
from pagersync.settings import Settings
from pagersync.simulator.directory import UNSTAFFED_TEAM
from pagersync.simulator.lifecycle import NotAllowedError
from pagersync.workflows.defaults import create_default_workflows
from pagersync.workflows.manual import About, NewManualRun, start_run
from pagersync.workflows.models import WorkflowTask
from pagersync.workflows.service import change_workflow, get_workflow
from tests.paging.conftest import Paging
from tests.support.chaos import Plan, seeds
from tests.support.hurry import hurrying
from tests.support.server import running_server
from tests.support.workers import Stage
from tests.workflows.conftest import PERSON, Flows

pytestmark = pytest.mark.long

INCIDENTS = 40
SETTLE_S = 60
SEEDS = 12
MOVES = (
    *("acknowledged", "mitigated", "resolved", "resolved", "resolved", "resolved"),
    *("closed", "started", "cancelled"),
)
ACTIONS = (
    *("move", "move", "move", "move", "title", "attach"),
    *("person", "person", "stranger", "by_hand", "switch"),
)
MUCH = 100_000
"""Runs a minute: no limit."""


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


@dataclass(frozen=True)
class Rules:
    """The workflows of one batch.

    Attributes:
        pages: pages for each incident that is created.
        resolves: resolves what was paged when the incident is over.
        declares: makes an incident of each alert that was not made for one.
    """

    pages: UUID
    resolves: UUID
    declares: UUID


async def write_rules(directory: Paging, flows: Flows, seed: int) -> Rules:
    """Make the default workflows, as people change them, and one that declares incidents.

    Whom to page when a page is dropped is said in its task, by another workflow, or not at all.
    """
    if_dropped = ("fallback", "workflow", "nothing")[seed // 3 % 3]  # each, every day
    nobody, somebody = (
        {"name": UNSTAFFED_TEAM},
        {"name": directory.simulator.directory.teams[0].name},
    )
    team = somebody if if_dropped == "nothing" else Random(seed).choice((nobody, somebody))
    async with flows.sessions.begin() as session:
        await change_integration(
            session, directory.integration_id, default_targets={"teams": [team]}
        )
        integration = await get_integration(session, directory.integration_id)
        pages, resolves, _ = await create_default_workflows(session, integration, "a test")
        for workflow in (pages, resolves):
            workflow.runs_per_minute_max = MUCH
        if if_dropped == "fallback":
            task = await session.scalar(select(WorkflowTask).filter_by(workflow_id=pages.id))
            assert task is not None
            told = {**task.task_params, "fallback": {"teams": [somebody]}}
            task.task_params = {**told, "task_type": "page_pagertree"}
    if if_dropped == "workflow":
        await flows.add(
            {"task_type": "page_pagertree", "teams": [somebody], "title": "Again"},
            trigger_type="page",
            triggers=["page_dropped"],
            runs_per_minute_max=MUCH,
        )
    declares = await flows.add(
        {"task_type": "create_incident", "title": "{{ alert.summary }}"},
        trigger_type="alert",
        triggers=["alert_created"],
        runs_per_minute_max=MUCH,
    )
    return Rules(pages.id, resolves.id, declares)


class Chaos:
    """One batch of incidents."""

    def __init__(self, plan: Plan, paging: Paging, flows: Flows, settings: Settings) -> None:
        self.plan = plan
        self.paging = paging
        self.flows = flows
        self._rng = Random(plan.seed)
        self.stage = Stage(paging.simulator, settings, self._rng)

    async def run(self) -> None:
        """Declare and change incidents while things go wrong; then be well."""
        self.rules = await write_rules(self.paging, self.flows, self.plan.seed)
        self.stage.start()
        reference = await self.paging.page(title="The reference")
        await self.paging.reaches(reference, "confirmed")
        self.paging.simulator.change(**self.plan.faults)
        for number in range(INCIDENTS):
            for happening in self.plan.moments.get(number, ()):
                await self.stage.happen(happening)
            status = self._rng.choice(("started", "started", "in_triage"))
            await self.flows.declare(title=f"I{number}", status=status)
            newest = await self._newest()
            for _ in range(self._rng.randint(2, 5)):
                await self._change(self._rng.choice(newest))
            await asyncio.sleep(self._rng.uniform(0, 0.06))
        self.stage.recover()

    async def _newest(self) -> Sequence[UUID]:
        """Return some incidents, those among them that workflows have declared."""
        async with self.flows.sessions() as session:
            newest = select(Incident.id).order_by(Incident.number.desc())
            return (await session.scalars(newest.limit(8))).all()

    async def _change(self, incident_id: UUID) -> None:
        """Do something to an incident, to its alerts, or as a person in PagerTree."""
        match self._rng.choice(ACTIONS):
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
            case "by_hand":
                await self._start_by_hand(incident_id)
            case "switch":
                await self._switch()

    async def _attach(self, incident_id: UUID) -> None:
        async with self.flows.sessions.begin() as session:
            strangers = select(Alert).where(Alert.summary == "A stranger").order_by(Alert.id.desc())
            alert = await session.scalar(strangers.limit(1))
            if alert is not None:
                incident = await get_incident(session, incident_id, lock=True)
                if not is_over(incident.status):  # what is attached later, nobody resolves
                    await attach_alerts(session, incident, [alert.id], PERSON)

    async def _start_by_hand(self, incident_id: UUID) -> None:
        workflow_id = self._rng.choice((self.rules.pages, self.rules.resolves))
        new = NewManualRun(about=About("incident", incident_id, NO_INTEGRATION))
        with suppress(InvalidError):  # it is switched off
            async with self.flows.sessions.begin() as session:
                workflow = await get_workflow(session, workflow_id, lock=True)
                await start_run(session, workflow, new, requested_by="a test")

    async def _switch(self) -> None:
        workflow_id = self._rng.choice((self.rules.pages, self.rules.declares))
        async with self.flows.sessions.begin() as session:
            workflow = await get_workflow(session, workflow_id, lock=True)
            await change_workflow(session, workflow, {"enabled": self._rng.random() < 0.7})

    async def wrong(self, engine: AsyncEngine) -> list[str]:
        """Return what is wrong, or not over yet."""
        async with raw_connection(engine) as connection:
            waiting = await connection.fetch(_WAITING)
            failed = await connection.fetch(_FAILED)
            rows = await connection.fetch(_STANDING, self.rules.pages)
            attached = await connection.fetch(_ATTACHED)
            echoes = await connection.fetch(_ECHOES)
            await connection.execute(_CHECK)
        if waiting:
            return [f"under way: {[dict(row) for row in waiting]}"]
        there = {alert["id"]: alert for alert in self.paging.simulator.alerts()}
        return [
            *(f"a run is {row['status']}: {row['status_message']}" for row in failed),
            *(
                f"{row['title']} was made of an alert that was made for an incident"
                for row in echoes
            ),
            *_wrong_pages(rows, there),
            *_wrong_attached(attached, there),
        ]


def _wrong_pages(rows: Any, there: dict[str, Any]) -> list[str]:
    problems = []
    by_mark: dict[str, list[Any]] = {}
    for alert in there.values():
        for tag in alert["tags"]:
            by_mark.setdefault(tag, []).append(alert)
    for row in rows:
        marked = [by_mark.get(marker_of(create), []) for create in row["creates"]]
        is_once = row["pages_of_events"] <= 1 and row["pages_of_runs"] == row["runs"]
        if not is_once or any(len(alerts) > 1 for alerts in marked):
            problems.append(f"{row['title']} was paged for twice: {row['story']}, {marked}")
        problems += [
            f"{row['title']} is {row['status']}, its alert is {alert['status']}: {row['story']}"
            for alerts in marked
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

_FAILED = """
SELECT status, status_message FROM workflow_runs
WHERE status IN ('failed', 'completed_with_errors')
  AND status_message NOT LIKE '%: nobody is paged for it any more; restart it first'
"""

_STANDING = """
SELECT i.title, i.status, array_remove(array_agg(o.id), NULL) AS creates,
    count(*) FILTER (WHERE r.workflow_id = $1 AND r.triggered_by <> 'user'
                     AND p.fallback_of IS NULL) AS pages_of_events,
    count(p.workflow_run_id) FILTER (WHERE p.fallback_of IS NULL) AS pages_of_runs,
    count(DISTINCT p.workflow_run_id) FILTER (WHERE p.fallback_of IS NULL) AS runs,
    (SELECT array_agg(concat_ws(' ', q.id, q.status, a.kind, a.state, a.attempt, a.last_error)
                      ORDER BY a.id)
     FROM pages q JOIN operations a ON a.page_id = q.id WHERE q.incident_id = i.id) AS story
FROM incidents i
LEFT JOIN pages p ON p.incident_id = i.id
LEFT JOIN operations o ON o.page_id = p.id AND o.kind = 'create_alert'
LEFT JOIN workflow_runs r ON r.id = p.workflow_run_id
GROUP BY i.id
"""
"""How incidents stand, with the pages that events started, but for those that were dropped."""

_ATTACHED = """
SELECT i.title, i.status, a.external_id FROM incident_alerts l
JOIN incidents i ON i.id = l.incident_id JOIN alerts a ON a.id = l.alert_id
"""

_ECHOES = """
SELECT i.title FROM incidents i JOIN alerts a ON a.id = i.source_alert_id
JOIN pages p ON a.external_id IN (p.pagertree_id, p.pagertree_alert_id)
WHERE p.incident_id IS NOT NULL
"""

_CHECK = """
UPDATE pages SET check_at = now() WHERE id IN (
    SELECT id FROM pages WHERE check_at > now() FOR UPDATE SKIP LOCKED)
"""


@pytest.mark.parametrize("seed", seeds(SEEDS, each=INCIDENTS))
async def test_in_chaos_an_incident_is_paged_for_once_at_most_and_nothing_stays_open(
    directory: Paging, flows: Flows, engine: AsyncEngine, chaos_settings: Settings, seed: int
) -> None:
    plan = Plan.drawn(seed, INCIDENTS)
    simulator = directory.simulator
    simulator.change(hold_s=0.4, slow_s=0.1, retry_after_s=0)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running_server(chaos_settings, with_workers=False))
        await stack.enter_async_context(hurrying(engine))
        simulator.change(
            **plan.account,
            webhook_url=f"{url}/webhooks/pagertree/{directory.integration_id}",
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
