"""What a run leaves behind: every column of its rows, written by fixed SQL, says what it should."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text

from pagersync.events.models import DomainEvent
from pagersync.workflows.models import WorkflowRun, WorkflowTaskRun
from tests.paging.conftest import Paging
from tests.workflows.conftest import Flows

CLOSE: Final = {"task_type": "update_status", "status": "closed"}
PRINT: Final = {"task_type": "print", "message": "never"}
REFUSED: Final = (
    "an incident that is started cannot become closed: it can become in_triage or detected or "
    "acknowledged or mitigated or resolved"
)


def plain(row: object) -> dict[str, Any]:
    """Return a row's columns; a time is `a time`."""
    columns = row.__mapper__.column_attrs.keys()  # type: ignore[attr-defined] # it is a mapped one
    values = {name: getattr(row, name) for name in columns}
    return {
        name: "a time" if isinstance(value, datetime) else value for name, value in values.items()
    }


async def test_a_run_and_its_tasks_are_written_with_all_that_came_of_them(
    flows: Flows, paging: Paging
) -> None:
    team = {"name": str(paging.simulator.directory.teams[0].name)}
    page = {
        "task_type": "page_pagertree",
        "teams": [team],
        "title": "{{ incident.title }}{{ incident.summary }}",
    }
    workflow_id = await flows.add(page, {**CLOSE, "skip_on_failure": True}, CLOSE, PRINT)
    title = "Checkout is down " + "x" * 600
    incident_id = await flows.declare(title=title)
    (run,) = await flows.ran(workflow_id)
    (paged,) = await flows.pages(incident_id)

    assert plain(run) == run_row(run, workflow_id, incident_id)
    tasks = await flows.tasks(run)
    shown = f"{title[:499]}…"
    assert [plain(task) for task in tasks] == [
        task_row(
            tasks[0],
            run,
            status="completed",
            result={"page_id": str(paged.id), "title": shown, "targets": [team["name"]]},
            page_id=paged.id,
            notes=["title was cut from 617 to 500 characters", "incident.summary is empty"],
        ),
        task_row(tasks[1], run, status="failed", error=REFUSED, skip_on_failure=True),
        task_row(tasks[2], run, status="failed", error=REFUSED),
        task_row(tasks[3], run, status="skipped", error="task 3 failed before it"),
    ]
    assert tasks[0].rendered_params is not None
    assert tasks[0].rendered_params["title"] == title
    assert [task.rendered_params for task in tasks[1:]] == [CLOSE, CLOSE, None]
    assert await absent(flows, run.id) == [(True, True), (False, True), (False, True)]
    assert await ends(flows, run.id) == [
        ("workflow_run.failed", {"workflow_id": str(workflow_id), "status": "failed"})
    ]


def run_row(run: WorkflowRun, workflow_id: UUID, incident_id: UUID) -> dict[str, Any]:
    """Return the row of a run whose tasks 2 and 3 failed."""
    return {
        "id": run.id,
        "integration_id": UUID(int=0),
        "workflow_id": workflow_id,
        "requester": "",
        "pages": True,
        "domain_event_id": run.domain_event_id,
        "incident_id": incident_id,
        "alert_id": None,
        "page_id": None,
        "triggered_by": "system",
        "requested_by": "Ada",
        "depth": 1,
        "repeat_number": 0,
        "first_run_at": None,
        "checks_conditions": False,
        "context": {},
        "is_over_limit": False,
        "status_message": f"task 2 (task 2): {REFUSED}; task 3 (task 3): {REFUSED}",
        "started_at": "a time",
        "status": "failed",
        "state": "failed",
        "run_at": "a time",
        "attempt": 1,
        "lock_key": None,
        "lease_token": None,
        "leased_until": None,
        "last_error": None,
        "finished_at": "a time",
        "created_at": "a time",
    }


def task_row(task: WorkflowTaskRun, run: WorkflowRun, **said: Any) -> dict[str, Any]:
    """Return the row of a task that was executed or skipped."""
    was_executed = said["status"] != "skipped"
    return {
        "id": task.id,
        "integration_id": UUID(int=0),
        "run_id": run.id,
        "task_id": task.task_id,
        "position": int(task.name.removeprefix("task ")),
        "name": task.name,
        "skip_on_failure": False,
        "task_params": task.task_params,
        "rendered_params": task.rendered_params,
        "result": None,
        "error": None,
        "notes": [],
        "page_id": None,
        "incident_id": None,
        "operation_ids": [],
        "started_at": "a time" if was_executed else None,
        "finished_at": "a time" if was_executed else None,
        "duration_ms": task.duration_ms,
        "is_sealed": True,
        **said,
    }


async def absent(flows: Flows, run_id: UUID) -> list[tuple[bool, bool]]:
    """Tell of the tasks behind the first whether their params and results are absent, not null."""
    kinds = text(
        "SELECT rendered_params IS NULL, result IS NULL FROM workflow_task_runs "
        "WHERE run_id = :run_id AND position > 1 ORDER BY position DESC"
    )
    async with flows.sessions() as session:
        rows = await session.execute(kinds, {"run_id": run_id})
        return [(row[0], row[1]) for row in rows]


async def ends(flows: Flows, run_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    """Return what was published of a run."""
    own = select(DomainEvent.type, DomainEvent.data).where(DomainEvent.subject_id == run_id)
    async with flows.sessions() as session:
        return [(type_, data) for type_, data in await session.execute(own)]
