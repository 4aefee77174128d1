"""Endpoints of integrators, the secrets that sign for them, and what is sent to them."""

from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from pagersync.database.base import Base, CreatedAt, UpdatedAt, new_id
from pagersync.database.queue import QueueColumns, queue_indexes


class WebhookState(StrEnum):
    """States of a delivery.

    `held` waits for its endpoint to be enabled again; `canceled` lost its endpoint; `dead` used up
    its attempts.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    HELD = "held"
    CANCELED = "canceled"
    DEAD = "dead"


STATUSES: Final = MappingProxyType(
    {
        "pending": (WebhookState.QUEUED, WebhookState.RUNNING, WebhookState.HELD),
        "success": (WebhookState.DONE,),
        "failed": (WebhookState.CANCELED, WebhookState.DEAD),
    }
)
"""Rootly's statuses of a delivery, as its client has them, by the states that they are here."""


class WebhookEndpoint(UpdatedAt, Base):
    """An address that is told of what happens. A removed one keeps its row: deliveries name it.

    Attributes:
        event_types: names and patterns as they were given; none: all.
        custom_headers_encrypted: `[{"name", "value"}]` as JSON; their values may log in somewhere.
        failing_since: the first failure after the last success.
        disabled_reason: why it was switched off by itself; null if it was not.
        is_sealed: whether masks stand for the secrets in its address.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    slug: Mapped[str]
    url: Mapped[str]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    custom_headers_encrypted: Mapped[bytes | None]
    version: Mapped[int] = mapped_column(server_default="1")
    failing_since: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    removed_at: Mapped[datetime | None]
    is_sealed: Mapped[bool] = mapped_column(server_default=text("false"), default=True)

    __table_args__ = tuple(
        Index(
            f"webhook_endpoints_{column}_key",
            column,
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        )
        for column in ("name", "slug")
    )


class WebhookSigningSecret(CreatedAt, Base):
    """A secret that signs; after a rotation, the old ones do so too for a while."""

    __tablename__ = "webhook_signing_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    endpoint_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True
    )
    secret_encrypted: Mapped[bytes]
    expires_at: Mapped[datetime | None]


class WebhookDelivery(QueueColumns, UpdatedAt, Base):
    """One event for one endpoint: sent until it is answered 2xx.

    Attributes:
        domain_event_id: what happened.
        event_id: what receivers know it by, in every attempt and replay.
        event_type: as which of its types it is sent.
        payload: the body, made before the first attempt and never again.
        delivered_at: when it was answered 2xx, last.
        response_status: what it was answered, last; null where no answer came.
    """

    __tablename__ = "webhook_deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID]  # no foreign key: publishing would lock and write its row
    domain_event_id: Mapped[UUID]
    event_id: Mapped[UUID]
    event_type: Mapped[str]
    payload: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    response_status: Mapped[int | None]

    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        Index("webhook_deliveries_endpoint_idx", "endpoint_id", "id"),
        Index(
            "webhook_deliveries_turn_idx",
            "endpoint_id",
            "run_at",
            "id",
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "webhook_deliveries_running_idx",
            "endpoint_id",
            postgresql_where=text("state = 'running'"),
        ),
        Index(
            "webhook_deliveries_attention_idx",
            "state",
            "endpoint_id",
            postgresql_where=text("state IN ('held', 'dead')"),
        ),
        CheckConstraint(
            f"state IN ({', '.join(repr(state.value) for state in WebhookState)})", name="state"
        ),
        *queue_indexes("webhook_deliveries"),
    )


class WebhookAttempt(Base):
    """One call of an endpoint, without secrets."""

    __tablename__ = "webhook_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), index=True
    )
    started_at: Mapped[datetime]
    duration_ms: Mapped[int]
    http_status: Mapped[int | None]
    error: Mapped[str | None]
