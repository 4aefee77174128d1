"""API keys, and the idempotency keys of their requests."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, CreatedAt, new_id


class Scope(StrEnum):
    """What a key may do. `admin` includes all others, `write` includes `page`, both `read`."""

    READ = "read"
    PAGE = "page"
    WRITE = "write"
    ADMIN = "admin"


class ApiKey(CreatedAt, Base):
    """A bearer key of the API; the token itself is shown once and never stored."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


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
