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
from pagersync.costly import CostlyWork
from pagersync.errors import PagersyncError
from pagersync.events.publish import NO_INTEGRATION
from pagersync.outbound import check_host, parse_url
from pagersync.paging.page_targets import paged
from pagersync.secrets.literals import hide_literals
from pagersync.secrets.references import MARKER, mark
from pagersync.settings import Settings
from pagersync.workflows.conditions import Subject
from pagersync.workflows.context import TaskContext, open_context
from pagersync.workflows.http_secrets import is_call
from pagersync.workflows.http_task import HOSTS_SETTING, HttpClientParams
from pagersync.workflows.linked import find_linked
from pagersync.workflows.manual import About, load_subject
from pagersync.workflows.models import Workflow, WorkflowRun, WorkflowTask
from pagersync.workflows.paging_tasks import account_of, plan_page, summary
from pagersync.workflows.preview_work import (
    NOT_JUDGED,
    NOT_RENDERED,
    Judged,
    RenderedTask,
    look,
)
from pagersync.workflows.rendering import example_variables, shown_params, variables_of
from pagersync.workflows.task_params import (
    LinkedAlertsParams,
    PagerTreeAlertParams,
    UpdatePagerTreeAlertParams,
)

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


@dataclass(frozen=True, slots=True)
class Look:
    """What tasks are looked at with."""

    context: TaskContext
    variables: dict[str, Any]
    settings: Settings
    subject: Subject | None


async def prepare(session: AsyncSession, settings: Settings, asked: Previewed) -> Look:
    """Return what a preview needs of the database before anything is rendered."""
    about, workflow = asked.about, asked.workflow
    run = WorkflowRun(
        id=NO_INTEGRATION,
        integration_id=about.integration_id if about else NO_INTEGRATION,
        context=asked.context,
        depth=1,
        **({f"{about.kind}_id": about.id} if about else {}),
    )
    context = await open_context(session, run, workflow)
    variables = (
        example_variables(context)
        if about is None
        else await variables_of(context, settings, {"tasks": [t.task_params for t in asked.tasks]})
    )
    subject = await load_subject(session, about) if about else None
    return Look(context, {"event": EXAMPLE_EVENT, **variables}, settings, subject)


async def compute(
    costly: CostlyWork, caller: str, asked: Previewed, prepared: Look
) -> list[Judged | RenderedTask]:
    """Look at the conditions and render the tasks, with no session open.

    What comes too late is not rendered, and says so.

    Raises:
        TooManyAtOnceError, BusyError, CpuUsedUpError: the caller has to wait.
    """
    tasks = [_without_secrets(task.task_params) for task in asked.tasks]
    done = await costly.run(
        caller,
        look,
        asked.workflow.trigger_params,
        prepared.subject,
        datetime.now(UTC),
        tasks,
        prepared.variables,
    )
    cpu_s = prepared.settings.preview_cpu_s
    seen: list[Judged | RenderedTask] = [*done.results]
    if not seen:
        seen.append(Judged([], NOT_JUDGED.format(cpu_s=cpu_s)))
    late = RenderedTask(error=NOT_RENDERED.format(cpu_s=cpu_s))
    return [*seen, *[late] * (1 + len(tasks) - len(seen))]


async def preview(
    session: AsyncSession,
    asked: Previewed,
    prepared: Look,
    computed: Sequence[Judged | RenderedTask],
) -> Preview:
    """Return what a workflow would do; nothing is done."""
    judged, *rendered = computed
    assert isinstance(judged, Judged)  # noqa: S101 - it comes first
    opened = replace(prepared, context=replace(prepared.context, session=session))
    with session.no_autoflush:
        async with session.begin_nested() as savepoint:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            tasks = [
                await _task(opened, task, each)
                for task, each in zip(asked.tasks, rendered, strict=True)
                if isinstance(each, RenderedTask)
            ]
            await savepoint.rollback()
    return Preview(judged.conditions, judged.failed, tasks)


async def _task(seen: Look, task: WorkflowTask, each: RenderedTask) -> TaskPreview:
    context = replace(seen.context, notes=each.notes, empty=each.empty)
    if each.params is None:
        return TaskPreview(task, None, each.error, notes=context.remarks)
    shown = None
    try:
        shown = shown_params(each.params, each.rendered)
        would = await _would(replace(seen, context=context), each.params)
    except PagersyncError as error:
        return TaskPreview(task, shown, error.detail, notes=context.remarks)
    return TaskPreview(task, shown, would=would, notes=context.remarks)


def _without_secrets(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's parameters with nothing that a preview may not show."""
    return mark(hide_literals(params)) if is_call(params) else dict(params)


async def _would(seen: Look, params: BaseModel) -> dict[str, Any]:
    """Return what a task would act on, of what is there now.

    Raises:
        PagersyncError: it would fail.
    """
    if isinstance(params, UpdatePagerTreeAlertParams | LinkedAlertsParams):
        return summary(await find_linked(seen.context, params.pagertree_alert_id))
    if isinstance(params, HttpClientParams):
        hosts = seen.settings.http_client_hosts.split(",")
        if not MARKER.match(params.url.strip()):  # the host of a secret address shows in the call
            check_host(parse_url(params.url.strip()), hosts, setting=HOSTS_SETTING)
    if not isinstance(params, PagerTreeAlertParams):
        return {}
    if seen.subject is None and params.title is None:
        params = params.model_copy(update={"title": EXAMPLE_TITLE})
    new = await plan_page(seen.context, params, await account_of(seen.context, params))
    accounts = await account_names(seen.context.session, [new])
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
