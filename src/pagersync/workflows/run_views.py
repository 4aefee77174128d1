"""Runs of workflows and of their tasks as the API shows them: Rootly's attributes, and ours."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from pagersync.access.account_names import NAME, AccountNames, account_names
from pagersync.cut_columns import Columns, Wide, read_cut
from pagersync.events.publish import NO_INTEGRATION
from pagersync.jsonapi import Empty, Resource, Timestamp
from pagersync.shape import Shape, related_max
from pagersync.workflows.http_task import masked
from pagersync.workflows.models import (
    RunStatus,
    TaskRunStatus,
    Workflow,
    WorkflowRun,
    WorkflowTaskRun,
)

COMPLETED: Final = (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS)
WIDE: Final[Columns] = (
    WorkflowTaskRun.task_params,
    WorkflowTaskRun.rendered_params,
    WorkflowTaskRun.result,
)
"""What can hold much, and is cut where runs are listed with their tasks."""


class RunAttributes(BaseModel):
    """What is known of a run."""

    workflow_id: UUID
    status: RunStatus
    status_message: str | None
    triggered_by: Literal["system", "user", "workflow"]
    requested_by: str
    queued_at: Timestamp
    run_at: Timestamp = Field(description="When it begins, or goes on, at the earliest.")
    started_at: Timestamp | None
    completed_at: Timestamp | None
    failed_at: Timestamp | None
    canceled_at: Timestamp | None
    incident_id: UUID | None
    post_mortem_id: Empty = None
    action_item_id: Empty = None
    alert_id: UUID | None
    page_id: UUID | None
    pulse_id: Empty = None
    context: dict[str, Any]
    integration_id: UUID | None
    integration_name: str | None = Field(description=NAME)
    domain_event_id: UUID | None = Field(description="What started it; null if somebody did.")
    depth: int = Field(description="How many runs led to one another, this one included.")
    repeat_number: int
    last_error: str | None = Field(description="Why going on with it failed on our side, last.")


class TaskRunAttributes(BaseModel):
    """One task of a run."""

    task_id: UUID
    position: int
    name: str
    task_type: str
    status: TaskRunStatus
    skip_on_failure: bool
    task_params: dict[str, Any] = Field(description="Before rendering.")
    rendered_params: dict[str, Any] | None
    result: dict[str, Any] | None
    error: str | None
    notes: list[str] = Field(
        description="What was cut, dropped, replaced or empty while the task was executed."
    )
    page_id: UUID | None
    incident_id: UUID | None
    operation_ids: list[UUID]
    started_at: Timestamp | None
    finished_at: Timestamp | None
    duration_ms: int | None


class TaskRunOfRun(TaskRunAttributes):
    """A task where it stands in its run."""

    id: UUID


class RunWithTasks(RunAttributes):
    """A run with its tasks, in their order; empty until it begins."""

    tasks: list[TaskRunOfRun]


def run_resource(run: WorkflowRun, accounts: AccountNames) -> Resource[RunAttributes]:
    """Return a run as lists show it, without its tasks."""
    attributes = RunAttributes(**_columns(run, accounts))
    return Resource(id=str(run.id), type="workflow_runs", attributes=attributes)


async def run_with_tasks(session: AsyncSession, run: WorkflowRun) -> Resource[RunWithTasks]:
    """Return a run as it is shown alone."""
    own = select(WorkflowTaskRun).where(WorkflowTaskRun.run_id == run.id)
    rows = await session.scalars(own.order_by(WorkflowTaskRun.position))
    tasks = [TaskRunOfRun(id=task.id, **_task_columns(task)) for task in rows]
    accounts = await account_names(session, [run])
    attributes = RunWithTasks(**_columns(run, accounts), tasks=tasks)
    return Resource(id=str(run.id), type="workflow_runs", attributes=attributes)


async def runs_of(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Resource[Any]]]:
    """Return the newest runs of workflows, by workflow."""
    own = select(WorkflowRun).where(WorkflowRun.workflow_id == Workflow.id)
    newest = own.order_by(WorkflowRun.id.desc()).limit(related_max(len(ids))).lateral()
    row = aliased(WorkflowRun, newest)
    statement = select(row).select_from(Workflow).join(newest, true()).where(Workflow.id.in_(ids))
    found = (await session.scalars(statement.order_by(row.id.desc()))).all()
    accounts = await account_names(session, found)
    runs: dict[UUID, list[Resource[Any]]] = {}
    for run in found:
        runs.setdefault(run.workflow_id, []).append(run_resource(run, accounts))
    return runs


async def task_runs_of(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Resource[Any]]]:
    """Return the tasks of runs, by run, in their order, without values too long for a list."""
    own = select(WorkflowTaskRun).where(WorkflowTaskRun.run_id.in_(ids))
    count = await session.scalar(select(func.count()).select_from(own.subquery())) or 0
    rows = await read_cut(session, own.order_by(WorkflowTaskRun.position), Wide(WIDE), count)
    return {
        run_id: [
            Resource(
                id=str(task.id),
                type="workflow_task_runs",
                attributes=TaskRunAttributes(**_task_columns(task)),
            )
            for task in tasks
        ]
        for run_id, tasks in _by_run(rows).items()
    }


SHAPE: Final = Shape("workflow_runs", loaders={"genius_task_runs": task_runs_of})


def _by_run(rows: Sequence[WorkflowTaskRun]) -> Mapping[UUID, list[WorkflowTaskRun]]:
    tasks: dict[UUID, list[WorkflowTaskRun]] = {}
    for task in rows:
        tasks.setdefault(task.run_id, []).append(task)
    return tasks


def _columns(run: WorkflowRun, accounts: AccountNames) -> dict[str, Any]:
    shown = {
        name: getattr(run, name)
        for name in RunAttributes.model_fields
        if hasattr(WorkflowRun, name)
    }
    ended = run.finished_at
    return shown | {
        "queued_at": run.created_at,
        "completed_at": ended if run.status in COMPLETED else None,
        "failed_at": ended if run.status == RunStatus.FAILED else None,
        "canceled_at": ended if run.status == RunStatus.CANCELED else None,
        "integration_id": None if run.integration_id == NO_INTEGRATION else run.integration_id,
        "integration_name": accounts.get(run.integration_id),
    }


def _task_columns(task: WorkflowTaskRun) -> dict[str, Any]:
    names = [name for name in TaskRunAttributes.model_fields if name != "task_type"]
    return {name: getattr(task, name) for name in names} | {
        "task_params": masked(task.task_params),
        "task_type": task.task_params["task_type"],
    }
