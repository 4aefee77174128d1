"""Everything that hangs together with one incident, as old as a test wants it."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert, AlertEvent
from pagersync.events.models import DomainEvent
from pagersync.inbox.models import Delivery
from pagersync.incidents.models import Incident, IncidentAlert, IncidentEvent
from pagersync.incidents.unpaged import Unpaged
from pagersync.kept import first_id
from pagersync.paging.models import Attempt, Operation, Page
from pagersync.tables import Base
from pagersync.workflows.models import Workflow, WorkflowRun, WorkflowTaskRun

OWNER: Final = UUID(int=1)
WORKFLOW: Final = UUID(int=7)


@dataclass
class World:
    """Rows of one incident, its alert, its page, and what led to them."""

    days: int = 5000
    incident: str = "closed"
    alert: str = "resolved"
    page: str = "resolved"
    operation: str = "done"
    number: int = 1
    made: int = field(default=0)

    @property
    def moment(self) -> datetime:
        return datetime.now(UTC) - timedelta(days=self.days)

    def id(self) -> UUID:
        self.made += 1
        return UUID(int=first_id(self.moment).int + self.number * 1000 + self.made)

    async def add(self, session: AsyncSession) -> None:
        at, names = self.moment, [self.id() for _ in range(4)]
        incident_id, alert_id, page_id, run_id = names
        own: dict[str, Any] = {"integration_id": OWNER}
        touched = {"created_at": at, "updated_at": at}
        await self._add_workflow(session)
        external = f"alt_{self.number}"
        session.add_all(
            [
                Incident(
                    id=incident_id,
                    number=self.number,
                    title="t",
                    status=self.incident,
                    source="api",
                    created_by="a test",
                    **touched,
                ),
                Alert(
                    id=alert_id,
                    short_id=f"s{self.number}",
                    external_id=external,
                    external_url="",
                    status=self.alert,
                    summary="s",
                    fold={},
                    **own,
                    **touched,
                ),
            ]
        )
        await session.flush()
        session.add_all(
            [
                IncidentEvent(
                    id=self.id(),
                    incident_id=incident_id,
                    kind="event",
                    event="e",
                    source="web",
                    **touched,
                ),
                IncidentAlert(
                    incident_id=incident_id, alert_id=alert_id, attached_by="a test", **own
                ),
                Unpaged(
                    subject_id=incident_id,
                    subject_type="incident",
                    reason="r",
                    detail="d",
                    remedy="r",
                    since=at,
                    ended_at=at,
                    **own,
                ),
                AlertEvent(
                    id=self.id(),
                    alert_id=alert_id,
                    content_sha256=b"x",
                    kind="k",
                    action="a",
                    event_type="t",
                    details="d",
                    occurred_at=at,
                    **own,
                ),
                Delivery(
                    id=self.id(),
                    body=b"",
                    body_sha256=hashlib.sha256(external.encode()).digest(),
                    state="done",
                    pagertree_alert_id=external,
                    last_received_at=at,
                    **own,
                ),
                Page(
                    id=page_id,
                    incident_id=incident_id,
                    alert_id=alert_id,
                    status=self.page,
                    title="t",
                    urgency="high",
                    targets=[],
                    requested_by="a test",
                    **own,
                    **touched,
                ),
                WorkflowRun(
                    id=run_id,
                    workflow_id=WORKFLOW,
                    incident_id=incident_id,
                    triggered_by="user",
                    requested_by="a test",
                    state="done",
                    finished_at=at,
                    **own,
                ),
                WorkflowTaskRun(
                    id=self.id(),
                    run_id=run_id,
                    task_id=self.id(),
                    position=1,
                    name="t",
                    skip_on_failure=False,
                    task_params={},
                    **own,
                ),
            ]
        )
        self._add_events(session, at, incident=incident_id, alert=alert_id, page=page_id)
        await session.flush()
        self._add_operation(session, at, page_id)

    def _add_events(self, session: AsyncSession, at: datetime, **subjects: UUID) -> None:
        for kind, subject_id in subjects.items():
            event = DomainEvent(
                id=self.id(),
                integration_id=OWNER,
                type=f"{kind}.created",
                subject_type=kind,
                subject_id=subject_id,
                data={},
                occurred_at=at,
                created_at=at,
                state="done",
            )
            session.add(event)

    def _add_operation(self, session: AsyncSession, at: datetime, page_id: UUID) -> None:
        operation_id = self.id()
        session.add_all(
            [
                Operation(
                    id=operation_id,
                    integration_id=OWNER,
                    page_id=page_id,
                    kind="create_alert",
                    requested_by="a test",
                    state=self.operation,
                    created_at=at,
                ),
                Attempt(
                    id=self.id(),
                    integration_id=OWNER,
                    operation_id=operation_id,
                    number=1,
                    method="POST",
                    path="/",
                    started_at=at,
                    duration_ms=1,
                ),
            ]
        )

    async def _add_workflow(self, session: AsyncSession) -> None:
        if await session.get(Workflow, WORKFLOW) is None:
            session.add(
                Workflow(id=WORKFLOW, name="w", slug="w", trigger_params={}, created_by="a test")
            )
            await session.flush()


ALL: Final = {
    "incidents": 1,
    "incident_events": 1,
    "incident_alerts": 1,
    "unpaged": 1,
    "alerts": 1,
    "alert_events": 1,
    "deliveries": 1,
    "pages": 1,
    "operations": 1,
    "attempts": 1,
    "domain_events": 3,
    "workflow_runs": 1,
    "workflow_task_runs": 1,
}
"""Rows of one world, by table."""


async def count(session: AsyncSession) -> dict[str, int]:
    """Return how many rows of a world there are, by table, without tables that have none."""
    counts = {}
    for name in ALL:
        statement = select(func.count()).select_from(Base.metadata.tables[name])
        counts[name] = await session.scalar(statement) or 0
    return {name: rows for name, rows in counts.items() if rows}
