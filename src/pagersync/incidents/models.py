"""Incidents, their severities, their timelines, and the alerts attached to them."""

import re
import unicodedata
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, UpdatedAt, new_id

SLUG_CHARACTERS_MAX: Final = 100


class IncidentStatus(StrEnum):
    """Rootly's incident statuses, without those of scheduled maintenance."""

    IN_TRIAGE = "in_triage"
    STARTED = "started"
    DETECTED = "detected"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class IncidentKind(StrEnum):
    """Rootly's kinds of incidents, without those of scheduled maintenance."""

    NORMAL = "normal"
    NORMAL_SUB = "normal_sub"
    TEST = "test"
    TEST_SUB = "test_sub"
    EXAMPLE = "example"
    EXAMPLE_SUB = "example_sub"
    BACKFILLED = "backfilled"


MAINTENANCE_STATUSES: Final = ("scheduled", "in_progress", "completed")
MAINTENANCE_KINDS: Final = ("scheduled", "scheduled_sub")
"""Rootly's for scheduled maintenance, which is not kept here: no incident has them."""


class EventKind(StrEnum):
    """Whether people put something on a timeline, or the system did."""

    EVENT = "event"
    TRAIL = "trail"


class Visibility(StrEnum):
    """Whom an entry of a timeline is for."""

    INTERNAL = "internal"
    EXTERNAL = "external"


class SeverityLevel(StrEnum):
    """What a severity means; PagerTree's SEV-1 to SEV-4 are made of it."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def _is_one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(
        f"{column} IN ({', '.join(repr(value.value) for value in values)})", name=column
    )


class Severity(UpdatedAt, Base):
    """A severity that incidents can have; `severity` is what it means, its name is free."""

    __tablename__ = "severities"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str | None]
    severity: Mapped[str]
    color: Mapped[str | None]
    position: Mapped[int]
    version: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (
        Index("severities_name_key", func.lower(text("name")), unique=True),
        Index("severities_slug_key", "slug", unique=True),
        _is_one_of("severity", SeverityLevel),
    )


class IncidentNumber(Base):
    """The newest number given to an incident: one row, locked until the incident is committed."""

    __tablename__ = "incident_numbers"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]


class Incident(UpdatedAt, Base):
    """One incident. Which status may follow which, and when times are set: `lifecycle.py`.

    Attributes:
        number: 1, 2, 3 and so on, without gaps.
        source: how it came to be: `api`, `cli`, `workflow`.
        source_alert_id: the alert that a workflow made it of; an alert becomes one incident.
        depth: how many workflow runs lie between it and what a person or PagerTree did.
        version: counts changes; an `If-Match` names it.
        restarted_at: when it was last started again after it had ended.
        removed_at: since when nobody finds it; its number is not given again.
    """

    __tablename__ = "incidents"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[int]
    title: Mapped[str]
    summary: Mapped[str | None]
    status: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="normal")
    private: Mapped[bool] = mapped_column(server_default=text("false"))
    severity_id: Mapped[UUID | None] = mapped_column(ForeignKey("severities.id"))
    labels: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    source: Mapped[str]
    created_by: Mapped[str]
    source_alert_id: Mapped[UUID | None]
    duplicate_incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id"))
    workflow_run_id: Mapped[UUID | None]
    depth: Mapped[int] = mapped_column(server_default="0")
    in_triage_at: Mapped[datetime | None]
    in_triage_by: Mapped[str | None]
    started_at: Mapped[datetime | None]
    started_by: Mapped[str | None]
    detected_at: Mapped[datetime | None]
    detected_by: Mapped[str | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    mitigated_at: Mapped[datetime | None]
    mitigated_by: Mapped[str | None]
    mitigation_message: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    resolution_message: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    cancelled_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None]
    cancellation_message: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1")
    restarted_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    search: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed("to_tsvector('simple', title || ' ' || coalesce(summary, ''))", persisted=True),
    )

    __table_args__ = (
        Index("incidents_number_key", "number", unique=True),
        Index(
            "incidents_source_alert_key",
            "source_alert_id",
            unique=True,
            postgresql_where=text("source_alert_id IS NOT NULL AND removed_at IS NULL"),
        ),
        Index(
            "incidents_duplicate_idx",
            "duplicate_incident_id",
            postgresql_where=text("duplicate_incident_id IS NOT NULL"),
        ),
        Index("incidents_status_idx", "status", "id"),
        Index("incidents_severity_idx", "severity_id", "id"),
        Index("incidents_labels_idx", "labels", postgresql_using="gin"),
        Index("incidents_search_idx", "search", postgresql_using="gin"),
        _is_one_of("status", IncidentStatus),
        _is_one_of("kind", IncidentKind),
    )

    @property
    def slug(self) -> str:
        """Its number and the words of its title; what was its slug once leads to it, too."""
        plain = unicodedata.normalize("NFKD", self.title).encode("ascii", "ignore").decode()
        words = re.findall(r"[a-z0-9]+", plain.lower())
        return "-".join([str(self.number), *words])[:SLUG_CHARACTERS_MAX].rstrip("-")


class IncidentEvent(UpdatedAt, Base):
    """An entry of a timeline, at the time of the fact and not of its arrival, with its cause.

    Attributes:
        event: what happened, for people.
        source: who says so: `api`, `cli`, `workflow`, `pagertree`, `system`.
        user_display_name: the person or key behind it, where there is one.
        dedupe_key: the same fact, told twice, stands once.
        version: counts changes; an `If-Match` names it.
    """

    __tablename__ = "incident_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    event: Mapped[str]
    kind: Mapped[str]
    source: Mapped[str]
    visibility: Mapped[str] = mapped_column(server_default="internal")
    user_display_name: Mapped[str | None]
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.now())
    delivery_id: Mapped[UUID | None]
    alert_id: Mapped[UUID | None]
    page_id: Mapped[UUID | None]
    workflow_run_id: Mapped[UUID | None]
    dedupe_key: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (
        Index("incident_events_timeline_idx", "incident_id", "occurred_at", "id"),
        Index(
            "incident_events_dedupe_key",
            "incident_id",
            "dedupe_key",
            unique=True,
            postgresql_where=text("dedupe_key IS NOT NULL"),
        ),
        _is_one_of("kind", EventKind),
        _is_one_of("visibility", Visibility),
    )


class IncidentAlert(Base):
    """An alert that belongs to an incident."""

    __tablename__ = "incident_alerts"

    incident_id: Mapped[UUID] = mapped_column(
        ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True
    )
    alert_id: Mapped[UUID] = mapped_column(primary_key=True)
    integration_id: Mapped[UUID]
    attached_by: Mapped[str]
    attached_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(
            ["alert_id", "integration_id"],
            ["alerts.id", "alerts.integration_id"],
            ondelete="CASCADE",
        ),
        Index("incident_alerts_alert_idx", "alert_id"),
    )
