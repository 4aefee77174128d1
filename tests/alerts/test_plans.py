"""What is hot must not cost more the more is stored: PostgreSQL's own plans say so."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts import store
from pagersync.database.engine import Connection, raw_connection
from pagersync.inbox import writer
from pagersync.integrations import limits
from pagersync.retention import sweep
from pagersync.retention.kinds import KINDS, Kind
from tests.support.databases import empty

ROWS = 20_000
OWNER = UUID(int=1)

FILL = (
    "SET LOCAL session_replication_role = replica",  # nothing here is for the audit log
    (
        "INSERT INTO alerts (integration_id, id, short_id, external_id, external_url, status, "
        "summary, fold) SELECT :owner, gen_random_uuid(), 's' || n, 'e' || n, '', 'open', '', '{}' "
        "FROM generate_series(1, :rows) n"
    ),
    (
        "INSERT INTO deliveries (integration_id, id, body, body_sha256, state) "
        "SELECT :owner, gen_random_uuid(), '', sha256(n::text::bytea), 'done' "
        "FROM generate_series(1, :rows) n"
    ),
    (
        "INSERT INTO idempotency_keys (api_key_id, key, request_sha256) "
        "SELECT :owner, 'k' || n, '' FROM generate_series(1, :rows) n"
    ),
    (
        "INSERT INTO incidents (id, number, title, status, source, created_by) "
        "SELECT gen_random_uuid(), 1 + n, '', 'closed', 'api', '' FROM generate_series(1, :rows) n"
    ),
    (
        "INSERT INTO pages (integration_id, id, title, urgency, targets, requested_by) "
        "SELECT :owner, gen_random_uuid(), '', '', '[]', '' FROM generate_series(1, :rows) n"
    ),
    (
        "INSERT INTO operations (integration_id, id, kind, requested_by, page_id, state) "
        "SELECT :owner, gen_random_uuid(), 'create_alert', '', id, 'done' FROM pages"
    ),
    (
        "INSERT INTO attempts (integration_id, id, operation_id, number, method, path, "
        "duration_ms) SELECT :owner, gen_random_uuid(), id, 1, '', '', 1 FROM operations"
    ),
    (
        "INSERT INTO domain_events (integration_id, id, type, subject_type, subject_id, data, "
        "occurred_at, state) SELECT :owner, gen_random_uuid(), '', '', gen_random_uuid(), '{}', "
        "now(), 'done' FROM generate_series(1, :rows) n"
    ),
    "ANALYZE",
)

ATTACH = (
    (
        "INSERT INTO incidents (id, number, title, status, source, created_by) "
        "VALUES (gen_random_uuid(), 1, '', 'started', 'api', '')"
    ),
    (
        "INSERT INTO incident_alerts (incident_id, alert_id, integration_id, attached_by) "
        "SELECT i.id, a.id, a.integration_id, '' FROM alerts a, incidents i WHERE i.number = 1"
    ),
    "ANALYZE incident_alerts",
)


@pytest.fixture(scope="module")
async def connection(migrated_engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Yield a connection to tables with many rows, to which no test of this file writes."""
    async with migrated_engine.begin() as filling:
        for statement in FILL:
            values = {"owner": OWNER, "rows": ROWS}
            named = {name: values[name] for name in values if f":{name}" in statement}
            await filling.execute(text(statement), named)
    async with raw_connection(migrated_engine) as raw:
        yield raw
    await empty(migrated_engine)


async def nodes(connection: Connection, statement: str, *parameters: Any) -> list[dict[str, Any]]:
    """Return every node of a statement's plan; the statement is not run."""
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *parameters)
    found, ahead = [], [json.loads(plan) if isinstance(plan, str) else plan]
    while ahead:
        here = ahead.pop()
        if isinstance(here, list):
            ahead += here
        elif isinstance(here, dict):
            found.append(here)
            ahead += here.values()
    return found


def scanned(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Relation Name"] for node in plan if node.get("Node Type") == "Seq Scan"}


async def test_finding_alerts_to_fold_uses_an_index(connection: Connection) -> None:
    keys = [f"e{n}" for n in range(100)]
    plan = await nodes(connection, store._LOCK, [OWNER] * 100, keys)  # noqa: SLF001 - the statement itself
    assert "alerts" not in scanned(plan)


async def test_finding_the_incidents_of_alerts_uses_an_index(connection: Connection) -> None:
    for statement in ATTACH:
        await connection.execute(statement)
    ids = [UUID(int=n) for n in range(100)]
    plan = await nodes(connection, store._ATTACHED, ids)  # noqa: SLF001 - the statement itself
    assert scanned(plan) == set()


async def test_storing_deliveries_scans_nothing(connection: Connection) -> None:
    row: list[list[Any]] = [[OWNER], [OWNER], [b"x"], [b"x"], ["t"], ["a"], ["queued"], [None], [1]]
    plan = await nodes(connection, writer._INSERT, *row)  # noqa: SLF001 - the statement itself
    assert scanned(plan) == set()


LARGE = frozenset(
    {"alerts", "deliveries", "incidents", "pages", "operations", "attempts", "domain_events"}
)
"""Tables that have rows here: others are scanned, whatever indexes they have."""

IDS = 20
"""A thousandth of the rows, as a batch is where a table is large; a batch of all rows is a scan."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_removing_old_rows_scans_no_large_table(connection: Connection, kind: Kind) -> None:
    parts = [
        f"DELETE FROM {part.table} c WHERE "  # noqa: S608 - constants
        + part.belongs.format(ids="SELECT unnest($1::uuid[])")
        for part in kind.parts
    ]
    for statement in (sweep.free_of(kind), *parts):
        plan = await nodes(connection, statement, [OWNER] * IDS)
        assert scanned(plan).isdisjoint(LARGE), statement
    bounds = (OWNER, OWNER, datetime.now(UTC), IDS)
    assert scanned(await nodes(connection, sweep.candidates(kind), *bounds)).isdisjoint(LARGE)


async def test_removing_old_idempotency_keys_uses_an_index(connection: Connection) -> None:
    plan = await nodes(connection, sweep.IDEMPOTENCY_KEYS, 30, 1000)
    assert "idempotency_keys" not in scanned(plan)


async def test_the_daily_limit_counts_no_alerts(connection: Connection) -> None:
    plan = await nodes(connection, limits._READ_DAY, [OWNER])  # noqa: SLF001 - the statement itself
    assert "alerts" not in {node.get("Relation Name") for node in plan}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM alerts ORDER BY id DESC LIMIT 51",
        "SELECT * FROM alerts WHERE status = 'triggered' ORDER BY id DESC LIMIT 51",
        "SELECT * FROM alerts WHERE short_id = 's1'",
        "SELECT * FROM deliveries ORDER BY id DESC LIMIT 51",
        "SELECT * FROM deliveries WHERE state IN ('dead') ORDER BY id DESC LIMIT 51",
        "SELECT min(run_at) FROM deliveries WHERE state = 'queued' AND run_at <= now()",
    ],
)
async def test_first_pages_use_an_index(connection: Connection, query: str) -> None:
    assert scanned(await nodes(connection, query)) == set()
