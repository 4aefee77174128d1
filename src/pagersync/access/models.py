"""API keys."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, Text
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
