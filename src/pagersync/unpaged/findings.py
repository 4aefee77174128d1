"""What nobody was paged for, as findings."""

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert
from pagersync.events.models import DomainEvent
from pagersync.events.publish import NO_INTEGRATION
from pagersync.findings import Finding, Level
from pagersync.incidents.models import Incident
from pagersync.incidents.unpaged import Unpaged
from pagersync.settings import Settings
from pagersync.workflows.models import WorkflowRun

NAMED_MAX: Final = 5


async def find_unpaged(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return the newest incidents and alerts that nobody was paged for, and how many more."""
    if settings.unpaged_s == 0:
        detail = "The check for incidents that nobody was paged for is off: PAGERSYNC_UNPAGED_S=0."
        return [Finding("unpaged_unchecked", Level.WARNING, detail, "unset PAGERSYNC_UNPAGED_S")]
    statement = (
        select(Unpaged, Incident.number, Alert.short_id, func.count().over())
        .outerjoin(Incident, Incident.id == Unpaged.subject_id)
        .outerjoin(Alert, Alert.id == Unpaged.subject_id)
        .where(Unpaged.ended_at.is_(None))
        .order_by(Unpaged.noticed_at.desc(), Unpaged.subject_id.desc())
        .limit(NAMED_MAX)
    )
    rows = (await session.execute(statement)).all()
    found = [
        Finding(
            "unpaged",
            Level.CRITICAL,
            f"Nobody was paged for {row.subject_type} {number or short_id}: {row.detail}.",
            row.remedy,
            None if row.integration_id == NO_INTEGRATION else row.integration_id,
        )
        for row, number, short_id, _ in rows
    ]
    more = rows[0][3] - len(rows) if rows else 0
    if more:
        detail = f"Nobody was paged for {more} more incidents and alerts."
        found.append(Finding("unpaged_more", Level.CRITICAL, detail, "pagersync incidents list"))
    return found


async def find_stops(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return what waits at a limit or could not be looked at."""
    del settings
    found = []
    waiting = select(func.count()).where(WorkflowRun.is_over_limit, WorkflowRun.state == "queued")
    if count := await session.scalar(waiting):
        detail = f"{count} workflow runs wait: their workflow's limit of runs a minute is reached."
        found.append(
            Finding("runs_wait", Level.WARNING, detail, "pagersync workflows runs --status queued")
        )
    dead = select(func.count()).where(DomainEvent.state == "dead")
    if count := await session.scalar(dead):
        detail = f"{count} events could not be looked at by workflows."
        remedy = "GET /v1/domain_events?filter[state]=dead"
        found.append(Finding("events_dead", Level.CRITICAL, detail, remedy))
    return found
