"""kill -9 at every await of those who work on workflows: everything is done, and nothing twice.

The oracle is what stands in the database, and what came to the one who is called. What is killed
when, and how to replay it, is as for pages (`tests/paging/test_kill_points.py`).
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.incidents.service import change_incident, get_incident
from pagersync.settings import Settings
from pagersync.workflows.engine import INTERRUPTED, runs_queue
from pagersync.workflows.models import WorkflowRun, WorkflowTaskRun
from pagersync.workflows.trigger import events_queue
from tests.paging.conftest import Paging
from tests.support.awaits import EVERY, MOMENTS, SEED, everywhere
from tests.support.hurry import let_leases_run_out
from tests.support.kill_points import Gallows, Job, Moment, running_gallows
from tests.workflows.conftest import PERSON, Called, Flows
from tests.workflows.looking import execute, look_once

pytestmark = pytest.mark.long

PRINT: dict[str, Any] = {"task_type": "print", "message": "{{ incident.title }}"}
MUCH = 100_000
"""Runs a minute: no limit."""
RESOLVED: dict[str, Any] = {
    "triggers": ["status_updated"],
    "conditions": {"incident_condition_status": "IS", "incident_statuses": ["resolved"]},
}


@pytest.fixture(scope="module")
async def gallows(calling_settings: Settings) -> AsyncIterator[Gallows]:
    async with running_gallows(calling_settings) as gallows:
        yield gallows


@pytest.fixture
def killed(
    gallows: Gallows, flows: Flows, engine: AsyncEngine, calling_settings: Settings
) -> "Killed":
    return Killed(gallows, flows, engine, calling_settings)


class Killed:
    """Workflows whose workers are killed."""

    def __init__(
        self, gallows: Gallows, flows: Flows, engine: AsyncEngine, settings: Settings
    ) -> None:
        self.flows = flows
        self._gallows = gallows
        self._engine = engine
        self._settings = settings

    async def looking(self, subject_id: UUID, fatal: int, moment: Moment) -> int | None:
        """Kill a process that looks at the events about something."""
        return await self._gallows.run(Job(str(subject_id), "look", fatal, moment))

    async def running(
        self, incident_id: UUID, fatal: int, moment: Moment = "suspended"
    ) -> int | None:
        """Kill a process that executes the one run that is about an incident."""
        (run,) = await self.fetch(
            "SELECT id FROM workflow_runs WHERE incident_id = $1", incident_id
        )
        return await self._gallows.run(Job(str(run["id"]), "run", fatal, moment))

    async def rehearse(self) -> None:
        """Let everything that waits be done once without being killed."""
        for row in await self.fetch("SELECT id FROM workflow_runs WHERE state = 'queued'"):
            await self._gallows.run(Job(str(row["id"]), "run", is_rehearsal=True))

    async def settle(self) -> None:
        """Let a fresh worker take over, and do all that there is to do."""
        await self.take_back()
        await look_once(self.flows.sessions)
        await execute(self._engine, self._settings)
        left = "SELECT id FROM {} WHERE state IN ('queued', 'running')"
        for table in ("domain_events", "workflow_runs"):
            assert await self.fetch(left.format(table)) == []

    async def take_back(self) -> None:
        """Take everybody who works for dead, and give back what they hold."""
        queues = {"domain_events": events_queue, "workflow_runs": runs_queue}
        async with raw_connection(self._engine) as connection:
            for table, queue in queues.items():
                await let_leases_run_out(connection, table)
                await queue(self._settings).expire(connection)

    async def fetch(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        async with raw_connection(self._engine) as connection:
            return [dict(row) for row in await connection.fetch(statement, *values)]


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
async def test_an_event_whose_trigger_is_killed_starts_each_workflow_once(
    killed: Killed, moment: Moment, step: int
) -> None:
    flows = killed.flows
    both = {await flows.add(PRINT, runs_per_minute_max=MUCH) for _ in range(2)}
    titled = await flows.add(PRINT, triggers=["title_updated"], runs_per_minute_max=MUCH)
    never = {"incident_condition_status": "IS", "incident_statuses": ["closed"]}
    await flows.add(PRINT, triggers=["incident_updated"], conditions=never)

    async def changed() -> UUID:
        incident_id = await flows.declare()
        await flows.move(incident_id, "mitigated")
        async with flows.sessions.begin() as session:
            incident = await get_incident(session, incident_id, lock=True)
            await change_incident(session, incident, {"title": "Checkout is slow"}, PERSON)
        return incident_id

    incidents = await everywhere(
        changed,
        lambda incident_id, fatal: killed.looking(incident_id, fatal, moment),
        step=step,
        least=10,
    )
    await killed.take_back()
    await look_once(flows.sessions)
    for incident_id in incidents:
        rows = await killed.fetch(_STARTED, incident_id)
        assert [row["state"] for row in rows] == ["done"] * 3
        created, moved, renamed = rows
        assert Counter(created["workflows"]) == Counter(both)
        assert moved["workflows"] == []
        assert renamed["workflows"] == [titled]
        assert [row["runs"] for row in rows] == [row["said"] for row in rows]
    counted = await killed.fetch("SELECT sum(runs) AS runs FROM requester_minutes")
    assert counted == [{"runs": 3 * len(incidents)}]


_STARTED = """
SELECT e.state,
    array(SELECT r.workflow_id FROM workflow_runs r WHERE r.domain_event_id = e.id) AS workflows,
    array(SELECT r.id::text FROM workflow_runs r WHERE r.domain_event_id = e.id
          ORDER BY r.id) AS runs,
    array(SELECT w ->> 'run_id' FROM jsonb_array_elements(e.evaluations -> 'workflows') AS w
          WHERE w ->> 'run_id' IS NOT NULL ORDER BY 1) AS said
