"""Alerts, and what happened to each."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Sequence,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, UpdatedAt, new_id

LOCAL_PREFIX: Final = "local:"
"""Begins the external id of an alert that has no counterpart in PagerTree so far."""


class AlertStatus(StrEnum):
    """Rootly's alert statuses that PagerTree's map to."""

    OPEN = "open"
    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


alert_numbers = Sequence("alert_numbers", metadata=Base.metadata)
"""Numbers that short ids are made of: no two alerts share one, with nothing to look up."""


class Alert(UpdatedAt, Base):
    """One alert. Its row is a fold over the set of its events; see `alerts/fold.py`.

    Identity is `(integration_id, external_id)`, where `external_id` is PagerTree's `data.id`.
    `thirdparty_id` is not identity: PagerTree makes a new alert when a resolved one's is reused.

    Attributes:
        client_id: what the API client that made it calls it.
        deduplication_key: of the alerts of an account that are not resolved, one has it.
    """

    __tablename__ = "alerts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    short_id: Mapped[str]
    external_id: Mapped[str]
    external_url: Mapped[str]
    source: Mapped[str] = mapped_column(server_default="pagertree")
    status: Mapped[str]
    summary: Mapped[str]
    description: Mapped[str | None]
    labels: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    thirdparty_id: Mapped[str | None]
    client_id: Mapped[str | None]
    deduplication_key: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    acknowledged_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    fold: Mapped[dict[str, Any]]

    __table_args__ = (
        UniqueConstraint("integration_id", "external_id"),
        Index("alerts_short_id_idx", "short_id", unique=True),
        Index("alerts_status_idx", "status", "id"),
        Index("alerts_started_at_idx", "started_at"),
        Index("alerts_labels_idx", "labels", postgresql_using="gin"),
        Index(
            "alerts_deduplication_key",
            "integration_id",
            "deduplication_key",
            unique=True,
            postgresql_where=text("deduplication_key IS NOT NULL AND status <> 'resolved'"),
        ),
        CheckConstraint(
            f"status IN ({', '.join(repr(status.value) for status in AlertStatus)})", name="status"
        ),
    )


class AlertEvent(Base):
    """One thing that happened to an alert, at its own time and not at that of its arrival.

    `content_sha256` is the event's identity: the same event that arrives in two different bodies
    stands here once. People's notes can be changed: `updated_at` is when.
    """

    __tablename__ = "alert_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    alert_id: Mapped[UUID]
    delivery_id: Mapped[UUID | None]
    content_sha256: Mapped[bytes]
    kind: Mapped[str]
    action: Mapped[str]
    event_type: Mapped[str]
    source: Mapped[str] = mapped_column(server_default="pagertree")
    details: Mapped[str]
    occurred_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["alert_id", "integration_id"],
            ["alerts.id", "alerts.integration_id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("integration_id", "alert_id", "content_sha256"),
    )
