"""A year of 10,000 alerts a day: loaded, cleaned by retention, loaded and cleaned again.

Run alone as `python -m bench.year`. A share of the year is loaded by SQL, with PagerTree's bodies;
sizes are told as measured, and for the whole year. Then the tables are filled and cleaned in
rounds, which shows whether they grow. At last ingest and paging are measured beside an empty one.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, Final

import uvloop

from bench.bodies import write_templates
from bench.database import Database, connect_account, open_database
from bench.ingest import Ingest
from bench.paging import connect_paging_account, measure_sending
from bench.processes import serving_stub
from pagersync.database.engine import Connection, create_engine
from pagersync.database.migrate import upgrade
from pagersync.log import configure_logging
from pagersync.retention.cli import human
from pagersync.retention.size import measure
from pagersync.retention.sweep import remove_old_rows
from pagersync.settings import Settings

ALERTS_PER_DAY: Final = 10_000
YEAR_DAYS: Final = 365
ROUND_DAYS: Final = 90
ROUNDS: Final = 3
PAIRS: Final = 3
PAGES: Final = 300
CLEANED: Final = ("deliveries", "domain_events")
"""Of these the rounds load and remove the same: the other tables keep what they get for longer."""


class Full(Database):
    """A database that keeps its year when a measurement begins."""

    async def empty(self) -> None:
        """Forget what the last measurement left to do: a worker would do it beside the next one."""
        async with self.connection() as connection:
            await connection.execute("DELETE FROM deliveries WHERE state = 'queued'")
            await connection.execute("VACUUM ANALYZE deliveries")
            await connection.execute("CHECKPOINT")


def main() -> None:
    """Load, clean, measure, and print."""
    options = _read_options()
    for name in [name for name in os.environ if name.startswith("PAGERSYNC_")]:
        del os.environ[name]  # an operator's settings must not decide what is measured
    configure_logging(Settings(log_level="warning"))
    with tempfile.TemporaryDirectory(prefix="ps-year-", dir=options.directory) as directory:
        Path(directory).chmod(0o711)  # under root, PostgreSQL runs as another user
        templates = write_templates(Path(directory) / "bodies")
        with _database(Path(directory) / "year", Full) as year:
            uvloop.run(_measure_sizes(year, templates, options.share))
            if not options.only_sizes:
                with _database(Path(directory) / "empty", Database) as empty:
                    _compare(Path(directory), empty, year)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.year", description=__doc__)
    parser.add_argument("--share", type=float, default=0.1, help="of a year's rows (default: 0.1)")
    parser.add_argument("--only-sizes", action="store_true", help="leave out the hot figures")
    parser.add_argument("--directory", help="where to put the databases: 1 is 60 GB")
    return parser.parse_args()


@contextmanager
def _database(data_dir: Path, kind: type[Database]) -> Iterator[Database]:
    data_dir.mkdir()
    with open_database(data_dir, kind) as database:
        uvloop.run(_migrate(create_engine(database.settings, command_timeout_s=None)))
        yield database


async def _migrate(engine: Any) -> None:
    await upgrade(engine)
    await engine.dispose()


@dataclass(frozen=True, slots=True)
class Load:
    """A stretch of days, from `older` to `newer` days ago."""

    older: int
    newer: int
    share: float
    number: int

    @property
    def alerts(self) -> int:
        """How many alerts it has."""
        return round((self.older - self.newer) * ALERTS_PER_DAY * self.share)


async def _measure_sizes(database: Database, templates: list[bytes], share: float) -> None:
    """Print what a year takes before and after retention, and whether the tables grow then."""
    async with database.connection() as connection:
        await connection.execute(_FUNCTIONS)
        await connection.execute("CREATE TEMP TABLE bodies (k int, body bytea)")
        rows = list(enumerate(templates))
        await connection.copy_records_to_table("bodies", records=rows)
        whole_year = Load(YEAR_DAYS, 0, share, 0)
        took_s = await _load(connection, whole_year)
        print(f"loaded {whole_year.alerts:,} alerts in {took_s:,.0f} s", flush=True)
        await _print_sizes(connection, database.settings, "a year, before retention", share)
        await _clean(connection, database.settings)
        await _print_sizes(connection, database.settings, "after retention", share)
        for number in range(1, ROUNDS + 1):
            older = Load(2 * ROUND_DAYS + 90, ROUND_DAYS + 90, share, number)
            await _load(connection, older)
            await _clean(connection, database.settings)
            title = f"after {number} x {ROUND_DAYS} more days, loaded and removed"
            await _print_sizes(connection, database.settings, title, share, short=True)


async def _load(connection: Connection, load: Load) -> float:
    began = monotonic()
    await connection.execute("SET session_replication_role = replica")  # neither audit nor wake-up
    since = datetime.now(UTC) - timedelta(days=load.older)
    values = {
        **_PARTS,
        "@alerts": str(load.alerts),
        "@since": f"'{since.isoformat()}'",
        "@span": str((load.older - load.newer) * 86_400.0),
        "@number": str(load.number),
    }
    for statement in _FILL:
        filled = statement
        for name, value in values.items():
            filled = filled.replace(name, value)
        await connection.execute(filled)
    await connection.execute("SET session_replication_role = origin")
    return monotonic() - began


async def _clean(connection: Connection, settings: Settings) -> None:
    """Run retention without its pauses, then what autovacuum would do meanwhile."""
    began = monotonic()
    done = await remove_old_rows(connection, settings, asyncio.Event(), rest=0)
    rows, took_s = sum(each.removed for each in done.values()), monotonic() - began
    began = monotonic()
    await connection.execute("VACUUM ANALYZE")
    vacuumed_s = monotonic() - began
    print(
        f"retention: {rows:,} rows in {took_s:,.1f} s, {rows / max(took_s, 0.001):,.0f}/s; "
        f"vacuum {vacuumed_s:,.1f} s",
        flush=True,
    )


async def _print_sizes(
    connection: Connection, settings: Settings, title: str, share: float, *, short: bool = False
) -> None:
    await connection.execute("ANALYZE")
    sizes = await measure(connection, settings, 7)
    total = sum(each.total for each in sizes)
    print(f"{title}: {human(total)}, for the whole rate about {human(total / share)}", flush=True)
    for each in sizes[:10]:
        if not short or each.table in CLEANED:
            row = each.total / max(each.rows, 1)
            print(
                f"  {each.table:20}{human(each.total):>10}{each.rows:>12,} rows {row:7,.0f} B a row"
            )


def _compare(directory: Path, empty: Database, year: Database) -> None:
    """Measure ingest and paging in turns, beside an empty database and beside the year."""
    log, file = directory / "processes.log", directory / "bodies"
    rates: dict[str, list[float]] = {}
    databases = {"empty": empty, "year": year}
    with serving_stub(log) as stub:
        accounts = {
            name: (
                Ingest(each, uvloop.run(connect_account(each)), file, log, 3),
                uvloop.run(connect_paging_account(each, stub.url)),
            )
            for name, each in databases.items()
        }
        for turn in range(PAIRS):
            for name in sorted(databases, reverse=bool(turn % 2)):
                ingest, paging = accounts[name]
                taken = ingest.measure("--no-workers", "--processes", "1").value
                sent = measure_sending(databases[name], paging, log, pages=PAGES).value
                rates.setdefault(f"webhooks/s {name}", []).append(taken)
                rates.setdefault(f"pages/s {name}", []).append(sent)
    for what in ("webhooks/s", "pages/s"):
        before, after = (median(rates[f"{what} {name}"]) for name in databases)
        print(f"{what}: {before:,.0f} empty, {after:,.0f} with the year: {after / before:.2f} x")
    print(rates, file=sys.stderr)


_FUNCTIONS: Final = """
CREATE FUNCTION pg_temp.at(n bigint, total bigint, since timestamptz, span float8)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$ SELECT since + make_interval(secs => span * n / total) $$;
CREATE FUNCTION pg_temp.id(moment timestamptz, kind int, number int, n bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7'
        || lpad(to_hex(kind), 3, '0') || '8' || lpad(to_hex(number), 3, '0')
        || lpad(to_hex(n), 12, '0'))::uuid $$
