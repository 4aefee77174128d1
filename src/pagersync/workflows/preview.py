"""What a workflow would do: its conditions in words, its tasks rendered, and whom they would page.

Nothing is done: the transaction cannot write while a workflow is previewed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import account_names
from pagersync.errors import PagersyncError
from pagersync.events.publish import NO_INTEGRATION
from pagersync.outbound import check_host, parse_url
from pagersync.paging.page_targets import paged
from pagersync.secrets.literals import hide_literals
from pagersync.secrets.references import MARKER, mark
from pagersync.settings import Settings
from pagersync.threads import INTERACTIVE, run_in
from pagersync.workflows.conditions import conditions_of
from pagersync.workflows.context import TaskContext, open_context
from pagersync.workflows.http_secrets import is_call
from pagersync.workflows.http_task import HOSTS_SETTING, HttpClientParams
from pagersync.workflows.linked import find_linked
from pagersync.workflows.manual import About, load_subject
from pagersync.workflows.models import Workflow, WorkflowRun, WorkflowTask
from pagersync.workflows.paging_tasks import plan_page, summary
from pagersync.workflows.rendering import example_variables, shown_params, variables_of
from pagersync.workflows.task_params import (
    LinkedAlertsParams,
    PagerTreeAlertParams,
    UpdatePagerTreeAlertParams,
)
from pagersync.workflows.task_texts import render_task
from pagersync.workflows.template_remarks import Remarks

EXAMPLE_EVENT: Final[Mapping[str, Any]] = {
    "type": "incident.updated",
    "data": {"changes": {"status": {"from": "started", "to": "resolved"}}},
    "occurred_at": datetime(2026, 1, 1, 12, tzinfo=UTC),
    "requested_by": "the API key 'example'",
}
EXAMPLE_TITLE: Final = "Checkout is failing"


@dataclass(frozen=True, slots=True)
class TaskPreview:
    """What one task would do.

    Attributes:
        error: why it would fail; None if it would not, as far as that shows.
        would: whom it would page, or which pages and alerts it would act on.
        notes: what would be cut, left out, replaced or empty.
    """

    task: WorkflowTask
    rendered_params: dict[str, Any] | None = None
    error: str | None = None
    would: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a workflow would do.

    Attributes:
        conditions: every condition in words.
        failed: the first that does not hold; None if all hold, or if there is nothing to look at.
    """

    conditions: list[str]
    failed: str | None
    tasks: list[TaskPreview]


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What is previewed: a workflow, saved or not, about something or an example."""

    workflow: Workflow
    tasks: Sequence[WorkflowTask]
    about: About | None
    context: dict[str, Any]


async def preview(session: AsyncSession, settings: Settings, asked: Previewed) -> Preview:
    """Return what a workflow would do; nothing is done."""
    with session.no_autoflush:
        async with session.begin_nested() as savepoint:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            seen = await _preview(session, settings, asked)
            await savepoint.rollback()
    return seen


async def _preview(session: AsyncSession, settings: Settings, asked: Previewed) -> Preview:
    about, workflow = asked.about, asked.workflow
    conditions = conditions_of(workflow.trigger_params)
    failed = None
    if about is not None:
        failed = conditions.first_failed(await load_subject(session, about), datetime.now(UTC))
    run = WorkflowRun(
        id=NO_INTEGRATION,
        integration_id=about.integration_id if about else NO_INTEGRATION,
        context=asked.context,
        depth=1,
        **({f"{about.kind}_id": about.id} if about else {}),
    )
    context = await open_context(session, run, workflow)
    variables = await (
        example_variables(context)
        if about is None
        else variables_of(context, settings, {"tasks": [t.task_params for t in asked.tasks]})
    )
    variables = {"event": EXAMPLE_EVENT, **variables}
    look = _Look(context, variables, settings, is_example=about is None)
    tasks = [await _task(look, task) for task in asked.tasks]
    return Preview(conditions.describe(), failed, tasks)


@dataclass(frozen=True, slots=True)
class _Look:
    """What tasks are looked at with."""

    context: TaskContext
    variables: dict[str, Any]
    settings: Settings
    is_example: bool


async def _task(look: _Look, task: WorkflowTask) -> TaskPreview:
    shown = None
    context = replace(look.context, notes=[], empty=[])
    remarks = Remarks(notes=context.notes, empty=context.empty)
    try:
        told = _without_secrets(task.task_params)
        params, rendered = await run_in(INTERACTIVE, render_task, told, look.variables, remarks)
        shown = shown_params(params, rendered)
        would = await _would(replace(look, context=context), params)
    except PagersyncError as error:
        return TaskPreview(task, shown, error.detail, notes=context.remarks)
    return TaskPreview(task, shown, would=would, notes=context.remarks)


def _without_secrets(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's parameters with nothing that a preview may not show."""
    return mark(hide_literals(params)) if is_call(params) else dict(params)


async def _would(look: _Look, params: BaseModel) -> dict[str, Any]:
    """Return what a task would act on, of what is there now.

    Raises:
        PagersyncError: it would fail.
    """
    if isinstance(params, UpdatePagerTreeAlertParams | LinkedAlertsParams):
        return summary(await find_linked(look.context, params.pagertree_alert_id))
    if isinstance(params, HttpClientParams):
        hosts = look.settings.http_client_hosts.split(",")
        if not MARKER.match(params.url.strip()):  # the host of a secret address shows in the call
            check_host(parse_url(params.url.strip()), hosts, setting=HOSTS_SETTING)
    if not isinstance(params, PagerTreeAlertParams):
        return {}
    if look.is_example and params.title is None:
        params = params.model_copy(update={"title": EXAMPLE_TITLE})
    new = await plan_page(look.context, params)
    accounts = await account_names(look.context.session, [new])
    return {
        "integration_id": str(new.integration_id),
        "integration_name": accounts.get(new.integration_id),
        "title": new.title,
        "urgency": new.urgency,
        "severity": new.severity,
        "targets": [target["name"] for target in paged(new.targets)],
        "fallback_targets": [target["name"] for target in paged(new.fallback_targets or ())],
        "notes": new.notes,
    }
