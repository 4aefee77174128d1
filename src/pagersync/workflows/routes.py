"""`/v1/workflows`: rules that say what is done when something happens."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import account_names
from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.filters import Filters
from pagersync.jsonapi import (
    Collection,
    Document,
    JsonApiResponse,
    NewDocument,
    errors,
    notes_of,
)
from pagersync.pagination import PageDep, find
from pagersync.shape import Wanted
from pagersync.workflows import service
from pagersync.workflows.account_workflows import alarm
from pagersync.workflows.definition import TaskContent
from pagersync.workflows.models import Workflow
from pagersync.workflows.saved_templates import look_at_templates
from pagersync.workflows.severity_ids import with_severity_ids
from pagersync.workflows.task_references import check_hosts
from pagersync.workflows.views import (
    REQUIRED,
    SHAPE,
    ChangedWorkflow,
    HidesSecrets,
    NewWorkflow,
    WorkflowAttributes,
    list_cut_tasks,
    workflow_resource,
)

router = APIRouter(
    prefix="/v1",
    tags=["Workflows"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(
    texts={
        "name": Workflow.name,
        "slug": Workflow.slug,
        "enabled": Workflow.enabled,
        "integration_id": Workflow.integration_id,
    },
    lists={"triggers": Workflow.triggers},
    times={"created_at": Workflow.created_at},
    search=func.to_tsvector(
        "simple", Workflow.name + " " + func.coalesce(Workflow.description, "")
    ),
    sorts={
        "created_at": Workflow.created_at,
        "updated_at": Workflow.updated_at,
        "position": Workflow.position,
    },
    shape=SHAPE,
)
WantedDep = Annotated[Wanted, Depends(SHAPE)]


def _check_hosts(request: Request, values: Mapping[str, Any]) -> None:
    hosts = request.state.settings.http_client_hosts.split(",")
    check_hosts(values.get("tasks") or (), hosts, "/data/attributes/tasks")


async def _look_at_templates(request: Request, tasks: Sequence[TaskContent]) -> None:
    caller = str(request.state.api_key.id)
    await look_at_templates(request.state.costly, caller, [each.task_params for each in tasks])


@router.post(
    "/workflows",
    summary="Create a workflow",
    description="Its tasks may come with it, or one by one through `/workflow_tasks`.",
    status_code=201,
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 409, 422),
)
async def create_workflow(
    request: Request,
    response: Response,
    session: SessionDep,
    body: NewDocument[Literal["workflows"], NewWorkflow],
) -> Document[WorkflowAttributes]:
    await _look_at_templates(request, body.data.attributes.tasks)
    values = await with_severity_ids(session, body.data.attributes.kept())
    workflow = await service.create_workflow(
        session, values, requested_by=requester(request), vault=request.state.vault
    )
    _check_hosts(request, values)
    return await _shown(session, response, workflow)


@router.get(
    "/workflows",
    summary="List workflows",
    dependencies=[needs(Scope.READ)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_workflows(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    order: Annotated[list[ColumnElement[Any]], Depends(FILTERS.order)],
    hides_secrets: HidesSecrets,
    wanted: WantedDep,
) -> Collection[WorkflowAttributes]:
    statement = select(Workflow).where(Workflow.removed_at.is_(None), *where)
    found = await find(session, statement, Workflow.id, page, order=order)
    tasks = await list_cut_tasks(session, [row.id for row in found.rows])
    accounts = await account_names(session, found.rows)
    shown = [
        workflow_resource(row, tasks.get(row.id, []), accounts, hides_secrets=hides_secrets)
        for row in found.rows
    ]
    return await wanted.collection(session, found, shown)


@router.get(
    "/workflows/{id}",
    summary="Show a workflow",
    description="By its id or its slug.",
    dependencies=[needs(Scope.READ)],
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def get_workflow(
    session: SessionDep,
    response: Response,
    id: str,
    hides_secrets: HidesSecrets,
    wanted: WantedDep,
) -> Document[WorkflowAttributes]:
    workflow = await service.get_workflow(session, id)
    shown = await _shown(session, response, workflow, hides_secrets=hides_secrets)
    return await wanted.document(session, shown.data)


@router.put(
    "/workflows/{id}",
    summary="Change a workflow",
    description="What is left out stays. Runs that have begun go on with the tasks they had.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 412, 422),
)
async def update_workflow(
    request: Request,
    session: SessionDep,
    response: Response,
    id: str,
    body: NewDocument[Literal["workflows"], ChangedWorkflow],
    if_match: IfMatch = None,
) -> Document[WorkflowAttributes]:
    await _look_at_templates(request, body.data.attributes.tasks or ())
    values = body.data.attributes.changes(never_null=REQUIRED)
    if "tasks" in values:
        values["tasks"] = [task.model_dump() for task in body.data.attributes.tasks or ()]
    workflow = await service.get_workflow(session, id, lock=True)
    check_if_match(if_match, workflow.version)
    values = await with_severity_ids(session, values, workflow.trigger_params)
    if values:
        vault = request.state.vault
        workflow = await service.change_workflow(session, workflow, values, vault=vault)
    _check_hosts(request, values)
    shown = await _shown(session, response, workflow)
    if values.get("enabled") is False:
        shown.meta = notes_of(await alarm(session))
    return shown


@router.delete(
    "/workflows/{id}",
    summary="Remove a workflow",
    description="Its runs stay; those that wait are canceled when their time comes. `meta.notes` "
    "warns if no workflow pages anybody for new incidents after that.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 412, 422),
)
async def delete_workflow(
    session: SessionDep, response: Response, id: str, if_match: IfMatch = None
) -> Document[WorkflowAttributes]:
    workflow = await service.get_workflow(session, id, lock=True)
    check_if_match(if_match, workflow.version)
    removed = await service.remove_workflow(session, workflow)
    shown = await _shown(session, response, removed)
    shown.meta = notes_of(await alarm(session))
    return shown


async def _shown(
    session: AsyncSession, response: Response, workflow: Workflow, *, hides_secrets: bool = False
) -> Document[WorkflowAttributes]:
    response.headers["ETag"] = etag(workflow.version)
    tasks = await service.list_tasks(session, [workflow.id])
    own = tasks.get(workflow.id, [])
    accounts = await account_names(session, [workflow])
    resource = workflow_resource(workflow, own, accounts, hides_secrets=hides_secrets)
    return Document(data=resource)
