"""What retention did, and the oldest row that is kept, as metrics."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pagersync.database.engine import Connection
from pagersync.kept import made_at
from pagersync.retention.kinds import KINDS

TABLES: Final = tuple(dict.fromkeys(kind.table for kind in KINDS))


async def read_metrics(connection: Connection) -> Sequence[Metric]:
    """Return what the database says of retention."""
    removed = CounterMetricFamily(
        "pagersync_retention_removed", "Rows that retention removed.", labels=["kind"]
    )
    held = GaugeMetricFamily(
        "pagersync_retention_held",
        "Rows that are old enough to go and stay, because something open needs them.",
        labels=["kind"],
    )
    for row in await connection.fetch("SELECT kind, removed_total, held FROM retention_runs"):
        removed.add_metric([row["kind"]], row["removed_total"])
        held.add_metric([row["kind"]], row["held"])
    oldest = GaugeMetricFamily(
        "pagersync_oldest_row_age_seconds", "Age of the oldest row of a table.", labels=["table"]
    )
    for table in TABLES:
        if (moment := await oldest_of(connection, table)) is not None:
            oldest.add_metric([table], (datetime.now(UTC) - moment).total_seconds())
    return removed, held, oldest


async def oldest_of(connection: Connection, table: str) -> datetime | None:
    """Return when the oldest row of a table was made."""
    id_ = await connection.fetchval(f"SELECT id FROM {table} ORDER BY id LIMIT 1")  # noqa: S608 - one of our tables
    return None if id_ is None else made_at(id_)