FROM domain_events e WHERE e.subject_id = $1 AND e.type IN ('incident.created', 'incident.updated')
ORDER BY e.id
"""


@pytest.fixture
async def everything(killed: Killed, called: Called, directory: Paging) -> "Everything":
    """Return a workflow that pages, tells, changes and calls."""
    workflow_id = await killed.flows.add(
        PRINT,
        {
            "task_type": "create_pagertree_alert",
            "teams": [{"name": directory.simulator.directory.teams[0].name}],
            "severity": "SEV-1",
            "incident": True,
        },
        {"task_type": "add_to_timeline", "event": "Somebody looks"},
        {"task_type": "update_status", "status": "mitigated", "skip_on_failure": True},
        {
            "task_type": "http_client",
            "url": f"{called.url}/hook/{{{{ incident.id }}}}",
            "method": "POST",
            "succeed_on_status": "200",
            "skip_on_failure": True,
        },
        PRINT,
        runs_per_minute_max=MUCH,
    )
    everything = Everything(killed, called, workflow_id)
    await everything.triggered()
    await killed.rehearse()
    return everything


class Everything:
    """A workflow with a task of each kind, whose runs are killed."""

    def __init__(self, killed: Killed, called: Called, workflow_id: UUID) -> None:
        self._killed = killed
        self._called = called
        self._workflow_id = workflow_id
        self._incidents: list[UUID] = []

    async def triggered(self) -> UUID:
        """Return an incident about which a run waits."""
        incident_id = await self._killed.flows.declare()
        await look_once(self._killed.flows.sessions)
        self._incidents.append(incident_id)
        return incident_id

    def calls(self, incident_id: UUID) -> int:
        """Return how often the run about an incident has called."""
        paths = [request["path"] for request in self._called.echo.requests]
        return paths.count(f"/hook/{incident_id}")

    async def assert_done_once(self) -> int:
        """All runs have ended, whatever they do was done once; return how many calls were lost."""
        runs = await self._killed.flows.runs(self._workflow_id)
        assert [run.incident_id for run in runs] == self._incidents
        return sum([await self._assert_done_once(run) for run in runs])

    async def _assert_done_once(self, run: WorkflowRun) -> int:
        assert run.incident_id is not None
        (there,) = await self._killed.fetch(_DONE, run.incident_id, run.id)
        once = dict.fromkeys(
            ("told", "paged", "moved", "ends", "pages", "creates", "tasks_made"), 1
        )
        assert {name: there[name] for name in once} == once
        assert there["operations"] == 1
        assert (await self._killed.flows.incident(run.incident_id)).status == "mitigated"
        tasks = await self._killed.flows.tasks(run)
        assert_in_order(tasks)
        calls = self.calls(run.incident_id)
        was_lost = tasks[4].status == "failed"
        if was_lost:
            assert (run.status, tasks[4].error) == ("completed_with_errors", INTERRUPTED)
            assert calls <= 1
        else:
            assert (run.status, tasks[4].status, calls) == ("completed", "completed", 1)
        return was_lost


def assert_in_order(tasks: Sequence[WorkflowTaskRun]) -> None:
    """Each task has ended, one after the other; only a call may have been lost."""
    assert [task.position for task in tasks] == [1, 2, 3, 4, 5, 6]
    assert {task.status for task in tasks if task.position != 5} == {"completed"}
    times = [moment for task in tasks for moment in (task.started_at, task.finished_at)]
    assert all(a is not None and b is not None and a <= b for a, b in pairwise(times))


_DONE = """
SELECT
    (SELECT count(*) FROM incident_events WHERE incident_id = $1 AND event = 'Somebody looks')
      AS told,
    (SELECT count(*) FROM incident_events WHERE incident_id = $1 AND event LIKE 'Paged %') AS paged,
    (SELECT count(*) FROM domain_events WHERE subject_id = $1 AND type = 'incident.updated'
     AND data -> 'changes' ? 'status') AS moved,
    (SELECT count(*) FROM domain_events WHERE subject_id = $2) AS ends,
    (SELECT count(*) FROM pages WHERE incident_id = $1 AND workflow_run_id = $2 AND is_incident)
      AS pages,
    (SELECT count(*) FROM operations o JOIN pages p ON p.id = o.page_id
     WHERE p.incident_id = $1 AND o.kind = 'create_alert') AS creates,
    (SELECT count(*) FROM operations o WHERE o.workflow_run_id = $2) AS operations,
    (SELECT count(*) / 6 FROM workflow_task_runs WHERE run_id = $2) AS tasks_made
