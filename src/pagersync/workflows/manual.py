"""Runs that somebody starts by hand, and runs that somebody cancels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert
from pagersync.alerts.routes import find_alert
from pagersync.database.base import new_id
from pagersync.database.session import driver_connection
from pagersync.errors import ConflictError, InvalidError, NotFoundError
from pagersync.events.publish import NO_INTEGRATION
from pagersync.incidents.service import get_incident
from pagersync.integrations.values import to_uuid
from pagersync.paging.models import Page
from pagersync.paging.service import get_page
from pagersync.workflows.conditions import Subject, conditions_of
from pagersync.workflows.durations import WAIT, duration_s
from pagersync.workflows.models import Workflow, WorkflowRun
from pagersync.workflows.runs import publish_end
from pagersync.workflows.service import trigger_type_of
from pagersync.workflows.subjects import load_subjects

ATTRIBUTES: Final = "/data/attributes"


@dataclass(frozen=True, slots=True)
class About:
    """An incident, an alert or a page.

    Attributes:
        kind: `incident`, `alert` or `page`.
        integration_id: the account that it is of; zero for an incident.
    """

    kind: str
    id: UUID
    integration_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NewManualRun:
    """A run to start.

    Attributes:
        about: what it is about; None for nothing.
        immediate: whether it begins at once, also if the workflow waits.
        check_conditions: whether the conditions must hold.
        context: for templates.
    """

    about: About | None = None
    immediate: bool = True
    check_conditions: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)


async def start_run(
    session: AsyncSession, workflow: Workflow, new: NewManualRun, *, requested_by: str
) -> WorkflowRun:
    """Start a run of a workflow.

    Args:
        session: inside a transaction.
        workflow: the workflow, locked, so that it is not switched off meanwhile.
        new: the run.
        requested_by: who starts it, for people.

    Raises:
        InvalidError: the workflow is off, is for other things, or its conditions do not hold.
    """
    if not workflow.enabled:
        reason = f": {workflow.off_reason}" if workflow.off_reason else ""
        raise InvalidError(f"the workflow {workflow.name!r} is switched off{reason}")
    about = new.about
    check_fits(workflow, about)
    if about is not None and new.check_conditions:
        check_conditions(workflow, await load_subject(session, about))
    waits = workflow.wait is not None and not new.immediate
    wait_s = duration_s(workflow.wait, WAIT) if workflow.wait and waits else 0
    run = WorkflowRun(
        id=new_id(),
        integration_id=about.integration_id if about else NO_INTEGRATION,
        workflow_id=workflow.id,
        triggered_by="user",
        requested_by=requested_by,
        depth=1,
        run_at=func.now() + timedelta(seconds=wait_s),
        checks_conditions=new.check_conditions and waits,
        context=dict(new.context),
        **({f"{about.kind}_id": about.id} if about else {}),
    )
    session.add(run)
    await session.flush()
    await session.refresh(run)
    return run


async def find_about(session: AsyncSession, kind: str, reference: str) -> About:
    """Return what a request names: an incident by id or number, an alert by id or short id.

    Raises:
        InvalidError: there is no such thing.
    """
    try:
        if kind == "incident":
            return About(kind, (await get_incident(session, reference)).id, NO_INTEGRATION)
        if kind == "alert":
            found: Alert | Page = await find_alert(session, reference)
        else:
            found = await get_page(session, to_uuid(reference) or NO_INTEGRATION)
    except NotFoundError as error:
        raise InvalidError(error.detail, pointer=f"{ATTRIBUTES}/{kind}_id") from None
    return About(kind, found.id, found.integration_id)


def check_fits(workflow: Workflow, about: About | None) -> None:
    """Check that a run of a workflow may be about this.

    Raises:
        InvalidError: it may not; those of the kinds `simple` and `account` may be about anything.
    """
    kind = trigger_type_of(workflow)
    if kind not in ("simple", "account", about and about.kind):
        given = f"{about.kind}_id" if about else f"{kind}_id"
        raise InvalidError(
            f"the workflow is for {kind}s: give it {kind}_id", pointer=f"{ATTRIBUTES}/{given}"
        )
    accounts = (None, about and about.integration_id)
    if about and about.integration_id != NO_INTEGRATION and workflow.integration_id not in accounts:
        raise InvalidError(
            f"the workflow is for another integration than the {about.kind}'s",
            pointer=f"{ATTRIBUTES}/{about.kind}_id",
        )


async def load_subject(session: AsyncSession, about: About) -> Subject:
    """Return what a run is about, as conditions look at it."""
    connection = await driver_connection(session)
    return (await load_subjects(connection, about.kind, [about.id]))[about.id]


def check_conditions(workflow: Workflow, subject: Subject) -> None:
    """Check that a workflow's conditions hold.

    Raises:
        InvalidError: they do not; the words are Rootly's, and which of them does not is ours.
    """
    conditions = conditions_of(workflow.trigger_params)
    failed = conditions.first_failed(subject, datetime.now(UTC))
    if failed is not None:
        raise InvalidError(
            f"{subject.kind.capitalize()} conditions are not satisfied: {failed}",
            pointer=f"{ATTRIBUTES}/check_conditions",
        )


async def get_run(session: AsyncSession, run_id: UUID, *, lock: bool = False) -> WorkflowRun:
    """Return a run; with `lock`, it neither begins nor goes on meanwhile.

    Raises:
        NotFoundError: there is none.
    """
    statement = select(WorkflowRun).where(WorkflowRun.id == run_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    run = await session.scalar(statement)
    if run is None:
        raise NotFoundError(f"there is no workflow run {run_id}", noun="workflow run", id_=run_id)
    return run


async def cancel_run(session: AsyncSession, run: WorkflowRun, *, requested_by: str) -> WorkflowRun:
    """Cancel a run that has not begun; it is not repeated either. The run is locked.

    Raises:
        ConflictError: it has begun, or has ended.
    """
    if run.started_at is not None or run.finished_at is not None:
        raise ConflictError(
            f"the run is {run.status}: only one that is queued or waits can be canceled"
        )
    run.state = "canceled"
    run.lease_token = None  # a worker that is about to begin with it finds that it is not its own
    run.leased_until = None
    run.finished_at = datetime.now(UTC)
    run.status_message = f"canceled by {requested_by}"
    await publish_end(session, run, run.state)
    await session.refresh(run)
    return run
