"""From what happened to the workflows that it matches, and from an incident to the call."""

import asyncio
import json
import random
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any, Final
from uuid import UUID

import uvloop

from bench.applying import DRAIN_TIMEOUT_S, LOOK_EVERY_S, Pace, pace_of
from bench.client import Address, Exchange
from bench.database import Account, Database
from bench.figures import Figure, Target, percentile
from bench.pagertree_stub import TEAM
from bench.paging import (
    DONE_TIMEOUT_S,
    PAUSE_MAX_S,
    PAUSE_MIN_S,
    UNLIMITED,
    WARM_UP_PAGES,
    PagingAccount,
    take_arrivals,
    wait_until_done,
)
from bench.processes import running, serving
from pagersync.database.base import new_id
from pagersync.database.engine import Connection, create_sessions
from pagersync.events.publish import Fact, publish
from pagersync.http import AsyncClient
from pagersync.workflows.models import Workflow, WorkflowTask
from pagersync.workflows.trigger_params import parse_trigger_params, to_json

MATCHED: Final = Target(value_min=1000)
CALLED: Final = Target(p50_ms_max=12)
WORKFLOWS: Final = 200
ALERTS: Final = 500
FACTS_PER_COMMIT: Final = 500
MATCH_EVERY: Final = 100
"""One alert of so many has the label that one of the workflows asks for."""

PRINT: Final = {"task_type": "print", "message": "{{ alert.summary }}"}
PAGE: Final = {
    "task_type": "create_pagertree_alert",
    "title": "{{ incident.title }}",
    "teams": [{"name": TEAM["name"]}],
}


def measure_matching(database: Database, account: Account, log: Path, *, events: int) -> Figure:
    """Time one `pagersync worker` on events that wait; each is looked at by every workflow."""
    uvloop.run(_preload(database, account, events))
    with running("pagersync", "worker", environment=database.environment, log=log):
        pace = uvloop.run(_drain(database))
    uvloop.run(_remove_workflows(database))
    return Figure(
        name=f"worker, {events:,} events x {WORKFLOWS} workflows",
        value=pace.per_second,
        target=MATCHED,
        failures=events - pace.done - pace.waiting,
        note=f"every verdict is kept; one event in {MATCH_EVERY} starts a run",
    )


async def _preload(database: Database, account: Account, events: int) -> None:
    await database.empty()
    async with database.engine() as engine, create_sessions(engine).begin() as session:
        for number in range(WORKFLOWS):
            team = f"team:{number}" if number else "team:all"
            raw = {
                "trigger_type": "alert",
                "triggers": ["alert_created", "alert_status_updated"],
                "alert_condition_status": "IS",
                "alert_statuses": ["open", "triggered"],
                "alert_condition_label": "CONTAINS",
                "alert_labels": [team],
            }
            await _add_workflow(session, f"bench-{number}", raw, PRINT)
    async with database.connection() as connection:
        ids = [new_id() for _ in range(ALERTS)]
        await connection.execute(_ALERTS, ids, account.id, MATCH_EVERY)
        for first in range(0, events, FACTS_PER_COMMIT):
            numbers = range(first, min(first + FACTS_PER_COMMIT, events))
            await publish(connection, [_fact(account, ids[n % ALERTS]) for n in numbers])


async def _add_workflow(
    session: Any,
    name: str,
    raw: dict[str, Any],
    task: dict[str, Any],
    integration_id: UUID | None = None,
) -> None:
    params = parse_trigger_params(raw)
    workflow = Workflow(
        integration_id=integration_id,
        name=name,
        slug=name,
        trigger_params=to_json(params),
        triggers=list(params.triggers),
        runs_per_minute_max=1_000_000,
        created_by="the bench",
    )
    session.add(workflow)
    await session.flush()
    session.add(WorkflowTask(workflow_id=workflow.id, position=1, name=name, task_params=task))


def _fact(account: Account, alert_id: UUID) -> Fact:
    return Fact(
        integration_id=account.id,
        type="alert.created",
        subject_type="alert",
        subject_id=alert_id,
        delivery_id=None,
        data={"status": "open"},
        occurred_at=datetime.now(UTC),
    )


