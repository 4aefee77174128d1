"""`/v1/workflow_runs`: what workflows did, started by hand, and canceled."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.events.publish import NO_INTEGRATION
from pagersync.filters import Filters
from pagersync.jsonapi import (
    Collection,
    Document,
    JsonApiResponse,
    NewDocument,
    Nothing,
    Resource,
    Timestamp,
    errors,
)
from pagersync.pagination import PageDep, find
from pagersync.workflows import manual, service
from pagersync.workflows.http_task import masked
from pagersync.workflows.models import RunStatus, TaskRunStatus, WorkflowRun, WorkflowTaskRun
from pagersync.workflows.retry import retry_run
from pagersync.workflows.subject_params import NamedSubject

router = APIRouter(
    prefix="/v1",
    tags=["Workflows"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

COMPLETED: Final = (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS)

FILTERS = Filters(
    texts={
        "status": WorkflowRun.status,
        "triggered_by": WorkflowRun.triggered_by,
        "incident_id": WorkflowRun.incident_id,
        "alert_id": WorkflowRun.alert_id,
        "page_id": WorkflowRun.page_id,
    },
    choices={"status": list(RunStatus), "triggered_by": ["system", "user", "workflow"]},
    times={"created_at": WorkflowRun.created_at},
)


class NewRun(NamedSubject):
    """A run to start."""

    immediate: bool | None = Field(
        default=True, description="If false, the workflow's wait comes first."
    )
    check_conditions: bool | None = Field(
        default=False,
        description="Whether the workflow's conditions must hold: if they do not, 422, and no run.",
    )
    post_mortem_id: Nothing = None
    action_item_id: Nothing = None
    pulse_id: Nothing = None


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
    post_mortem_id: None = None
    action_item_id: None = None
    alert_id: UUID | None
    page_id: UUID | None
    pulse_id: None = None
    context: dict[str, Any]
    integration_id: UUID | None
    domain_event_id: UUID | None = Field(description="What started it; null if somebody did.")
    depth: int = Field(description="How many runs led to one another, this one included.")
    repeat_number: int
    last_error: str | None = Field(description="Why going on with it failed on our side, last.")


class TaskRunAttributes(BaseModel):
    """One task of a run."""

    id: UUID
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
    page_id: UUID | None
    incident_id: UUID | None
    operation_ids: list[UUID]
    started_at: Timestamp | None
    finished_at: Timestamp | None
    duration_ms: int | None


class RunWithTasks(RunAttributes):
    """A run with its tasks, in their order; empty until it begins."""

    tasks: list[TaskRunAttributes]


@router.post(
    "/workflows/{workflow_id}/workflow_runs",
    summary="Start a workflow by hand",
    description="Its triggers do not matter, nor, unless `check_conditions` is true, do its "
    "conditions. What it is about must fit: an incident for a workflow for incidents, and so on.",
    status_code=201,
    dependencies=[needs(Scope.PAGE)],
    responses=errors(400, 404, 409, 422),
)
async def create_workflow_run(
    request: Request,
    session: SessionDep,
    workflow_id: str,
    body: NewDocument[Literal["workflow_runs"], NewRun],
) -> Document[RunWithTasks]:
    asked = body.data.attributes
    new = manual.NewManualRun(
        about=await asked.find(session),
        immediate=asked.immediate is not False,
        check_conditions=asked.check_conditions is True,
        context=asked.checked_context(),
    )
    workflow = await service.get_workflow(session, workflow_id, lock=True)
    run = await manual.start_run(session, workflow, new, requested_by=requester(request))
    return await _shown(session, run)


@router.get(
    "/workflows/{workflow_id}/workflow_runs",
    summary="List a workflow's runs",
    operation_id="ListWorkflowRuns",
    dependencies=[needs(Scope.READ)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(404, 422),
)
async def list_workflow_runs(
    session: SessionDep,
    page: PageDep,
    workflow_id: str,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
) -> Collection[RunAttributes]:
    workflow = await service.get_workflow(session, workflow_id)
    statement = select(WorkflowRun).where(WorkflowRun.workflow_id == workflow.id, *where)
    found = await find(session, statement, WorkflowRun.id, page)
    return Collection(
        data=[run_resource(row) for row in found.rows], links=found.links, meta=found.meta
    )


@router.get(
    "/workflow_runs/{id}",
    summary="Show a run with its tasks",
    dependencies=[needs(Scope.READ)],
    responses=errors(404, 422),
)
async def get_workflow_run(session: SessionDep, id: UUID) -> Document[RunWithTasks]:
    return await _shown(session, await manual.get_run(session, id))


@router.post(
    "/workflow_runs/{id}/cancel",
    summary="Cancel a run that has not begun",
    description="It is not repeated either.",
    dependencies=[needs(Scope.PAGE)],
    responses=errors(404, 409, 422),
)
async def cancel_workflow_run(
    request: Request, session: SessionDep, id: UUID
) -> Document[RunWithTasks]:
    run = await manual.get_run(session, id, lock=True)
    return await _shown(
        session, await manual.cancel_run(session, run, requested_by=requester(request))
    )


@router.post(
    "/workflow_runs/{id}/retry",
    summary="Try a run again",
    description="One that failed, was canceled, or completed with errors. Tasks that are done stay "
    "done; a call that may have been made is made again.",
    dependencies=[needs(Scope.PAGE)],
    responses=errors(404, 409, 422),
)
async def retry_workflow_run(
    request: Request, session: SessionDep, id: UUID
) -> Document[RunWithTasks]:
    run = await manual.get_run(session, id, lock=True)
    return await _shown(session, await retry_run(session, run, requested_by=requester(request)))


def run_resource(run: WorkflowRun) -> Resource[RunAttributes]:
    """Return a run as lists show it, without its tasks."""
    return Resource(id=str(run.id), type="workflow_runs", attributes=RunAttributes(**_columns(run)))


async def _shown(session: AsyncSession, run: WorkflowRun) -> Document[RunWithTasks]:
    own = select(WorkflowTaskRun).where(WorkflowTaskRun.run_id == run.id)
    tasks = (await session.scalars(own.order_by(WorkflowTaskRun.position))).all()
    attributes = RunWithTasks(**_columns(run), tasks=_tasks(tasks))
    return Document(data=Resource(id=str(run.id), type="workflow_runs", attributes=attributes))


def _columns(run: WorkflowRun) -> dict[str, Any]:
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
    }


def _tasks(tasks: Sequence[WorkflowTaskRun]) -> list[TaskRunAttributes]:
    names = [name for name in TaskRunAttributes.model_fields if name != "task_type"]
    return [
        TaskRunAttributes(
            **{name: getattr(task, name) for name in names}
            | {"task_params": masked(task.task_params)},
            task_type=task.task_params["task_type"],
        )
        for task in tasks
    ]
