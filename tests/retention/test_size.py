"""What a year will take, from what there is; and the table in the docs."""

import os
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions, raw_connection
from pagersync.http import AsyncClient
from pagersync.retention.size import SETTING_OF, in_a_year, measure
from pagersync.retention.table import table_lines
from pagersync.settings import Settings
from pagersync.tables import Base
from tests.retention.world import World

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
BEGIN, END = "<!-- retention: made by tests/retention -->", "<!-- retention: end -->"


def test_a_year_of_what_is_kept_for_90_days_is_90_days() -> None:
    assert in_a_year(1000, 10, 1.0, 90) == 9000
    assert in_a_year(1000, 10, 1.0, None) == 37500
    assert in_a_year(1000, 10, 1.0, 3650) == 37500
    assert in_a_year(8192, 0, 0.0, 90) is None
    assert in_a_year(8192, 10, None, 90) is None


@given(st.integers(1, 10**12), st.integers(1, 10**9), st.floats(0, 10**6), st.integers(1, 3650))
def test_retention_never_makes_a_year_larger(
    total: int, rows: int, per_day: float, days: int
) -> None:
    kept, for_ever = in_a_year(total, rows, per_day, days), in_a_year(total, rows, per_day, None)
    assert kept is not None
    assert for_ever is not None
    assert kept <= for_ever


async def test_sizes_and_rates_are_those_of_the_tables(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    async with sessions.begin() as session:
        for number in range(1, 8):
            await World(number=number, days=number).add(session)
    async with raw_connection(engine) as connection:
        await connection.execute("ANALYZE incidents")
        sizes = {each.table: each for each in await measure(connection, settings, 4)}
    assert sizes.keys() >= set(Base.metadata.tables)
    incidents = sizes["incidents"]
    assert (incidents.rows, incidents.rows_per_day) == (7, 3 / 4)
    assert incidents.days == settings.incidents_days
    assert incidents.total > incidents.indexes > 0
    assert incidents.oldest is not None
    assert (datetime.now(UTC) - incidents.oldest).days == 7


async def test_metrics_show_what_went_and_the_oldest_row(
    api: AsyncClient, engine: AsyncEngine, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        await World(days=100).add(session)
    async with raw_connection(engine) as connection:
        await connection.execute(
            "INSERT INTO retention_runs VALUES ('alerts', now(), 1, 2, true, 3)"
        )
    said = (await api.get("/metrics")).text
    assert 'pagersync_retention_removed_total{kind="alerts"} 3.0' in said
    assert 'pagersync_retention_held{kind="alerts"} 2.0' in said
    begin = 'pagersync_oldest_row_age_seconds{table="incidents"} '
    (line,) = [line for line in said.splitlines() if line.startswith(begin)]
    assert 8_600_000 < float(line.removeprefix(begin)) < 8_700_000


def test_every_table_that_grows_is_in_the_table_of_kinds() -> None:
    bounded = {  # configuration, counts, and what has one row for each thing of another table
        *("alerts_per_day", "request_counts", "workflow_minutes", "requester_minutes"),
        *("verdict_sets", "search_lags", "processes"),
        *("directory_entries", "directory_watches", "integrations", "integration_gates"),
        *("incident_numbers", "secret_key_fingerprint", "severities", "unpaged", "api_keys"),
        *("webhook_endpoints", "webhook_refusals", "webhook_secrets", "webhook_signing_secrets"),
        *("workflows", "workflow_tasks", "retention_runs", "last_backup"),
        *("secrets", "sealed_values"),
    }
    assert set(Base.metadata.tables) - bounded == set(SETTING_OF)


def test_the_docs_have_the_table() -> None:
    before, _, rest = DOCS.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    expected = "\n".join([before + BEGIN, *table_lines(), END + after])
    if os.environ.get("UPDATE_DOCS"):
        DOCS.write_text(expected)
    assert DOCS.read_text() == expected, "run it with UPDATE_DOCS=1"
