"""Domain events: what happened, written in the transaction in which it happened."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, CreatedAt, new_id


class DomainEvent(CreatedAt, Base):
    """One fact, for example `alert.created`, about one subject, with its cause."""

    __tablename__ = "domain_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[UUID]
    delivery_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]

    __table_args__ = (Index("domain_events_subject_idx", "subject_id", "id"),)