async def _drain(database: Database) -> Pace:
    deadline = monotonic() + DRAIN_TIMEOUT_S
    async with database.connection() as connection:
        while await connection.fetchval(_WAITING):
            if monotonic() > deadline:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        waiting = await connection.fetchval(_COUNT_WAITING)
        return pace_of(await connection.fetch(_BATCHES), waiting)


async def _remove_workflows(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("TRUNCATE workflow_runs, workflow_task_runs, requester_minutes")
        await connection.execute("DELETE FROM workflows")


def measure_incident_call(
    database: Database, account: PagingAccount, log: Path, *, samples: int
) -> Figure:
    """Declare one incident at a time by an idle `serve`; time until the call is at PagerTree."""
    uvloop.run(database.empty())
    environment = {**database.environment, **UNLIMITED}
    with serving(environment=environment, log=log) as server:
        took_ms, asked = uvloop.run(_declare(database, account, server.url, samples))
    uvloop.run(_remove_workflows(database))
    return Figure(
        name="idle: incident created -> call at PagerTree",
        value=len(took_ms),
        unit="samples",
        p50_ms=percentile(took_ms, 50),
        p99_ms=percentile(took_ms, 99),
        target=CALLED,
        failures=samples - len(took_ms),
        note=f"by a workflow; before it {percentile(asked, 50):.1f} ms to the 201",
    )


async def _declare(
    database: Database, account: PagingAccount, url: str, samples: int
) -> tuple[list[float], list[float]]:
    """Return how long each call took after its 201, and how long that took, in milliseconds."""
    raw = {"trigger_type": "incident", "triggers": ["incident_created"]}
    async with database.engine() as engine, create_sessions(engine).begin() as session:
        await _add_workflow(session, "bench-page", raw, PAGE, account.id)
    accepted_s: dict[str, float] = {}
    asked_ms = []
    address = Address.of(f"{url}/v1/incidents")
    exchange = await Exchange.open(address)
    async with AsyncClient(trust_env=False) as client, database.connection() as connection:
        sync = f"{url}/v1/integrations/{account.id}/sync"
        (await client.post(sync, headers=account.headers)).raise_for_status()
        for number in range(-WARM_UP_PAGES, samples):
            await asyncio.sleep(random.uniform(PAUSE_MIN_S, PAUSE_MAX_S))
            title = f"incident {number}"
            body = {"data": {"type": "incidents", "attributes": {"title": title}}}
            asked_s = monotonic()
            status = await exchange.send(address.post(json.dumps(body).encode(), account.headers))
            if status == HTTPStatus.CREATED and number >= 0:
                accepted_s[title] = monotonic()
                asked_ms.append((accepted_s[title] - asked_s) * 1000)
            await _wait_until_paged(connection, title)
            await wait_until_done(connection, DONE_TIMEOUT_S)
        arrivals = await take_arrivals(client, account)
    exchange.close()
    took_ms = [
        (arrivals[title][0] - accepted_s[title]) * 1000
        for title in accepted_s
        if len(arrivals.get(title, ())) == 1
    ]
    return took_ms, asked_ms


async def _wait_until_paged(connection: Connection, title: str) -> None:
    deadline = monotonic() + DONE_TIMEOUT_S
    is_paged = "SELECT EXISTS (SELECT FROM pages WHERE title = $1)"
    while not await connection.fetchval(is_paged, title):
        if monotonic() > deadline:
            return
        await asyncio.sleep(LOOK_EVERY_S / 50)


_ALERTS = """
INSERT INTO alerts (id, integration_id, short_id, external_id, external_url, status, summary,
    labels, data, fold)
SELECT id, $2, 'B' || lpad(n::text, 5, '0'), 'bench-' || n, '', 'open', 'Alert ' || n,
    CASE WHEN n % $3 = 0 THEN '{"team": "all"}' ELSE '{"team": "none"}' END::jsonb, '{}', '{}'
FROM unnest($1::uuid[]) WITH ORDINALITY AS a (id, n)
"""
_WAITING = "SELECT EXISTS (SELECT FROM domain_events WHERE state IN ('queued', 'running'))"
_COUNT_WAITING = "SELECT count(*) FROM domain_events WHERE state IN ('queued', 'running')"
_BATCHES = """
SELECT finished_at, count(*) AS events FROM domain_events WHERE state = 'done' AND triggers <> '{}'
GROUP BY finished_at ORDER BY finished_at
"""
