"""API keys, how much each was used, the idempotency keys of their requests, the audit log."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, CreatedAt, UpdatedAt, new_id


class Scope(StrEnum):
    """What a key may do. `admin` includes all others, `write` includes `page`, both `read`."""

    READ = "read"
    PAGE = "page"
    WRITE = "write"
    ADMIN = "admin"


class ApiKey(UpdatedAt, Base):
    """A bearer key of the API; the token itself is shown once and never stored.

    Attributes:
        old_token_sha256: the token before the last rotation, which works until `old_expires_at`.
        integration_id: the only integration that the key sees and acts on; None for all.
        origin: what made it, where no person did: `first`, or the setting `admin_key`.
        version: counts changes; an `If-Match` names it.
    """

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    old_token_sha256: Mapped[bytes | None] = mapped_column(unique=True)
    old_expires_at: Mapped[datetime | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    integration_id: Mapped[UUID | None] = mapped_column(ForeignKey("integrations.id"))
    origin: Mapped[str | None] = mapped_column(unique=True)
    version: Mapped[int] = mapped_column(server_default="1")
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class RequestCount(Base):
    """How many requests of one kind came in a minute and in the one before.

    Not logged by PostgreSQL: a crash forgets it, which does no harm, and counting is cheap.

    Attributes:
        subject: an API key's id, or the address that failed to log in.
        minute: which, counted from 1970.
        allowed_max: the limit as of the last request.
        is_refused: whether the last request was over the limit, and so was not counted.
    """

    __tablename__ = "request_counts"

    subject: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[int]
    used: Mapped[int]
    used_before: Mapped[int]
    allowed_max: Mapped[int]
    is_refused: Mapped[bool]

    __table_args__ = (
        Index("request_counts_minute_idx", "minute"),
        {"prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 50}},
    )


class AuditEntry(Base):
    """Something that somebody changed. Written by triggers; PostgreSQL refuses to change it.

    Attributes:
        actor_kind: `api_key`, `console`, `cli` or `system`.
        operation: the operationId or the command.
        action: `create`, `update`, `delete`; `act` where no row is shown so.
        before, after: the columns that changed, secrets hidden.
    """

    __tablename__ = "audit_log"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str | None]
    operation: Mapped[str | None]
    action: Mapped[str]
    resource_type: Mapped[str | None]
    resource_id: Mapped[str | None]
    address: Mapped[str | None]
    request_id: Mapped[str | None]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("audit_log_resource_idx", "resource_type", "resource_id", "id"),
        Index("audit_log_actor_idx", "actor_id", "id"),
    )


class IdempotencyKey(CreatedAt, Base):
    """An `Idempotency-Key` of an API key's, with the one request and the one answer it stands for.

    The answer is missing only while its request is at work, when nobody else sees the row. Some
    answers carry secrets, so all bodies are encrypted.
    """

    __tablename__ = "idempotency_keys"

    api_key_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[bytes]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body_encrypted: Mapped[bytes | None]

    __table_args__ = (Index("idempotency_keys_created_at_idx", "created_at"),)
