"""A service that pages by a simulated PagerTree, and workflows that drive it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.events.publish import Cause
from pagersync.incidents.models import Incident, IncidentEvent, Severity
from pagersync.incidents.service import (
    NewIncident,
    change_incident,
    create_incident,
    get_incident,
    move_incident,
)
from pagersync.paging.models import Page
from pagersync.settings import Settings
from pagersync.workflows.models import Workflow, WorkflowRun, WorkflowTask, WorkflowTaskRun
from pagersync.workflows.slugs import unique_slug
from pagersync.workflows.task_params import check_task_params
from pagersync.workflows.trigger_params import parse_trigger_params, to_json
from tests.paging.conftest import (
    Paging,
    directory,
    idle,
    pagertree,
    paging,
    paging_settings,
    service_api,
    service_url,
)
from tests.support.echo import Echo
from tests.support.server import serving
from tests.support.wait import eventually

__all__ = [
    "directory",
    "idle",
    "pagertree",
    "paging",
    "paging_settings",
    "service_api",
    "service_url",
]

PERSON = Cause("Ada", "api")
ENDED = ("completed", "completed_with_errors", "failed", "canceled")


@dataclass(frozen=True)
class Flows:
    """Workflows in a database, what people do to incidents, and what came of it."""

    sessions: Sessions

    async def add(
        self,
        *tasks: Mapping[str, Any],
        trigger_type: str = "incident",
        triggers: Sequence[str] = ("incident_created",),
        conditions: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> UUID:
        """Save a workflow; a task may carry `skip_on_failure` and `enabled` beside its params."""
        raw = {"trigger_type": trigger_type, "triggers": list(triggers), **(conditions or {})}
        params = parse_trigger_params(raw)
        async with self.sessions.begin() as session:
            name = columns.pop("name", "A workflow")
            workflow = Workflow(
                name=name,
                slug=await unique_slug(session, name),
                trigger_params=to_json(params),
                triggers=list(triggers),
                created_by="a test",
                **columns,
            )
            session.add(workflow)
            await session.flush()
            for position, task in enumerate(tasks, start=1):
                own = {k: task[k] for k in ("skip_on_failure", "enabled") if k in task}
                told = {k: v for k, v in task.items() if k not in own}
                check_task_params(told)
                session.add(
                    WorkflowTask(
                        workflow_id=workflow.id,
                        position=position,
                        name=f"task {position}",
                        task_params=told,
                        **own,
                    )
                )
            return workflow.id

    async def change(self, workflow_id: UUID, **columns: Any) -> None:
        async with self.sessions.begin() as session:
            workflow = (await session.scalars(select(Workflow).filter_by(id=workflow_id))).one()
            workflow.version += 1
            for name, value in columns.items():
                setattr(workflow, name, value)

    async def declare(self, cause: Cause = PERSON, **fields: Any) -> UUID:
        """Make an incident; `severity` names a level."""
        level = fields.pop("severity", None)
        async with self.sessions.begin() as session:
            if level is not None:
                fields["severity_id"] = await self._severity(session, level)
            new = NewIncident(title=fields.pop("title", "Checkout is down"), **fields)
            return (await create_incident(session, new, cause)).id

    async def _severity(self, session: Any, level: str) -> UUID:
        known = await session.scalar(select(Severity.id).where(Severity.severity == level))
        if known is None:
            severity = Severity(name=level, slug=level, severity=level, position=1)
            session.add(severity)
            await session.flush()
            known = severity.id
        return UUID(str(known))

    async def move(self, incident_id: UUID, status: str, cause: Cause = PERSON) -> None:
        async with self.sessions.begin() as session:
            incident = await get_incident(session, incident_id, lock=True)
            await move_incident(session, incident, status, cause)

    async def rate(self, incident_id: UUID, level: str) -> None:
        """Give an incident a severity."""
        async with self.sessions.begin() as session:
            incident = await get_incident(session, incident_id, lock=True)
            severity_id = await self._severity(session, level)
            await change_incident(session, incident, {"severity_id": severity_id}, PERSON)

    async def incident(self, incident_id: UUID) -> Incident:
        async with self.sessions() as session:
            return await get_incident(session, incident_id)

    async def timeline(self, incident_id: UUID) -> list[str]:
        async with self.sessions() as session:
            own = select(IncidentEvent.event).where(IncidentEvent.incident_id == incident_id)
            order = (IncidentEvent.occurred_at, IncidentEvent.id)
            return list(await session.scalars(own.order_by(*order)))

    async def runs(self, workflow_id: UUID) -> list[WorkflowRun]:
        async with self.sessions() as session:
            own = select(WorkflowRun).where(WorkflowRun.workflow_id == workflow_id)
            return list(await session.scalars(own.order_by(WorkflowRun.id)))

    async def ran(self, workflow_id: UUID, *, runs: int = 1) -> list[WorkflowRun]:
        """Wait until so many runs of a workflow have ended; return them."""

        def are_over(found: list[WorkflowRun]) -> bool:
            return sum(run.status in ENDED for run in found) >= runs

        return await eventually(lambda: self.runs(workflow_id), are_over, timeout_s=15)

    async def tasks(self, run: WorkflowRun) -> list[WorkflowTaskRun]:
        async with self.sessions() as session:
            own = select(WorkflowTaskRun).where(WorkflowTaskRun.run_id == run.id)
            return list(await session.scalars(own.order_by(WorkflowTaskRun.position)))

    async def pages(self, incident_id: UUID | None = None) -> list[Page]:
        async with self.sessions() as session:
            every = select(Page).order_by(Page.id)
            if incident_id is not None:
                every = every.where(Page.incident_id == incident_id)
            return list(await session.scalars(every))

    async def looked_at(self, subject_id: UUID, type_: str) -> DomainEvent:
        """Wait until the event of this type about a subject was looked at; return it."""

        async def find() -> DomainEvent | None:
            async with self.sessions() as session:
                own = select(DomainEvent).where(
                    DomainEvent.subject_id == subject_id,
                    DomainEvent.type == type_,
                    DomainEvent.state == "done",
                )
                return await session.scalar(own.order_by(DomainEvent.id.desc()).limit(1))

        event = await eventually(find, lambda found: found is not None)
        assert event is not None
        return event

    async def verdicts(self, subject_id: UUID, type_: str) -> list[dict[str, Any]]:
        event = await self.looked_at(subject_id, type_)
        assert event.evaluations is not None, "no workflow listened"
        return [*event.evaluations["workflows"], *(event.refused or [])]


@pytest.fixture
def flows(sessions: Sessions) -> Flows:
    return Flows(sessions)


@pytest.fixture
def team(paging: Paging) -> dict[str, str]:
    """Return how a task names the first team."""
    name = paging.simulator.directory.teams[0].name
    return {"name": str(name)}


class Called:
    """Somebody that tasks call, and what came there."""

    def __init__(self, url: str, echo: Echo) -> None:
        self.url = url
        self.path = "/hook"
        self.echo = echo

    @property
    def bodies(self) -> list[str]:
        return [str(request["body"]) for request in self.echo.requests]

    async def is_called(self) -> None:
        while not self.echo.requests:
            await asyncio.sleep(0.01)


@pytest.fixture
async def called() -> AsyncIterator[Called]:
    echo = Echo()
    async with serving(echo) as url:
        yield Called(url, echo)
        echo.released.set()


@pytest.fixture(scope="session")
def calling_settings(settings: Settings) -> Settings:
    """Return settings that let tasks call this machine."""
    return settings.model_copy(
        update={"http_client_hosts": "127.0.0.1", "http_client_private_addresses": True}
    )
