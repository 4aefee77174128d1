"""`/v1/workflow_tasks`: what a workflow does, step by step."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import ColumnElement, func, select

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.cut_columns import Wide
from pagersync.database.session import SessionDep
from pagersync.errors import InvalidError
from pagersync.etag import IfMatch, check_if_match, etag_of, version_of
from pagersync.filters import Filters
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find
from pagersync.shape import Wanted
from pagersync.workflows import service
from pagersync.workflows.models import WorkflowTask
from pagersync.workflows.saved_templates import look_at_templates
from pagersync.workflows.task_references import host_problem
from pagersync.workflows.views import (
    REQUIRED,
    TASK_SHAPE,
    ChangedTask,
    HidesSecrets,
    NewTask,
    TaskAttributes,
    task_resource,
)

router = APIRouter(
    prefix="/v1",
    tags=["Workflows"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(
    texts={"name": WorkflowTask.name},
    nothing=("slug",),
    search=func.to_tsvector("simple", WorkflowTask.name),
    shape=TASK_SHAPE,
)


@router.post(
    "/workflows/{workflow_id}/workflow_tasks",
    summary="Add a task to a workflow",
    status_code=201,
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 422),
)
async def create_workflow_task(
    request: Request,
    session: SessionDep,
    response: Response,
    workflow_id: str,
    body: NewDocument[Literal["workflow_tasks"], NewTask],
) -> Document[TaskAttributes]:
    values = body.data.attributes.model_dump(exclude_none=True)
    await _look_at_templates(request, values)
    workflow = await service.get_workflow(session, workflow_id, lock=True)
    task = await service.add_task(session, workflow, values, request.state.vault)
    _check_host(request, values)
    return _shown(response, task)


@router.get(
    "/workflows/{workflow_id}/workflow_tasks",
    summary="List a workflow's tasks, in their order",
    dependencies=[needs(Scope.READ)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(404, 422),
)
async def list_workflow_tasks(
    session: SessionDep,
    page: PageDep,
    workflow_id: str,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    hides_secrets: HidesSecrets,
    wanted: Annotated[Wanted, Depends(TASK_SHAPE)],
) -> Collection[TaskAttributes]:
    workflow = await service.get_workflow(session, workflow_id)
    statement = select(WorkflowTask).where(WorkflowTask.workflow_id == workflow.id, *where)
    order, wide = [WorkflowTask.position.asc()], [WorkflowTask.task_params]
    found = await find(session, statement, WorkflowTask.id, page, order=order, wide=Wide(wide))
    shown = [task_resource(row, hides_secrets=hides_secrets) for row in found.rows]
    return await wanted.collection(session, found, shown)


@router.get(
    "/workflow_tasks/{id}",
    summary="Show a task",
    dependencies=[needs(Scope.READ)],
    responses=errors(404, 422),
)
async def get_workflow_task(
    session: SessionDep, response: Response, id: UUID, hides_secrets: HidesSecrets
) -> Document[TaskAttributes]:
    task, _ = await service.get_task(session, id)
    return _shown(response, task, hides_secrets=hides_secrets)


@router.put(
    "/workflow_tasks/{id}",
    summary="Change a task",
    description="What is left out stays; `task_params` are replaced as a whole.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 412, 422),
)
async def update_workflow_task(
    request: Request,
    session: SessionDep,
    response: Response,
    id: UUID,
    body: NewDocument[Literal["workflow_tasks"], ChangedTask],
    if_match: IfMatch = None,
) -> Document[TaskAttributes]:
    values = body.data.attributes.changes(never_null=REQUIRED)
    await _look_at_templates(request, values)
    task, workflow = await service.get_task(session, id, lock=True)
    check_if_match(if_match, version_of(task.updated_at))
    if values:
        task = await service.change_task(session, task, workflow, values, request.state.vault)
    if "task_params" in values:
        _check_host(request, {"task_params": task.task_params})
    return _shown(response, task)


@router.delete(
    "/workflow_tasks/{id}",
    summary="Remove a task",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 412, 422),
)
async def delete_workflow_task(
    session: SessionDep, response: Response, id: UUID, if_match: IfMatch = None
) -> Document[TaskAttributes]:
    task, workflow = await service.get_task(session, id, lock=True)
    check_if_match(if_match, version_of(task.updated_at))
    shown = _shown(response, task)
    await service.remove_task(session, task, workflow)
    return shown


async def _look_at_templates(request: Request, values: Mapping[str, Any]) -> None:
    caller = str(request.state.api_key.id)
    await look_at_templates(request.state.costly, caller, [values.get("task_params") or {}])


def _check_host(request: Request, values: Mapping[str, Any]) -> None:
    hosts = request.state.settings.http_client_hosts.split(",")
    if detail := host_problem(values.get("task_params") or {}, hosts):
        raise InvalidError(detail, pointer="/data/attributes/task_params/url")


def _shown(
    response: Response, task: WorkflowTask, *, hides_secrets: bool = False
) -> Document[TaskAttributes]:
    response.headers["ETag"] = etag_of(task.updated_at)
    return Document(data=task_resource(task, hides_secrets=hides_secrets))
