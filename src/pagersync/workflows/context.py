"""What a task works with while it is executed, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import make_transient_to_detached

from pagersync.alerts.models import Alert
from pagersync.errors import PagersyncError
from pagersync.events.publish import NO_INTEGRATION, Cause
from pagersync.incidents.models import Incident, Severity
from pagersync.incidents.service import get_incident
from pagersync.pagertree.severity import read_severity
from pagersync.paging.models import Page
from pagersync.texts import few
from pagersync.workflows.held import HeldRun
from pagersync.workflows.models import Workflow, WorkflowRun


class TaskFailedError(PagersyncError):
    """A task cannot do what it is for; the run keeps the reason."""

    code = "task_failed"
    status = 422
    title = "Task failed"


class NotYetError(Exception):
    """A task cannot be executed yet; the run waits, and nothing of the task is kept."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a task.

    Attributes:
        result: for people and for the trace.
        page_id, incident_id: what it made.
        operation_ids: calls to PagerTree that it asked for.
    """

    result: dict[str, Any] = field(default_factory=dict)
    page_id: UUID | None = None
    incident_id: UUID | None = None
    operation_ids: list[UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TaskContext:
    """A run's workflow, and what it is about: of a page, its incident and its alert too.

    Attributes:
        event: the event that started the run, if one did.
        loaded: what was read together; the session finds it again without asking PostgreSQL.
        notes: what was cut, dropped or replaced; they are kept on the task, whether it fails or
            not.
        empty: values that its templates show and that are not there; kept on the task, too.
    """

    session: AsyncSession
    run: WorkflowRun
    workflow: Workflow
    incident_id: UUID | None
    alert_id: UUID | None
    page_id: UUID | None
    event: Mapping[str, Any] | None = None
    loaded: Sequence[object] = ()
    notes: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    @property
    def remarks(self) -> list[str]:
        """All that is noted on the task, each once."""
        return few([*self.notes, *self.empty])

    @property
    def cause(self) -> Cause:
        """The run, as the one who does what its tasks do."""
        by = f"the workflow {self.workflow.name!r}"
        return Cause(by, "workflow", self.run.id, self.run.depth)

    @property
    def integration(self) -> str | None:
        """The account to page through, as far as the workflow or its event names one."""
        if self.workflow.integration_id is not None:
            return str(self.workflow.integration_id)
        is_of_none = self.run.integration_id == NO_INTEGRATION
        return None if is_of_none else str(self.run.integration_id)

    async def incident(self) -> Incident:
        """Return the incident that the run is about, locked.

        Raises:
            TaskFailedError: it is about none.
        """
        if self.incident_id is None:
            raise TaskFailedError("this run is about no incident")
        return await get_incident(self.session, self.incident_id, lock=True)

    async def alert(self) -> Alert | None:
        """Return the alert that the run is about."""
        if self.alert_id is None:
            return None
        return await self.session.scalar(select(Alert).where(Alert.id == self.alert_id))

    async def severity(self) -> str | None:
        """Return how severe what the run is about is, as PagerTree is told."""
        if self.incident_id is not None:
            incident = await self.session.get(Incident, self.incident_id)
            if incident is not None and incident.severity_id is not None:
                severity = await self.session.get(Severity, incident.severity_id)
                if severity is not None and severity.severity:
                    return severity.severity
        alert = await self.alert()
        meta = alert.data.get("meta") if alert else None
        named = read_severity(meta.get("incident_severity")) if isinstance(meta, dict) else None
        return named.value if named else None


def held_context(session: AsyncSession, held: HeldRun) -> TaskContext:
    """Return what the tasks of a run work with; `session` takes over what was read of it."""
    for each in held.about:
        make_transient_to_detached(each)
    session.add_all(held.about)
    return TaskContext(
        session,
        held.run,
        held.workflow,
        held.incident_id,
        held.alert_id,
        held.run.page_id,
        held.event,
        held.about,
    )


async def open_context(session: AsyncSession, run: WorkflowRun, workflow: Workflow) -> TaskContext:
    """Return what the tasks of a run that does not exist would work with."""
    incident_id, alert_id = run.incident_id, run.alert_id
    if run.page_id is not None:
        page = await session.scalar(select(Page).where(Page.id == run.page_id))
        if page is not None:
            incident_id, alert_id = page.incident_id, page.alert_id
    return TaskContext(session, run, workflow, incident_id, alert_id, run.page_id)
