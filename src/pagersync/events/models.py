"""Domain events: what happened, written in the transaction in which it happened."""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, Index, literal_column, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, column_property, mapped_column
from sqlalchemy.types import Text

from pagersync.database.base import Base, CreatedAt, new_id
from pagersync.database.lanes import lane_sql
from pagersync.database.queue import QueueColumns, queue_indexes
from pagersync.database.requester import Requested


class VerdictSet(Base):
    """Why workflows did not run, as events share it: most of them say the same of most workflows.

    Attributes:
        id: of its content.
        used_on: the newest day (UTC) on which an event said so.
    """

    __tablename__ = "verdict_sets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    verdicts: Mapped[list[Any]] = mapped_column(JSONB)
    used_on: Mapped[date] = mapped_column(Date)


IN_TURN: Final = "true"
"""SQL: which events come before others: all are alike."""


class DomainEvent(Requested, QueueColumns, CreatedAt, Base):
    """One fact, for example `alert.created`, about one subject, with its cause.

    Attributes:
        integration_id: the account it happened in; zero where none is concerned.
        triggers: what workflows call it; it is queued only if one of them listened.
        delivery_id: the webhook that told of it, if one did.
        workflow_run_id: the run that did it, if one did.
        requested_by: the person or key that did it, if one did.
        depth: how many workflow runs lie between it and what a person or PagerTree did.
        evaluations: what its subject looked like, and the workflows that matched.
        refused_id, refused: the workflows that listened and did not match, and why.
    """

    __tablename__ = "domain_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[UUID]
    triggers: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    delivery_id: Mapped[UUID | None]
    workflow_run_id: Mapped[UUID | None]
    requested_by: Mapped[str | None]
    depth: Mapped[int] = mapped_column(server_default="0")
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    evaluations: Mapped[dict[str, Any] | None]
    refused_id: Mapped[UUID | None]
    refused: Mapped[list[Any] | None] = column_property(
        select(VerdictSet.verdicts)
        .where(VerdictSet.id == literal_column("domain_events.refused_id"))
        .scalar_subquery()
    )

    __table_args__ = (
        Index("domain_events_subject_idx", "subject_id", "id"),
        Index("domain_events_type_idx", "type", "id"),
        Index(
            "domain_events_lanes_idx",
            text(lane_sql(IN_TURN)),
            "run_at",
            "id",
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "domain_events_run_idx",
            "workflow_run_id",
            postgresql_where=text("workflow_run_id IS NOT NULL"),
        ),
        Index(
            "domain_events_delivery_idx",
            "delivery_id",
            postgresql_where=text("delivery_id IS NOT NULL"),
        ),
        Index("domain_events_dead_idx", "id", postgresql_where=text("state = 'dead'")),
        *queue_indexes("domain_events"),
    )
