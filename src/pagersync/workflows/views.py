"""Workflows and their tasks as the API takes and shows them: Rootly's attributes, and ours."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, Field

from pagersync.access.keys import allows
from pagersync.access.models import Scope
from pagersync.jsonapi import Attributes, Nothing, Resource, Timestamp
from pagersync.workflows.definition import TaskContent, WorkflowContent
from pagersync.workflows.http_task import masked
from pagersync.workflows.models import Workflow, WorkflowTask

Uuid = Annotated[UUID, Field(strict=False)]


class OfRootlyOnly(Attributes):
    """What Rootly's workflows have and these do not: empty values are accepted."""

    command: Nothing = None
    command_feedback_enabled: Nothing = None
    priority: Literal["normal"] | None = None
    repeat_on: Nothing = None
    locked: Nothing = None
    workflow_group_id: Nothing = None
    environment_ids: Nothing = None
    severity_ids: Nothing = None
    incident_type_ids: Nothing = None
    incident_role_ids: Nothing = None
    service_ids: Nothing = None
    functionality_ids: Nothing = None
    group_ids: Nothing = None
    cause_ids: Nothing = None
    sub_status_ids: Nothing = None


class NewWorkflow(WorkflowContent, OfRootlyOnly):
    """A workflow to make, with its tasks or without."""

    slug: str | None = Field(default=None, description="By default, made of the name.")
    integration_id: Uuid | None = Field(
        default=None,
        description="The account whose alerts and pages it is for, and that its tasks page "
        "through; null: any, and the only one.",
    )


class ChangedWorkflow(OfRootlyOnly):
    """What to change; what is left out stays."""

    name: str | None = None
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
    task_params: dict[str, Any] | None = None


class TaskAttributes(BaseModel):
    """What is known of a task."""

    workflow_id: UUID
    name: str
    position: int
    skip_on_failure: bool
    enabled: bool
    task_params: dict[str, Any]
    created_at: Timestamp
    updated_at: Timestamp


class TaskOfWorkflow(TaskAttributes):
    """A task where it stands in its workflow."""

    id: UUID


class WorkflowAttributes(BaseModel):
    """What is known of a workflow."""

    name: str
    slug: str
    description: str | None
    command: None = None
    command_feedback_enabled: Literal[False] = False
    wait: str | None
    repeat_every_duration: str | None
    repeat_condition_duration_since_first_run: str | None
    repeat_condition_number_of_repeats: int | None
    continuously_repeat: bool
    repeat_on: list[str] = Field(default_factory=list)
    enabled: bool
    off_reason: str | None = Field(description="Why it was made, or switched, off.")
    locked: Literal[False] = False
    position: int
    workflow_group_id: None = None
    trigger_params: dict[str, Any]
    environment_ids: list[str] = Field(default_factory=list)
    severity_ids: list[str] = Field(default_factory=list)
    incident_type_ids: list[str] = Field(default_factory=list)
    incident_role_ids: list[str] = Field(default_factory=list)
    service_ids: list[str] = Field(default_factory=list)
    functionality_ids: list[str] = Field(default_factory=list)
    group_ids: list[str] = Field(default_factory=list)
    cause_ids: list[str] = Field(default_factory=list)
    sub_status_ids: list[str] = Field(default_factory=list)
    integration_id: UUID | None
    runs_per_minute_max: int
    default: bool = Field(description="Whether it came with an integration.")
    version: int = Field(description="Counts changes; the `ETag` names it.")
    created_by: str
    tasks: list[TaskOfWorkflow]
    created_at: Timestamp
    updated_at: Timestamp


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
    workflow: Workflow, tasks: Sequence[WorkflowTask], *, hides_secrets: bool
) -> Resource[WorkflowAttributes]:
    """Return a workflow as it is shown, with its tasks in their order."""
    shown = {
        name: getattr(workflow, name)
        for name in WorkflowAttributes.model_fields
        if hasattr(Workflow, name)
    }
    attributes = WorkflowAttributes(
        **shown,
        default=workflow.default_key is not None,
        tasks=[TaskOfWorkflow(id=task.id, **_columns(task, hides_secrets)) for task in tasks],
    )
    return Resource(id=str(workflow.id), type="workflows", attributes=attributes)


def _columns(task: WorkflowTask, hides_secrets: bool) -> dict[str, Any]:  # noqa: FBT001 - private
    shown = {name: getattr(task, name) for name in TaskAttributes.model_fields}
    return shown | {"task_params": masked(task.task_params)} if hides_secrets else shown


def task_resource(task: WorkflowTask, *, hides_secrets: bool) -> Resource[TaskAttributes]:
    """Return a task as it is shown."""
    attributes = TaskAttributes(**_columns(task, hides_secrets))
    return Resource(id=str(task.id), type="workflow_tasks", attributes=attributes)
