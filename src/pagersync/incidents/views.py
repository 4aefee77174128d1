"""How the API shows incidents, their timelines and severities, with Rootly's attribute names."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.cut_columns import Columns
from pagersync.incidents.models import (
    EventKind,
    Incident,
    IncidentEvent,
    IncidentKind,
    IncidentStatus,
    Severity,
    SeverityLevel,
    Visibility,
)
from pagersync.incidents.rootly_attributes import EmptyOfIncident
from pagersync.incidents.unpaged import unpaged_reasons
from pagersync.jsonapi import EMPTY_HERE, Document, Resource, Timestamp
from pagersync.shape import read_related, related_max

A = TypeVar("A", bound=BaseModel)

WIDE: Final[Columns] = (
    Incident.summary,
    Incident.mitigation_message,
    Incident.resolution_message,
    Incident.cancellation_message,
)
"""What can hold much, and is cut in lists."""


class Person(BaseModel):
    """Who did something: a person, an API key, a workflow."""

    name: str


class SeverityAttributes(BaseModel):
    """What a severity is called, and what it means."""

    name: str
    slug: str
    description: str | None
    severity: SeverityLevel
    color: str | None
    position: int
    notify_emails: list[str] = Field(default=[], description=EMPTY_HERE)
    slack_channels: list[str] = Field(default=[], description=EMPTY_HERE)
    slack_aliases: list[str] = Field(default=[], description=EMPTY_HERE)
    version: int = Field(description="Its `ETag`: how often it was changed, and once.")
    created_at: Timestamp
    updated_at: Timestamp


class KnownOfIncident(BaseModel):
    """What is known of an incident."""

    id: UUID
    sequential_id: int = Field(description="Its number: 1, 2, 3 and so on, without gaps.")
    slug: str = Field(description="Its number and the words of its title.")
    title: str
    summary: str | None
    status: IncidentStatus
    kind: IncidentKind
    private: bool
    severity: Document[SeverityAttributes] | None
    labels: dict[str, Any]
    duplicate_incident_id: UUID | None
    source: str
    source_alert_id: UUID | None = Field(description="The alert that a workflow made it of.")
    workflow_run_id: UUID | None
    unpaged_reason: str | None = Field(
        description="Why nobody is paged for it although somebody should be; null if all is well."
    )
    created_by: Person
    user: Person = Field(description="Who made it, as `created_by`.")
    url: str | None = Field(description="Where it is read; null without PAGERSYNC_PUBLIC_URL.")
    short_url: str | None = Field(description="The same.")
    mitigation_message: str | None
    resolution_message: str | None
    cancellation_message: str | None
    in_triage_at: Timestamp | None
    in_triage_by: Person | None
    started_at: Timestamp | None
    started_by: Person | None
    detected_at: Timestamp | None
    detected_by: Person | None
    acknowledged_at: Timestamp | None
    acknowledged_by: Person | None
    mitigated_at: Timestamp | None
    mitigated_by: Person | None
    resolved_at: Timestamp | None
    resolved_by: Person | None
    closed_at: Timestamp | None
    closed_by: Person | None
    cancelled_at: Timestamp | None
    cancelled_by: Person | None
    version: int = Field(description="Its `ETag`: how often it was changed, and once.")
    created_at: Timestamp
    updated_at: Timestamp


class IncidentAttributes(EmptyOfIncident, KnownOfIncident):
    """What is known of an incident, and Rootly's attributes that are always empty here."""


class EntryAttributes(BaseModel):
    """An entry of a timeline, with its cause."""

    event: str
    kind: EventKind = Field(description="`event`: by people. `trail`: by the system.")
    source: str
    visibility: Visibility
    user_display_name: str | None
    occurred_at: Timestamp = Field(description="When it happened, not when that became known.")
    incident_id: UUID
    delivery_id: UUID | None
    alert_id: UUID | None
    page_id: UUID | None
    workflow_run_id: UUID | None
    version: int = Field(description="Its `ETag`: how often it was changed, and once.")
    created_at: Timestamp
    updated_at: Timestamp


async def incident_resources(
    session: AsyncSession, rows: Sequence[Incident], *, base_url: str | None = None
) -> list[Resource[IncidentAttributes]]:
    """Return incidents as the API shows them; without `base_url`, without their addresses."""
    ids = {row.severity_id for row in rows if row.severity_id is not None}
    severities: Mapping[UUID, Severity] = {}
    if ids:
        found = await session.scalars(select(Severity).where(Severity.id.in_(ids)))
        severities = {severity.id: severity for severity in found}
    reasons = await unpaged_reasons(session, [row.id for row in rows])
    return [
        Resource(
            id=str(row.id),
            type="incidents",
            attributes=_attributes(
                row,
                severities,
                base_url and f"{base_url}/v1/incidents/{row.id}",
                reasons.get(row.id),
            ),
        )
        for row in rows
    ]


async def load_entries(
    session: AsyncSession, incident_ids: Sequence[UUID]
) -> dict[UUID, list[Resource[Any]]]:
    """Return the newest entries of the timelines of incidents, for `include`."""
    newest = IncidentEvent.occurred_at.desc(), IncidentEvent.id.desc()
    place = func.row_number().over(partition_by=IncidentEvent.incident_id, order_by=newest)
    own = select(IncidentEvent.id, place.label("place"))
    placed = own.where(IncidentEvent.incident_id.in_(incident_ids)).subquery()
    is_shown = (placed.c.id == IncidentEvent.id) & (
        placed.c.place <= related_max(len(incident_ids))
    )
    found: defaultdict[UUID, list[Resource[Any]]] = defaultdict(list)
    statement = select(IncidentEvent).join(placed, is_shown).order_by(*newest)
    for row in await read_related(session, statement, [IncidentEvent.event], len(incident_ids)):
        found[row.incident_id].append(entry_resource(row))
    return found


def severity_resource(row: Severity) -> Resource[SeverityAttributes]:
    """Return a severity as the API shows it."""
    return Resource(id=str(row.id), type="severities", attributes=_read(SeverityAttributes, row))


def entry_resource(row: IncidentEvent) -> Resource[EntryAttributes]:
    """Return an entry of a timeline as the API shows it."""
    return Resource(id=str(row.id), type="incident_events", attributes=_read(EntryAttributes, row))


def _attributes(
    row: Incident,
    severities: Mapping[UUID, Severity],
    url: str | None,
    unpaged_reason: str | None,
) -> IncidentAttributes:
    own = {name: getattr(row, name) for name in KnownOfIncident.model_fields if hasattr(row, name)}
    people = {
        name: None if value is None else Person(name=value)
        for name, value in own.items()
        if name.endswith("_by")
    }
    severity = severities.get(row.severity_id) if row.severity_id else None
    return IncidentAttributes(
        **own | people,
        sequential_id=row.number,
        user=Person(name=row.created_by),
        url=url,
        short_url=url,
        unpaged_reason=unpaged_reason,
        severity=None if severity is None else Document(data=severity_resource(severity)),
    )


def _read(model: type[A], row: object) -> A:
    own = {name: getattr(row, name) for name in model.model_fields if hasattr(row, name)}
    return model(**own)
