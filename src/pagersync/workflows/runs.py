"""One run as its rows have it: how it begins, goes on, ends, and comes again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.base import new_id
from pagersync.database.session import driver_connection
from pagersync.events.publish import Cause, happened, publish
from pagersync.incidents.activity import Activity, add_activity
from pagersync.incidents.models import Incident
from pagersync.workflows.conditions import conditions_of
from pagersync.workflows.context import TaskContext, TaskResult
from pagersync.workflows.durations import REPEAT_EVERY, REPEAT_FOR, duration_s
from pagersync.workflows.held import HeldRun
from pagersync.workflows.models import (
    RunStatus,
    TaskRunStatus,
    Workflow,
    WorkflowRun,
    WorkflowTaskRun,
)
from pagersync.workflows.subjects import load_subjects

ERROR_CHARACTERS_MAX: Final = 500
EVENT_VARIABLES: Final = ("type", "data", "occurred_at", "requested_by")


async def begin(session: AsyncSession, held: HeldRun) -> str | None:
    """Begin a run that has not begun; return why it is not to run."""
    run = held.run
    if run.started_at is not None:
        return None
    reason = await why_not(session, run, held.workflow)
    if reason is None:
        run.started_at = datetime.now(UTC)
    else:
        held.changed.clear()
    return reason


async def why_not(session: AsyncSession, run: WorkflowRun, workflow: Workflow) -> str | None:
    """Return why a run is not to begin: its workflow is off, or its conditions do not hold."""
    if workflow.removed_at is not None:
        return "the workflow was removed"
    if not workflow.enabled:
        return "the workflow was switched off"
    if not run.checks_conditions:
        return None
    kind, subject_id = subject_of(run)
    if subject_id is None:
        return None
    subjects = await load_subjects(await driver_connection(session), kind, [subject_id])
    is_removed = run.repeat_number > 0 and await _is_incident_removed(session, run)
    if subject_id not in subjects or is_removed:
        return f"the {kind} is gone"
    conditions = conditions_of(workflow.trigger_params)
    failed = conditions.first_failed(subjects[subject_id], datetime.now(UTC))
    return failed and f"its conditions do not hold: {failed}"


def subject_of(run: WorkflowRun) -> tuple[str, Any]:
    """Return what a run is about: its kind and its id, which is None for nothing."""
    if run.incident_id is not None:
        return "incident", run.incident_id
    if run.alert_id is not None:
        return "alert", run.alert_id
    return "page", run.page_id


def about(context: TaskContext) -> dict[str, Any]:
    """Return what templates can say about the run itself: its workflow, its event, its context."""
    run, workflow = context.run, context.workflow
    variables: dict[str, Any] = {
        "workflow": {"id": str(workflow.id), "name": workflow.name},
        "context": run.context,
    }
    if context.event is not None:
        variables["event"] = {name: context.event[name] for name in EVENT_VARIABLES}
    return variables


def complete(task: WorkflowTaskRun, result: TaskResult) -> None:
    """Record that a task is done."""
    task.status = TaskRunStatus.COMPLETED
    task.result = result.result
    task.page_id = result.page_id
    task.incident_id = result.incident_id
    task.operation_ids = result.operation_ids
    _finish(task)


def fail(held: HeldRun, task: WorkflowTaskRun, error: str, *, goes_on: bool = False) -> None:
    """Record that a task failed; unless it may be skipped, those behind it are not tried.

    With `goes_on` they are: what is wrong concerns this task alone.
    """
    task.status = TaskRunStatus.FAILED
    task.error = error
    _finish(task)
    if task.skip_on_failure or goes_on:
        return
    for other in held.tasks:
        if other.position > task.position and other.status == TaskRunStatus.QUEUED:
            other.status = TaskRunStatus.SKIPPED
            other.error = f"task {task.position} failed before it"
            held.note(other)


def _finish(task: WorkflowTaskRun) -> None:
    task.finished_at = datetime.now(UTC)
    since = task.started_at or task.finished_at
    task.duration_ms = round((task.finished_at - since) / timedelta(milliseconds=1))


def outcome(tasks: Sequence[WorkflowTaskRun]) -> tuple[str, str | None]:
    """Return the state that a run of which no task is left ends in, and what to say about it."""
    failed = [task for task in tasks if task.status == TaskRunStatus.FAILED]
    if not failed:
        return "done", None
    message = "; ".join(f"task {task.position} ({task.name}): {task.error}" for task in failed)
    is_whole = all(task.skip_on_failure for task in failed)
    return (RunStatus.COMPLETED_WITH_ERRORS if is_whole else RunStatus.FAILED), message


async def tell_incident(session: AsyncSession, run: WorkflowRun, workflow: Workflow) -> None:
    """Say on the timeline of the incident that a run was about what went wrong with it."""
    if run.incident_id is None:
        return
    said = (run.status_message or "")[:ERROR_CHARACTERS_MAX].removesuffix(".")
    activity = Activity(
        incident_id=run.incident_id,
        event=f"The workflow {workflow.name!r} failed: {said}.",
        source="workflow",
        occurred_at=datetime.now(UTC),
        workflow_run_id=run.id,
    )
    await add_activity(await driver_connection(session), [activity])


async def repeat(
    session: AsyncSession, run: WorkflowRun, workflow: Workflow, *, was_canceled: bool
) -> None:
    """Queue a run's next repetition, unless one of its stops is reached."""
    repetition = next_repetition(run, workflow, was_canceled=was_canceled, now=datetime.now(UTC))
    # A run that is tried again may have been followed before.
    if repetition is None or await _is_queued(session, repetition):
        return
    if not await _is_incident_removed(session, run):
        session.add(repetition)


