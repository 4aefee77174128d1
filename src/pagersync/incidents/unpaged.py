"""What nobody was paged for: a row for each incident or alert that was found."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base


class Unpaged(Base):
    """An incident or alert that somebody should have been paged for, and nobody was in time.

    Attributes:
        integration_id: of the alert; zero for an incident.
        reason: why, for machines.
        detail: why, for people.
        remedy: what to do about it.
        since: when the incident or alert was created, or the incident was started again.
        ended_at: since when it is no longer so.
        ended_by: `paged`, `over` (nobody is needed any more) or `decided` (a person wanted it so).
    """

    __tablename__ = "unpaged"

    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_type: Mapped[str]
    integration_id: Mapped[UUID]
    reason: Mapped[str]
    detail: Mapped[str]
    remedy: Mapped[str]
    since: Mapped[datetime]
    noticed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]

    __table_args__ = (
        Index(
            "unpaged_open_idx",
            "subject_type",
            "noticed_at",
            postgresql_where=text("ended_at IS NULL"),
        ),
        CheckConstraint("subject_type IN ('incident', 'alert')", name="subject_type"),
    )


async def unpaged_reasons(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return why nobody was paged for incidents or alerts, for those of which that is so now."""
    if not ids:
        return {}
    statement = select(Unpaged.subject_id, Unpaged.detail).where(
        Unpaged.subject_id.in_(ids), Unpaged.ended_at.is_(None)
    )
    return {row.subject_id: row.detail for row in await session.execute(statement)}
