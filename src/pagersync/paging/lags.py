"""What is known of PagerTree's searches, in PostgreSQL: how far they lag, what they must find."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, new_id
from pagersync.database.engine import Connection
from pagersync.kept import first_id
from pagersync.paging.settle import SAMPLES_MAX, Lags
from pagersync.paging.step import Work

REFERENCES_MAX: Final = 3
KEPT_DAYS: Final = 7
"""Older samples say nothing about how PagerTree is today."""


class SearchLag(Base):
    """One measurement of how far PagerTree's search lags behind.

    Attributes:
        operation_id: the one that created the alert which is looked for.
        created_at: when PagerTree had confirmed the alert.
        missing_ms: until then after its creation it was looked for and not found.
        found_ms: when it was found; null while it is looked for.
        was_overtaken: whether an alert that was created later was found before it; null: there
            was none by which to tell.
    """

    __tablename__ = "search_lags"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    missing_ms: Mapped[int | None]
    found_ms: Mapped[int | None]
    was_overtaken: Mapped[bool | None]

    __table_args__ = (Index("search_lags_newest_idx", "integration_id", "id"),)


async def load_lags(connection: Connection, integration_id: UUID) -> Lags:
    """Return what was seen of the search of an account."""
    rows = await connection.fetch(_LOAD, integration_id, SAMPLES_MAX, KEPT_DAYS)
    return Lags(
        found_s=[row["found_ms"] / 1000 for row in rows if row["found_ms"] is not None],
        missing_s=[
            row["missing_ms"] / 1000
            for row in rows
            if row["found_ms"] is None and row["missing_ms"] is not None
        ],
        in_order=sum(row["was_overtaken"] is False for row in rows),
        overtaken=sum(row["was_overtaken"] is True for row in rows),
    )


async def sees_later(
    connection: Connection, integration_id: UUID, others: frozenset[UUID], since: datetime
) -> bool:
    """Tell whether one of these operations began to create its alert after that moment."""
    return bool(await connection.fetchval(_SEES_LATER, integration_id, list(others), since))


async def load_references(connection: Connection, work: Work) -> list[tuple[UUID, datetime]]:
    """Return creating operations whose alerts are certainly in PagerTree, newest first."""
    rows = await connection.fetch(_REFERENCES, work.integration_id, work.id, REFERENCES_MAX)
    return [(row["id"], row["sent_at"]) for row in rows]


async def misses_earlier(
    connection: Connection,
    integration_id: UUID,
    others: frozenset[UUID],
    until: datetime,
    *,
    within_s: float,
) -> bool:
    """Tell whether an alert that was there shortly before a moment is none of these operations'.

    Args:
        connection: to read from.
        integration_id: the account.
        others: the operations whose alerts a search found.
        until: the moment.
        within_s: how long before it at most; who was created earlier may have been deleted.
    """
    since = until - timedelta(seconds=within_s)
    return bool(
        await connection.fetchval(
            _MISSES_EARLIER, integration_id, list(others), since, until, first_id(since)
        )
    )


@dataclass(frozen=True, slots=True)
class Begun:
    """A measurement that has begun: its row, and when the alert was there."""

    id: UUID
    integration_id: UUID
    operation_id: UUID
    created_at: datetime


async def begin_lag(
    connection: Connection,
    integration_id: UUID,
    operation_id: UUID,
    *,
    at_once: int,
    every_s: float,
    longest_s: float,
) -> Begun | None:
    """Begin to measure by an alert, unless enough is being measured already.

    Args:
        connection: to write to.
        integration_id: the account.
        operation_id: what created the alert.
        at_once: measurements of the account that may be under way.
        every_s: one begins in this time at most.
        longest_s: what began earlier was broken off.
    """
    row = await connection.fetchrow(
        _BEGIN,
        new_id(),
        integration_id,
        operation_id,
        at_once,
        timedelta(seconds=longest_s),
        timedelta(seconds=every_s),
    )
    if row is None:
        return None
    return Begun(row["id"], integration_id, operation_id, row["created_at"])


async def note_missing(
    connection: Connection,
    begun: Begun,
    *,
    missing_s: float,
    others: frozenset[UUID],
    searched_s: float,
) -> None:
    """Note that an alert was not found.

    Args:
        connection: to write to.
        begun: the measurement.
        missing_s: when the search began, counted from the creation of the alert.
        others: the operations whose alerts the search did find.
        searched_s: how long the search took.
    """
    await connection.execute(
        _NOTE_MISSING,
        begun.id,
        begun.integration_id,
        round(missing_s * 1000),
        list(others),
        begun.created_at,
        begun.operation_id,
        searched_s,
    )


async def end_lag(connection: Connection, begun: Begun, found_s: float | None) -> None:
    """Keep when an alert was found, and forget the oldest samples; None: nothing was measured."""
    if found_s is None:
        await connection.execute(_FORGET, begun.id, begun.integration_id)
        return
    await connection.execute(_FOUND, begun.id, begun.integration_id, round(found_s * 1000))
    await connection.execute(_FORGET_OLD, begun.integration_id, SAMPLES_MAX)


_LOAD = """
SELECT missing_ms, found_ms, was_overtaken FROM search_lags
WHERE integration_id = $1 AND created_at > now() - make_interval(days => $3)
ORDER BY id DESC LIMIT $2
"""

_BEGIN = """
INSERT INTO search_lags (id, integration_id, operation_id)
SELECT $1, $2, $3
WHERE (SELECT count(*) FROM search_lags
       WHERE integration_id = $2 AND found_ms IS NULL AND created_at > now() - $5::interval) < $4
  AND NOT EXISTS (SELECT FROM search_lags
                  WHERE integration_id = $2 AND created_at > now() - $6::interval)