def next_repetition(
    run: WorkflowRun, workflow: Workflow, *, was_canceled: bool, now: datetime
) -> WorkflowRun | None:
    """Return what follows a run; None when one of its stops is reached. Pure."""
    every = workflow.repeat_every_duration
    if every is None or not workflow.enabled or workflow.removed_at is not None:
        return None
    if was_canceled and not workflow.continuously_repeat:
        return None
    first_run_at = run.first_run_at or run.started_at or now
    next_at = now + timedelta(seconds=duration_s(every, REPEAT_EVERY))
    limit = workflow.repeat_condition_number_of_repeats
    if limit is not None and run.repeat_number >= limit:
        return None
    span = workflow.repeat_condition_duration_since_first_run
    if span is not None and next_at > first_run_at + timedelta(
        seconds=duration_s(span, REPEAT_FOR)
    ):
        return None
    return WorkflowRun(
        id=new_id(),
        integration_id=run.integration_id,
        workflow_id=run.workflow_id,
        domain_event_id=run.domain_event_id,
        incident_id=run.incident_id,
        alert_id=run.alert_id,
        page_id=run.page_id,
        triggered_by=run.triggered_by,
        requested_by=run.requested_by,
        requester=run.requester,
        pages=run.pages,
        depth=run.depth,
        repeat_number=run.repeat_number + 1,
        first_run_at=first_run_at,
        context=run.context,
        run_at=next_at,
    )


async def _is_queued(session: AsyncSession, repetition: WorkflowRun) -> bool:
    same = select(WorkflowRun.id).where(
        WorkflowRun.workflow_id == repetition.workflow_id,
        WorkflowRun.first_run_at == repetition.first_run_at,
        WorkflowRun.repeat_number == repetition.repeat_number,
        WorkflowRun.domain_event_id.is_not_distinct_from(repetition.domain_event_id),
    )
    return await session.scalar(same.limit(1)) is not None


async def _is_incident_removed(session: AsyncSession, run: WorkflowRun) -> bool:
    """Tell whether the incident that a run is about was removed: then it is not repeated."""
    if run.incident_id is None:
        return False
    is_it = Incident.id == run.incident_id
    removed = select(Incident.id).where(is_it, Incident.removed_at.is_not(None))
    return await session.scalar(removed) is not None


async def publish_end(session: AsyncSession, run: WorkflowRun, state: str) -> None:
    """Publish how a run ended."""
    status = {"done": RunStatus.COMPLETED.value}.get(state, state)
    fact = happened(
        f"workflow_run.{status}",
        run.id,
        {"workflow_id": str(run.workflow_id), "status": status},
        cause=Cause(run.requested_by, "workflow", run.id, run.depth),
        integration_id=run.integration_id,
    )
    await publish(await driver_connection(session), [fact])
