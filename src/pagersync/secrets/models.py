"""Secrets that calls of workflows and endpoints log in with; values are kept encrypted alone."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, CreatedAt, UpdatedAt, new_id

UNSEALED_CALL: Final = "NOT is_sealed AND task_params ->> 'task_type' = 'http_client'"
"""SQL: calls whose secrets an older version may have kept as they are."""


class Secret(UpdatedAt, Base):
    """A secret with a name, by which workflows and endpoints refer to it.

    Attributes:
        integration_ids: the accounts whose workflows alone may use it; none: all may.
        last_used_at: to the hour.
    """

    __tablename__ = "secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    value_encrypted: Mapped[bytes]
    integration_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    created_by: Mapped[str]
    updated_by: Mapped[str]
    version: Mapped[int] = mapped_column(server_default="1")
    last_used_at: Mapped[datetime | None]


class SealedValue(CreatedAt, Base):
    """A secret that somebody wrote into a task or an endpoint, where its mask stands instead.

    It is never changed: a new value gets a new mask.
    """

    __tablename__ = "sealed_values"

    mask: Mapped[str] = mapped_column(primary_key=True)
    value_encrypted: Mapped[bytes]
