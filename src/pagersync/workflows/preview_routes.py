"""`POST /v1/workflows/preview`: what a workflow would do, without doing it."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.errors import InvalidError
from pagersync.jsonapi import Document, JsonApiResponse, NewDocument, Resource, errors
from pagersync.workflows import manual, service
from pagersync.workflows.definition import ATTRIBUTES
from pagersync.workflows.models import Workflow, WorkflowTask
from pagersync.workflows.preview import (
    Preview,
    Previewed,
    TaskPreview,
    compute,
    prepare,
    preview,
)
from pagersync.workflows.saved_templates import look_at_templates
from pagersync.workflows.severity_ids import with_severity_ids
from pagersync.workflows.subject_params import NamedSubject
from pagersync.workflows.views import NewWorkflow

router = APIRouter(
    prefix="/v1",
    tags=["Workflows"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)


class PreviewRequest(NamedSubject):
    """A workflow to look at, and what it would be about: by default, an example."""

    workflow_id: str | None = Field(default=None, description="Its id or its slug.")
    workflow: NewWorkflow | None = Field(
        default=None, description="One that is not saved, as `POST /v1/workflows` takes it."
    )


class TaskPreviewAttributes(BaseModel):
    """What one task would do."""

    position: int
    name: str
    enabled: bool
    task_type: str
    rendered_params: dict[str, Any] | None
    error: str | None = Field(description="Of a template, with its line and column.")
    would: dict[str, Any] = Field(
        description="Whom it would page, or which pages and alerts it would act on."
    )
    notes: list[str] = Field(description="What would be cut, left out, replaced or empty.")


class PreviewAttributes(BaseModel):
    """What a workflow would do."""

    about: str = Field(description="`incident`, `alert`, `page` or `example`.")
    about_id: UUID | None
    conditions: list[str] = Field(description="In words.")
    conditions_hold: bool | None = Field(description="Null for an example.")
    failed_condition: str | None = Field(description="The first that does not hold.")
    tasks: list[TaskPreviewAttributes]


@router.post(
    "/workflows/preview",
    summary="See what a workflow would do",
    description="Nothing is done and nothing is kept. Conditions are looked at, templates rendered "
    "and targets looked up as a run would, within `PAGERSYNC_PREVIEW_CPU_S`: what is not rendered "
    "by then says so.",
    dependencies=[needs(Scope.READ)],
    responses=errors(400, 404, 409, 422, 503),
)
async def preview_workflow(
    request: Request,
    session: SessionDep,
    body: NewDocument[Literal["workflow_previews"], PreviewRequest],
) -> Document[PreviewAttributes]:
    state, wanted = request.state, body.data.attributes
    caller = str(state.api_key.id)
    if wanted.workflow is not None:
        params = [task.task_params for task in wanted.workflow.tasks]
        await look_at_templates(state.costly, caller, params)
    async with state.sessions() as short:
        workflow, tasks = await _workflow(short, wanted)
        about = await wanted.find(short)
        if about is not None:
            manual.check_fits(workflow, about)
        asked = Previewed(
            workflow=workflow, tasks=tasks, about=about, context=wanted.checked_context()
        )
        prepared = await prepare(short, state.settings, asked)
    computed = await compute(state.costly, caller, asked, prepared)
    seen = await preview(session, asked, prepared, computed)
    attributes = _attributes(seen, about)
    return Document(data=Resource(id="preview", type="workflow_previews", attributes=attributes))


async def _workflow(
    session: AsyncSession, asked: PreviewRequest
) -> tuple[Workflow, list[WorkflowTask]]:
    if (asked.workflow_id is None) == (asked.workflow is None):
        raise InvalidError(
            "give a workflow_id or a workflow, and not both", pointer=f"{ATTRIBUTES}/workflow_id"
        )
    if asked.workflow is not None:
        pointer = f"{ATTRIBUTES}/workflow"
        values = await with_severity_ids(session, asked.workflow.kept(), pointer=pointer)
        return await service.draft_workflow(session, values, pointer=pointer)
    workflow = await service.get_workflow(session, str(asked.workflow_id))
    return workflow, (await service.list_tasks(session, [workflow.id])).get(workflow.id, [])


def _attributes(seen: Preview, about: manual.About | None) -> PreviewAttributes:
    return PreviewAttributes(
        about=about.kind if about else "example",
        about_id=about.id if about else None,
        conditions=seen.conditions,
        conditions_hold=seen.failed is None if about else None,
        failed_condition=seen.failed,
        tasks=[_task(task) for task in seen.tasks],
    )


def _task(seen: TaskPreview) -> TaskPreviewAttributes:
    return TaskPreviewAttributes(
        position=seen.task.position,
        name=seen.task.name,
        enabled=seen.task.enabled,
        task_type=seen.task.task_params["task_type"],
        rendered_params=seen.rendered_params,
        error=seen.error,
        would=seen.would,
        notes=seen.notes,
    )
