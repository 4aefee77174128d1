"""What a run would remove: counted, and nothing is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pagersync.database.engine import Connection
from pagersync.kept import days_kept, first_id, variable
from pagersync.retention.kinds import KINDS, OTHERS, Kind
from pagersync.retention.sweep import old
from pagersync.settings import Settings


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do with one kind of row.

    Attributes:
        days: how long it is kept; None: for ever.
        rows: how many would go.
        size_bytes: about how much that is, with indexes.
        along: rows of other tables that would go along, by table.
        held: how many are old enough and would stay, by floor; a row may have several.
    """

    kind: str
    setting: str
    days: int | None
    rows: int = 0
    size_bytes: int = 0
    along: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)


async def forecast(connection: Connection, settings: Settings) -> list[Forecast]:
    """Return what a run would do now. It may take a while: rows are counted."""
    now = datetime.now(UTC)
    found = [await _of_kind(connection, kind, settings, now) for kind in KINDS]
    for name, table, setting, _ in OTHERS:
        days = days_kept(settings, setting)
        statement = (
            f"SELECT count(*) FROM {table} WHERE created_at < now() - make_interval(days => $1)"  # noqa: S608 - constants of `kinds.py`
        )
        rows = await connection.fetchval(statement, days)
        size = rows * await row_bytes(connection, table)
        found.append(Forecast(name, variable(setting), days, rows, round(size)))
    return found


async def _of_kind(
    connection: Connection, kind: Kind, settings: Settings, now: datetime
) -> Forecast:
    days = days_kept(settings, kind.setting)
    if days is None:
        return Forecast(kind.name, variable(kind.setting), None)
    cutoff = now - timedelta(days=days)
    bounds = (first_id(cutoff), cutoff)
    is_old = f"{kind.table} t WHERE {old(kind, '$1', '$2')}"
    floors = ", ".join(f"count(*) FILTER (WHERE {floor.holds})" for floor in kind.floors)
    counts = f"count(*) FILTER (WHERE NOT ({kind.held})){', ' if floors else ''}{floors}"
    rows, *held = await connection.fetchrow(f"SELECT {counts} FROM {is_old}", *bounds) or (0,)  # noqa: S608 - constants of `kinds.py`
    free = f"SELECT t.id FROM {is_old} AND NOT ({kind.held})"  # noqa: S608 - likewise
    size, along = rows * await row_bytes(connection, kind.table), {}
    for part in kind.parts if rows else ():
        belongs = part.belongs.format(ids=free)
        count = await connection.fetchval(
            f"SELECT count(*) FROM {part.table} c WHERE {belongs}",  # noqa: S608 - likewise
            *bounds,
        )
        along[part.table] = count
        size += count * await row_bytes(connection, part.table)
    stay = {floor.words: count for floor, count in zip(kind.floors, held, strict=True) if count}
    return Forecast(kind.name, variable(kind.setting), days, rows, round(size), along, stay)


async def row_bytes(connection: Connection, table: str) -> float:
    """Return about how much a row of a table takes, with its share of the indexes."""
    size, rows = await connection.fetchrow(_SIZE, table) or (0, 0)
    if rows <= 0:
        rows = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - one of our tables
    return float(size / rows) if rows else 0.0


_SIZE = """
SELECT pg_total_relation_size(oid), reltuples::bigint FROM pg_class WHERE oid = $1::text::regclass
"""
"""`reltuples` is what the last (auto)vacuum or analyze counted; -1 before the first."""
