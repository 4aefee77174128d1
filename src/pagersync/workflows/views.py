"""Workflows and their tasks as the API takes and shows them: Rootly's attributes, and ours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import NAME, AccountNames
from pagersync.access.keys import allows
from pagersync.access.models import Scope
from pagersync.cut_columns import Wide, read_cut
from pagersync.jsonapi import (
    EMPTY_HERE,
    Attributes,
    Empty,
    Ignored,
    Nothing,
    Resource,
    Timestamp,
    is_none,
)
from pagersync.shape import Shape
from pagersync.workflows.definition import TaskContent, WorkflowContent
from pagersync.workflows.http_task import masked
from pagersync.workflows.models import Workflow, WorkflowTask
from pagersync.workflows.run_views import runs_of
from pagersync.workflows.severity_ids import severity_ids_of
from pagersync.workflows.task_params import OURS_ONLY
from pagersync.workflows.trigger_checks import VALUES_MAX
from pagersync.workflows.trigger_params import fits_rootly

Uuid = Annotated[UUID, Field(strict=False)]
OWN_TRIGGER_PARAMS: Final = "pagersync_trigger_params"


class Requested(Attributes):
    """What a request may say of a workflow beside its content.

    What Rootly's workflows have and these do not is accepted as long as it is empty.
    """

    command: Nothing = None
    command_feedback_enabled: Nothing = None
    priority: Literal["normal"] | None = None
    repeat_on: Nothing = None
    locked: Nothing = None
    workflow_group_id: Nothing = None
    environment_ids: Nothing = None
    severity_ids: list[str] | None = Field(
        default=None,
        max_length=VALUES_MAX,
        description="As the condition that an incident's severity `IS` one of these.",
    )
    incident_type_ids: Nothing = None
    incident_role_ids: Nothing = None
    service_ids: Nothing = None
    functionality_ids: Nothing = None
    group_ids: Nothing = None
    cause_ids: Nothing = None
    sub_status_ids: Nothing = None
    group_assignment_ids: Nothing = None
    run_once_per_resource: Nothing = None
    failure_notification_mode: Literal["off", "inherit"] | None = Field(
        default=None, description="pagersync notifies nobody of a failed run: always `off`."
    )
    failure_notification_channels: Nothing = None
    pagersync_trigger_params: dict[str, Any] | None = Field(
        default=None, description="Another name of `trigger_params`, as some answers have it."
    )

    @model_validator(mode="after")
    def _has_one_name(self) -> Self:
        if self.model_fields_set >= {"trigger_params", OWN_TRIGGER_PARAMS}:
            raise ValueError(f"{OWN_TRIGGER_PARAMS} is another name of trigger_params: give one")
        return self

    def kept(self, **options: Any) -> dict[str, Any]:
        """Return what is kept of it, triggers and conditions by their one name."""
        values = super().kept(**options)
        own = values.pop(OWN_TRIGGER_PARAMS, None)
        return values if own is None else values | {"trigger_params": own}


class NewWorkflow(WorkflowContent, Requested):
    """A workflow to make, with its tasks or without."""

    slug: str | None = Field(default=None, description="By default, made of the name.")
    integration_id: Uuid | None = Field(
        default=None,
        description="The account whose alerts and pages it is for, and that its tasks page "
        "through; null: any, and the default account.",
    )


class ChangedWorkflow(Requested):
    """What to change; what is left out stays."""

    name: str | None = None
    slug: Ignored = None
    description: str | None = None
    enabled: bool | None = None
    position: int | None = None
    integration_id: Uuid | None = None
    trigger_params: dict[str, Any] | None = None
    wait: str | None = None
    repeat_every_duration: str | None = None
    repeat_condition_duration_since_first_run: str | None = None
    repeat_condition_number_of_repeats: int | None = None
    continuously_repeat: bool | None = None
    runs_per_minute_max: int | None = None
    tasks: list[TaskContent] | None = Field(
        default=None, description="Replaces all tasks; those in the same place keep their ids."
    )


class NewTask(TaskContent):
    """A task to add."""

    position: int | None = Field(
        default=None, description="Tasks are executed in this order. By default, the last."
    )


class ChangedTask(Attributes):
    """What to change; what is left out stays."""

    name: str | None = None
    position: int | None = None
    enabled: bool | None = None
    skip_on_failure: bool | None = None
    task_params: dict[str, Any] | None = Field(
        default=None, description="Without a `task_type`, the task keeps its own."
    )


class TaskAttributes(BaseModel):
    """What is known of a task."""

    workflow_id: UUID
    name: str
    position: int
    skip_on_failure: bool
    enabled: bool
    task_type: str
    task_params: dict[str, Any] = Field(
        description="Without `task_type`, if it is a task that Rootly lacks: its clients refuse "
        "an answer with one."
    )
    created_at: Timestamp
    updated_at: Timestamp


class TaskOfWorkflow(TaskAttributes):
    """A task where it stands in its workflow."""

    id: UUID
    task_params: dict[str, Any] = Field(description="As they were given, with `task_type`.")


def _none() -> Any:
    return Field(default=[], description=EMPTY_HERE)


class WorkflowAttributes(BaseModel):
    """What is known of a workflow."""

    name: str
    slug: str
    description: str | None
    wait: str | None
    repeat_every_duration: str | None
    repeat_condition_duration_since_first_run: str | None
    repeat_condition_number_of_repeats: int | None
    continuously_repeat: bool
    enabled: bool
    off_reason: str | None = Field(description="Why it was made, or switched, off.")
    position: int
    trigger_params: dict[str, Any] | None = Field(
        default=None,
        exclude_if=is_none,
        description="Left out where Rootly could not say them: see `pagersync_trigger_params`.",
    )
    pagersync_trigger_params: dict[str, Any] | None = Field(
        default=None,
        exclude_if=is_none,
        description="Instead of `trigger_params`: of a workflow for pages, and of one that looks "
        "into summaries. Rootly's clients refuse an answer with a kind or an operator of ours.",
    )
    integration_id: UUID | None
    integration_name: str | None = Field(description=NAME)
    runs_per_minute_max: int
    default: bool = Field(description="Whether it came with an integration.")
    version: int = Field(description="Counts changes; the `ETag` names it.")
    created_by: str
    tasks: list[TaskOfWorkflow]
    created_at: Timestamp
    updated_at: Timestamp
    command: Empty = None
    command_feedback_enabled: Literal[False] = Field(default=False, description=EMPTY_HERE)
    repeat_on: list[str] = _none()
    locked: Literal[False] = Field(default=False, description=EMPTY_HERE)
    workflow_group_id: Empty = None
    run_once_per_resource: Literal[False] = Field(default=False, description=EMPTY_HERE)
    failure_notification_mode: Literal["off"] = Field(
        default="off", description="pagersync notifies nobody of a failed run."
    )
    failure_notification_channels: list[Any] = _none()
    environment_ids: list[str] = _none()
    severity_ids: list[str] = Field(
        description="Those of the condition that the severity `IS` one of, if it has ids alone."
    )
    incident_type_ids: list[str] = _none()
    incident_role_ids: list[str] = _none()
    service_ids: list[str] = _none()
    functionality_ids: list[str] = _none()
    group_ids: list[str] = _none()
    group_assignment_ids: list[str] = _none()
    cause_ids: list[str] = _none()
    sub_status_ids: list[str] = _none()


REQUIRED: Final = (
    "name",
    "enabled",
    "position",
    "trigger_params",
    "continuously_repeat",
    "runs_per_minute_max",
    "tasks",
    "skip_on_failure",
    "task_params",
)
"""Attributes that may be left out of a change but not be null."""


def _hides_secrets(request: Request) -> bool:
    return not allows(request.state.api_key.scopes, Scope.WRITE)


HidesSecrets = Annotated[bool, Depends(_hides_secrets)]
"""Whether a caller, who passed the guard, sees workflows without what their calls log in with."""


def workflow_resource(
    workflow: Workflow,
    tasks: Sequence[WorkflowTask],
    accounts: AccountNames,
    *,
    hides_secrets: bool,
) -> Resource[WorkflowAttributes]:
    """Return a workflow as it is shown, with its tasks in their order."""
    shown = {
        name: getattr(workflow, name)
        for name in WorkflowAttributes.model_fields
        if hasattr(Workflow, name)
    }
    if not fits_rootly(workflow.trigger_params):
        shown[OWN_TRIGGER_PARAMS] = shown.pop("trigger_params")
    attributes = WorkflowAttributes(
        **shown,
        integration_name=accounts.get(workflow.integration_id),
        default=workflow.default_key is not None,
        severity_ids=severity_ids_of(workflow.trigger_params),
        tasks=[TaskOfWorkflow(id=task.id, **_columns(task, hides_secrets)) for task in tasks],
    )
    return Resource(id=str(workflow.id), type="workflows", attributes=attributes)


def _columns(task: WorkflowTask, hides_secrets: bool) -> dict[str, Any]:  # noqa: FBT001 - private
    shown = {
        name: getattr(task, name) for name in TaskAttributes.model_fields if name != "task_type"
    }
    params = masked(task.task_params) if hides_secrets else dict(task.task_params)
    return shown | {"task_type": params["task_type"], "task_params": params}


def task_resource(task: WorkflowTask, *, hides_secrets: bool) -> Resource[TaskAttributes]:
    """Return a task as Rootly's clients can read it."""
    columns = _columns(task, hides_secrets)
    if columns["task_type"] in OURS_ONLY:
        del columns["task_params"]["task_type"]
    return Resource(id=str(task.id), type="workflow_tasks", attributes=TaskAttributes(**columns))


async def list_cut_tasks(
    session: AsyncSession, workflow_ids: Sequence[UUID]
) -> Mapping[UUID, list[WorkflowTask]]:
    """Return the tasks of workflows, in their order, without parameters too long for a list."""
    own = select(WorkflowTask).where(WorkflowTask.workflow_id.in_(workflow_ids))
    count = await session.scalar(select(func.count()).select_from(own.subquery())) or 0
    statement, wide = own.order_by(WorkflowTask.position), [WorkflowTask.task_params]
    tasks: defaultdict[UUID, list[WorkflowTask]] = defaultdict(list)
    for task in await read_cut(session, statement, Wide(wide), count):
        tasks[task.workflow_id].append(task)
    return tasks


async def tasks_of(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Resource[Any]]]:
    """Return the tasks of workflows, by workflow, without what their calls log in with."""
    tasks = await list_cut_tasks(session, ids)
    return {id_: [task_resource(t, hides_secrets=True) for t in own] for id_, own in tasks.items()}


SHAPE: Final = Shape(
    "workflows",
    loaders={"genius_tasks": tasks_of, "genius_workflow_runs": runs_of},
    nothing=("form_field_conditions", "alert_field_conditions"),
)
TASK_SHAPE: Final = Shape("workflow_tasks")