RETURNING id, created_at
"""

_FOUND = "UPDATE search_lags SET found_ms = $3 WHERE id = $1 AND integration_id = $2"

_FORGET_OLD = """
DELETE FROM search_lags WHERE integration_id = $1 AND id < (
    SELECT id FROM search_lags WHERE integration_id = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)
"""

_FORGET = "DELETE FROM search_lags WHERE id = $1 AND integration_id = $2"

_NOTE_MISSING = """
UPDATE search_lags SET missing_ms = $3,
    was_overtaken = CASE
        WHEN EXISTS (SELECT FROM operations o WHERE o.id = ANY($4::uuid[])
                     AND o.integration_id = $2 AND o.first_sent_at > $5) THEN true
        WHEN was_overtaken IS NULL AND EXISTS (
            SELECT FROM operations o
            WHERE o.id > $6 AND o.integration_id = $2 AND o.kind = 'create_alert'
              AND o.state = 'done' AND o.id <> ALL($4::uuid[]) AND o.first_sent_at > $5
              AND o.finished_at < now() - make_interval(secs => $7)) THEN false
        ELSE was_overtaken END
WHERE id = $1 AND integration_id = $2
"""

_SEES_LATER = """
SELECT EXISTS (SELECT FROM operations
               WHERE integration_id = $1 AND id = ANY($2::uuid[]) AND first_sent_at > $3)
"""

_MISSES_EARLIER = """
SELECT EXISTS (
    SELECT FROM operations
    WHERE id > $5 AND integration_id = $1 AND kind = 'create_alert' AND state = 'done'
      AND finished_at BETWEEN $3 AND $4 AND id <> ALL($2::uuid[]))
"""

_REFERENCES = """
SELECT o.id, coalesce(o.first_sent_at, o.created_at) AS sent_at
FROM operations o JOIN pages p ON p.id = o.page_id
WHERE o.integration_id = $1 AND o.kind = 'create_alert' AND o.state = 'done' AND o.id <> $2
  AND coalesce(p.pagertree_id, p.pagertree_alert_id) IS NOT NULL
ORDER BY o.id DESC LIMIT $3
"""
