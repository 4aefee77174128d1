"""What takes how much, and what a year will take."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from pagersync.database.access import is_embedded
from pagersync.database.engine import Connection
from pagersync.kept import days_kept, first_id
from pagersync.retention.kinds import KINDS, OTHERS
from pagersync.retention.metrics import oldest_of
from pagersync.settings import Settings

DAYS_OF_YEAR: Final = 365

_OF_PARTS: Final = {
    part.table: kind.setting for kind in KINDS for part in kind.parts if part.table != "unpaged"
}
SETTING_OF: Final[Mapping[str, str]] = MappingProxyType(
    {table: setting for _, table, setting, _ in OTHERS}
    | _OF_PARTS
    | {kind.table: kind.setting for kind in reversed(KINDS)}
)
"""How long most rows of a table are kept: by the first kind that the table has."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """What one table takes.

    Attributes:
        indexes, toast: their part of `total`. TOAST is where PostgreSQL keeps large values.
        rows: about how many.
        rows_per_day: over the last days; None where ids do not tell the time.
        oldest: when the oldest row was made, where ids tell it.
        days: how long rows are kept; None: for ever.
        in_a_year: bytes after a year at this rate, with retention; None where nothing is known.
    """

    table: str
    total: int
    indexes: int
    toast: int
    rows: int
    rows_per_day: float | None
    oldest: datetime | None
    days: int | None
    in_a_year: int | None


async def measure(connection: Connection, settings: Settings, days: int) -> list[TableSize]:
    """Return what each table takes, the largest first; rates are those of the last `days`."""
    rows = await connection.fetch(_TABLES)
    found = [await _of_table(connection, settings, row, days) for row in rows]
    return sorted(found, key=lambda each: -each.total)


async def _of_table(connection: Connection, settings: Settings, row: Any, days: int) -> TableSize:
    table, total, count = str(row["name"]), int(row["total"]), int(row["rows"])
    if count < 0:
        count = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - one of our tables
    setting = SETTING_OF.get(table)
    kept = days_kept(settings, setting) if setting else None
    per_day = None
    if row["has_uuid"] and setting:
        since = first_id(datetime.now(UTC) - timedelta(days=days))
        statement = f"SELECT count(*) FROM {table} WHERE id >= $1"  # noqa: S608 - one of our tables
        per_day = await connection.fetchval(statement, since) / days
    return TableSize(
        table,
        total,
        int(row["indexes"]),
        int(row["toast"]),
        count,
        per_day,
        await oldest_of(connection, table) if row["has_uuid"] else None,
        kept,
        in_a_year(total, count, per_day, kept),
    )


def in_a_year(total: int, rows: int, per_day: float | None, days: int | None) -> int | None:
    """Return how many bytes a table will take after a year at this rate, with retention.

    A row takes as many bytes as the rows of the table take now. Rows of today stay unless they
    will be older than `days` by then.
    """
    if per_day is None or not rows:
        return None
    if days is not None and days <= DAYS_OF_YEAR:
        return round(per_day * days * total / rows)
    return round((rows + per_day * DAYS_OF_YEAR) * total / rows)


def free_bytes(settings: Settings) -> int | None:
    """Return what is free on the disk of the embedded database; None for an external one."""
    return shutil.disk_usage(settings.data_dir).free if is_embedded(settings) else None


_TABLES: Final = """
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS total, pg_indexes_size(c.oid) AS indexes,
    coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast,
    c.reltuples::bigint AS rows,
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'id'
            AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped) AS has_uuid
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = current_schema()
"""
