"""The teams, users and routers of connected accounts, as PagerTree last listed them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, UpdatedAt, new_id


class DirectoryKind(StrEnum):
    """What can be paged: PagerTree's three kinds of destination."""

    TEAM = "team"
    USER = "user"
    ROUTER = "router"


class DirectoryWatch(Base):
    """What pagersync keeps about an account's directory as a whole.

    Attributes:
        doubt: the listing that is not believed yet: its `fingerprint`, and `since` when PagerTree
            has answered it; None: the last one was believed.
        broken: the references that were broken when they were last checked, as `BrokenReference`.
        checked_as_of: the `directory_synced_at` for which they were; None: never, or to be checked
            again.
    """

    __tablename__ = "directory_watches"

    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    doubt: Mapped[dict[str, Any] | None]
    broken: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    checked_as_of: Mapped[datetime | None]


class DirectoryEntry(UpdatedAt, Base):
    """One team, account user or router.

    Identity is `(integration_id, kind, pagertree_id)`. What PagerTree no longer lists keeps its
    row, because pages name it, and is marked `missing_since`. What PagerTree has no attribute for
    is kept here only: people set it, and no sync changes it.

    Attributes:
        pagertree_id: the id of PagerTree's REST API, a ULID ("Common Model Attributes").
        prefix_id: PagerTree's other id, `tem_...` for example; people see it in its URLs.
        name_key: the name as `targets.name_key` compares it, the same on every PostgreSQL.
        emails: in lower case, the primary one first.
        time_zone: of a user.
        member_ids: of a team: PagerTree's ids of its users.
        slug: of a team: its name for addresses. Several can have the same.
        fetched_at: when PagerTree last listed it.
        removed_at: when somebody took it out of the directory, which only what is missing can be.
            The row stays, for the names in what happened, until PagerTree lists it again.
        description, color, position, external_id: of a team, kept here only.
        first_name, last_name: of a user, kept here only.
        version: counts changes; an `If-Match` names it.
    """

    __tablename__ = "directory_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    pagertree_id: Mapped[str]
    prefix_id: Mapped[str | None]
    name: Mapped[str]
    name_key: Mapped[str]
    emails: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    time_zone: Mapped[str | None]
    member_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    slug: Mapped[str | None]
    fetched_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    description: Mapped[str | None]
    color: Mapped[str | None]
    position: Mapped[int | None]
    external_id: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (
        UniqueConstraint("integration_id", "kind", "pagertree_id"),
        Index("directory_entries_name_idx", "integration_id", "kind", "name_key"),
        Index("directory_entries_prefix_id_idx", "prefix_id"),
        Index("directory_entries_pagertree_id_idx", "pagertree_id"),
        Index("directory_entries_slug_idx", "slug"),
        Index("directory_entries_emails_idx", "emails", postgresql_using="gin"),
    )
