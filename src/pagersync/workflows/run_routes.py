"""`/v1/workflow_runs`: what workflows did, started by hand, and canceled."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import account_names
from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.filters import Filters
from pagersync.jsonapi import (
    Collection,
    Document,
    JsonApiResponse,
    NewDocument,
    Nothing,
    errors,
)
from pagersync.pagination import PageDep, find
from pagersync.shape import Wanted
from pagersync.workflows import manual, service
from pagersync.workflows.models import RunStatus, WorkflowRun
from pagersync.workflows.retry import retry_run
from pagersync.workflows.run_views import (
    SHAPE,
    RunAttributes,
    RunWithTasks,
    run_resource,
    run_with_tasks,
)
from pagersync.workflows.subject_params import NamedSubject

router = APIRouter(
    prefix="/v1",
    tags=["Workflows"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

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
    shape=SHAPE,
)
WantedDep = Annotated[Wanted, Depends(SHAPE)]


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
    wanted: WantedDep,
) -> Collection[RunAttributes]:
    workflow = await service.get_workflow(session, workflow_id)
    statement = select(WorkflowRun).where(WorkflowRun.workflow_id == workflow.id, *where)
    found = await find(session, statement, WorkflowRun.id, page)
    accounts = await account_names(session, found.rows)
    shown = [run_resource(row, accounts) for row in found.rows]
    return await wanted.collection(session, found, shown)


@router.get(
    "/workflow_runs/{id}",
    summary="Show a run with its tasks",
    dependencies=[needs(Scope.READ)],
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def get_workflow_run(
    session: SessionDep, id: UUID, wanted: WantedDep
) -> Document[RunWithTasks]:
    run = await manual.get_run(session, id)
    return await wanted.document(session, await run_with_tasks(session, run))


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


async def _shown(session: AsyncSession, run: WorkflowRun) -> Document[RunWithTasks]:
    return Document(data=await run_with_tasks(session, run))
