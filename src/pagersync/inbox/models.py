"""Deliveries: every webhook request that was let in, byte for byte."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, new_id
from pagersync.database.queue import QueueColumns, queue_indexes


class DeliveryState(StrEnum):
    """Where a delivery stands.

    `queued` and `running` are on their way to `done`. The others ended elsewhere and can be
    replayed: `ignored` (an event that is none of the eight), `invalid` (unreadable; answered 422),
    `limited` (over the integration's daily limit of new alerts), `dead` (every attempt failed).
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    IGNORED = "ignored"
    INVALID = "invalid"
    LIMITED = "limited"
    DEAD = "dead"


class Delivery(QueueColumns, Base):
    """One webhook body. The same bytes again are the same delivery, received once more.

    The body is kept as bytes: what is legal in JSON (NUL, lone surrogates, 1e999) is not
    legal in `jsonb`.
    """

    __tablename__ = "deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    body_sha256: Mapped[bytes]
    body: Mapped[bytes]
    event_type: Mapped[str | None]
    pagertree_alert_id: Mapped[str | None]
    times_received: Mapped[int] = mapped_column(server_default="1")
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_received_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("integration_id", "body_sha256"),
        Index(
            "deliveries_alert_idx",
            "pagertree_alert_id",
            "id",
            postgresql_where=text("pagertree_alert_id IS NOT NULL"),
            # Each claim and finish adds an entry; to fold them together costs more than it saves.
            postgresql_with={"deduplicate_items": False},
        ),
        Index(
            "deliveries_attention_idx",
            "state",
            "id",
            postgresql_where=text("state NOT IN ('queued', 'running', 'done')"),
        ),
        CheckConstraint(
            f"state IN ({', '.join(repr(state.value) for state in DeliveryState)})", name="state"
        ),
        *queue_indexes("deliveries"),
    )