"""


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
async def test_a_run_that_is_killed_at_any_await_goes_on_and_does_nothing_twice(
    killed: Killed, everything: Everything, moment: Moment, step: int
) -> None:
    await everywhere(
        everything.triggered,
        lambda incident_id, fatal: killed.running(incident_id, fatal, moment),
        step=step,
    )
    await killed.settle()
    assert await everything.assert_done_once() > 0, "no call was ever lost"


async def test_a_run_that_is_killed_twice_goes_on_and_does_nothing_twice(
    killed: Killed, everything: Everything
) -> None:
    rng = Random(SEED)
    incidents = [await everything.triggered() for _ in range(-(-48 // EVERY))]
    for _ in range(2):
        for incident_id in incidents:
            await killed.running(incident_id, rng.randint(1, 130))
        await killed.take_back()
    await killed.settle()
    await everything.assert_done_once()


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
async def test_a_page_is_resolved_once_wherever_the_run_that_resolves_it_is_killed(
    killed: Killed, directory: Paging, moment: Moment, step: int
) -> None:
    flows = killed.flows
    await flows.add({"task_type": "resolve_pagertree_alert"}, runs_per_minute_max=MUCH, **RESOLVED)

    async def resolved() -> UUID:
        incident_id = await flows.declare()
        sent = await directory.page(incident_id=incident_id)
        await killed.fetch("UPDATE pages SET status = 'confirmed' WHERE id = $1", sent)
        for state in ("running", "done"):
            moved = "UPDATE operations SET state = $2 WHERE page_id = $1"
            await killed.fetch(moved, sent, state)
        await directory.page(incident_id=incident_id, title="not sent yet")
        await flows.move(incident_id, "resolved")
        await look_once(flows.sessions)
        return incident_id

    await resolved()
    await killed.rehearse()
    incidents = await everywhere(
        resolved,
        lambda incident_id, fatal: killed.running(incident_id, fatal, moment),
        step=step,
        least=30,
    )
    await killed.settle()
    for incident_id in incidents:
        assert await killed.fetch(_ASKED_FOR, incident_id) == [
            {"kind": "create_alert", "state": "done", "status": "confirmed"},
            {"kind": "resolve_alert", "state": "queued", "status": "confirmed"},
            {"kind": "create_alert", "state": "canceled", "status": "canceled"},
        ]


_ASKED_FOR = """
SELECT o.kind, o.state, p.status FROM operations o JOIN pages p ON p.id = o.page_id
WHERE p.incident_id = $1 ORDER BY p.id, o.id
"""