"""

_PARTS: Final = {
    "@four": "@each, generate_series(0, 3) k",
    "@each": "generate_series(1, @alerts) n, LATERAL "
    "(SELECT pg_temp.at(n, @alerts, @since, @span) AS at) t",
    "@owner": "'00000000-0000-7000-8000-000000000001'::uuid",
}

_FILL: Final = (
    """
    INSERT INTO alerts (id, integration_id, short_id, external_id, external_url, status, summary,
        description, data, fold, started_at, ended_at, created_at, updated_at)
    SELECT pg_temp.id(at, 1, @number, n), @owner, 'Y@number' || n, 'alt_y@number_' || n,
        'https://app.pagertree.com/#/alert/alt_y' || n, 'resolved', 'CPU of ' || n || ' is high',
        repeat('d', 100), jsonb_build_object('n', n, 'text', repeat('x', 600)),
        jsonb_build_object('n', n, 'text', repeat('y', 500)), at, at, at, at FROM @each
    """,
    """
    INSERT INTO deliveries (id, integration_id, body_sha256, body, event_type, pagertree_alert_id,
        state, received_at, last_received_at, run_at, attempt, finished_at)
    SELECT pg_temp.id(at, 10 + k, @number, n), @owner, sha256((n || '-@number-' || k)::bytea),
        b.body || n::text::bytea, 'alert.open', 'alt_y@number_' || n, 'done', at, at, at, 1, at
    FROM @four JOIN bodies b USING (k)
    """,
    """
    INSERT INTO alert_events (id, integration_id, alert_id, delivery_id, content_sha256, kind,
        action, event_type, details, occurred_at, created_at)
    SELECT pg_temp.id(at, 20 + k, @number, n), @owner, pg_temp.id(at, 1, @number, n),
        pg_temp.id(at, 10 + k, @number, n), sha256((n || '-' || k)::bytea), 'status', 'opened',
        'alert.open', repeat('e', 60), at, at FROM @four
    """,
    """
    INSERT INTO domain_events (id, integration_id, type, subject_type, subject_id, triggers,
        delivery_id, data, occurred_at, created_at, state, run_at, finished_at)
    SELECT pg_temp.id(at, 30 + k, @number, n), @owner, 'alert.updated', 'alert',
        pg_temp.id(at, 1, @number, n), ARRAY['alert_updated'], pg_temp.id(at, 10 + k, @number, n),
        jsonb_build_object('changes', repeat('c', 150)), at, at, 'done', at, at FROM @four
    """,
    """
    INSERT INTO pages (id, integration_id, alert_id, status, title, description, urgency, targets,
        requested_by, created_at, updated_at)
    SELECT pg_temp.id(at, 40, @number, n), @owner, pg_temp.id(at, 1, @number, n), 'resolved',
        'CPU of node ' || n, repeat('d', 200), 'high', '[{"kind": "team", "name": "Operations"}]',
        'workflow', at, at FROM @each WHERE n % 10 = 0
    """,
    """
    INSERT INTO operations (id, integration_id, page_id, kind, requested_by, state, first_sent_at,
        created_at, finished_at, run_at)
    SELECT pg_temp.id(at, 50, @number, n), @owner, pg_temp.id(at, 40, @number, n), 'create_alert',
        'workflow', 'done', at, at, at, at FROM @each WHERE n % 10 = 0
    """,
    """
    INSERT INTO attempts (id, integration_id, operation_id, number, method, path, http_status,
        started_at, duration_ms)
    SELECT pg_temp.id(at, 60, @number, n), @owner, pg_temp.id(at, 50, @number, n), 1, 'POST',
        '/alerts', 201, at, 80 FROM @each WHERE n % 10 = 0
    """,
)
"""Four webhooks and events of each alert; one alert in ten is paged for."""


if __name__ == "__main__":
    main()
