"""A run that a worker holds: read in one statement, and written back in one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg

from pagersync.database.base import new_id
from pagersync.database.engine import Connection
from pagersync.database.unhurried import UNHURRIED
from pagersync.incidents.models import Incident, Severity
from pagersync.workflows.models import TaskRunStatus, Workflow, WorkflowRun, WorkflowTaskRun


@dataclass(slots=True)
class HeldRun:
    """A run with its workflow and its tasks, which nobody else changes until the transaction ends.

    They belong to no session: what changes of them is written by `write`.

    Attributes:
        tasks: all of them, in their order; of a run that has not begun, as its workflow has them.
        event: what templates can say of the event that started it.
        about: the incident that it is about, and its severity, as far as they exist.
        incident_id, alert_id: what it is about; of a page, its incident and its alert.
        changed: the tasks that are to be written.
    """

    run: WorkflowRun
    workflow: Workflow
    tasks: list[WorkflowTaskRun]
    event: Mapping[str, Any] | None
    about: list[Incident | Severity]
    incident_id: UUID | None
    alert_id: UUID | None
    changed: list[WorkflowTaskRun] = field(default_factory=list)

    def next_task(self) -> WorkflowTaskRun | None:
        """Return the task that the run is at; None when all are done with."""
        is_open = (TaskRunStatus.QUEUED, TaskRunStatus.STARTED)
        return next((task for task in self.tasks if task.status in is_open), None)

    def note(self, task: WorkflowTaskRun) -> None:
        """Note that a task has changed."""
        if task not in self.changed:
            self.changed.append(task)


async def hold(
    connection: Connection, token: UUID, run_id: UUID, *, lease_s: float
) -> HeldRun | None:
    """Lock a run that is still held under `token`, and hold it for longer; None if it is lost."""
    rows = await connection.fetch(_HOLD, run_id, token, lease_s)
    if not rows:
        return None
    first = rows[0]
    run = WorkflowRun(**_part(first, "run_"))
    event = _part(first, "event_") if first["event_type"] is not None else None
    tasks = [_task(run, row) for row in rows if row["task_position"] is not None]
    held = HeldRun(
        run,
        Workflow(**_part(first, "workflow_")),
        tasks,
        event,
        about=await _load_about(connection, first["about_incident_id"]),
        incident_id=first["about_incident_id"],
        alert_id=first["about_alert_id"],
    )
    if run.started_at is None:
        held.changed += tasks
        for position, task in enumerate(tasks, start=1):  # one that is switched off has none
            task.position = position
    return held


async def write(
    connection: Connection,
    held: HeldRun,
    *,
    end: str | None = None,
    lease_s: float = 0.0,
    waits_for_disk: bool = False,
) -> None:
    """Write what has changed of a run and its tasks.

    Args:
        connection: in the transaction that has locked the run.
        held: the run.
        end: the state in which it ends; None if it goes on.
        lease_s: how long it is held from now on, if it goes on.
        waits_for_disk: whether the commit waits for the disk.
    """
    run = held.run
    await connection.execute(
        _WRITE,
        run.id,
        json.dumps([_values(task) for task in held.changed], default=str),
        run.started_at,
        run.status_message,
        end,
        lease_s,
        waits_for_disk,
    )


def _part(row: asyncpg.Record, prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)
    }


async def _load_about(
    connection: Connection, incident_id: UUID | None
) -> list[Incident | Severity]:
    """Return an incident and its severity.

    It is a statement of its own, so that a run about an alert never waits for incidents.
    """
    row = await connection.fetchrow(_ABOUT, incident_id) if incident_id is not None else None
    if row is None:
        return []
    found: list[Incident | Severity] = [Incident(**_part(row, "incident_"))]
    if row["severity_id"] is not None:
        found.append(Severity(**_part(row, "severity_")))
    return found


def _task(run: WorkflowRun, row: asyncpg.Record) -> WorkflowTaskRun:
    values = _part(row, "task_")
    return WorkflowTaskRun(
        **{
            **values,
            "id": values["id"] or new_id(),
            "integration_id": run.integration_id,
            "run_id": run.id,
        }
    )


def _values(task: WorkflowTaskRun) -> dict[str, Any]:
    return {name: getattr(task, name) for name in _TASK_COLUMNS}


def _prefixed(table: str, prefix: str, columns: Iterable[str]) -> str:
    return ", ".join(f"{table}.{column} AS {prefix}{column}" for column in columns)


_RUN_COLUMNS: Final = tuple(WorkflowRun.__table__.columns.keys())
_WORKFLOW_COLUMNS: Final = tuple(Workflow.__table__.columns.keys())
_INCIDENT_COLUMNS: Final = tuple(Incident.__table__.columns.keys())
_SEVERITY_COLUMNS: Final = tuple(Severity.__table__.columns.keys())
_TASK_COLUMNS: Final = tuple(WorkflowTaskRun.__table__.columns.keys())
_GIVEN: Final = ("position", "name", "skip_on_failure", "task_params", "is_sealed")
"""What a task of a run takes over from the workflow's task."""

_MADE: Final = tuple(name for name in _TASK_COLUMNS if name not in ("integration_id", "run_id"))

_FRESH: Final = {
    "id": "NULL::uuid",
    "task_id": "t.id",
    "status": "'queued'",
    "notes": "'{}'::text[]",
    "operation_ids": "'{}'::uuid[]",
}
_BEGUN: Final = ", ".join(f"t.{name}" for name in _MADE)
_NEW: Final = ", ".join(
    _FRESH.get(name, f"t.{name}" if name in _GIVEN else "NULL") for name in _MADE
)

_HOLD: Final = f"""
WITH held AS (
    UPDATE workflow_runs SET leased_until = now() + make_interval(secs => $3)
    WHERE id = $1 AND lease_token = $2 AND leased_until > now()
    RETURNING *
)
SELECT {_prefixed("r", "run_", _RUN_COLUMNS)}, {_prefixed("w", "workflow_", _WORKFLOW_COLUMNS)},
    {_prefixed("e", "event_", ("type", "data", "occurred_at", "requested_by", "subject_type"))},
    {_prefixed("t", "task_", _MADE)},
    coalesce(r.incident_id, p.incident_id) AS about_incident_id,
    coalesce(r.alert_id, p.alert_id) AS about_alert_id
FROM held r JOIN workflows w ON w.id = r.workflow_id
LEFT JOIN pages p ON p.id = r.page_id
LEFT JOIN domain_events e ON e.id = r.domain_event_id
LEFT JOIN LATERAL (
    SELECT {_BEGUN} FROM workflow_task_runs t
    WHERE r.started_at IS NOT NULL AND t.run_id = r.id
    UNION ALL
    SELECT {_NEW} FROM workflow_tasks t
    WHERE r.started_at IS NULL AND t.workflow_id = w.id AND t.enabled
) t ON true
ORDER BY t.position
"""  # noqa: S608 - names of columns
"""A row a task; a run without tasks has one row."""

_ABOUT: Final = f"""
SELECT {_prefixed("i", "incident_", _INCIDENT_COLUMNS)},
    {_prefixed("s", "severity_", _SEVERITY_COLUMNS)}
FROM incidents i LEFT JOIN severities s ON s.id = i.severity_id
WHERE i.id = $1
"""  # noqa: S608 - names of columns

_ENDS: Final = (
    "status",
    "rendered_params",
    "result",
    "error",
    "notes",
    "page_id",
    "incident_id",
    "operation_ids",
    "started_at",
    "finished_at",
    "duration_ms",
)
"""What the execution of a task changes."""

_WRITE: Final = f"""
WITH tasks AS (
    INSERT INTO workflow_task_runs ({", ".join(_TASK_COLUMNS)})
    SELECT {", ".join(_TASK_COLUMNS)}
    FROM jsonb_populate_recordset(NULL::workflow_task_runs, $2::text::jsonb)
    ON CONFLICT (id, integration_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _ENDS)}
), run AS (
    UPDATE workflow_runs
    SET started_at = $3, status_message = $4, state = coalesce($5, state),
        leased_until = CASE WHEN $5 IS NULL THEN now() + make_interval(secs => $6) END,
        lease_token = CASE WHEN $5 IS NULL THEN lease_token END,
        last_error = CASE WHEN $5 IS NULL THEN last_error END,
        finished_at = CASE WHEN $5 IS NOT NULL THEN greatest($3, clock_timestamp()) END
    WHERE id = $1
)
SELECT $7 OR {UNHURRIED}
"""  # noqa: S608 - names of columns
"""Asks for no lease: whoever writes has locked the run in this transaction, with its lease."""
