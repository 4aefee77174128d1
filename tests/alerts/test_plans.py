"""What is hot must not cost more the more is stored: PostgreSQL's own plans say so."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts import store
from pagersync.database.engine import Connection, raw_connection
from pagersync.inbox import retention, writer
from pagersync.integrations import limits
from tests.support.databases import empty

ROWS = 20_000
OWNER = UUID(int=1)

FILL = (
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
    "ANALYZE alerts",
    "ANALYZE deliveries",
    "ANALYZE idempotency_keys",
)

ATTACH = (
    (
        "INSERT INTO incidents (id, number, title, status, source, created_by) "
        "VALUES (gen_random_uuid(), 1, '', 'started', 'api', '')"
    ),
    (
        "INSERT INTO incident_alerts (incident_id, alert_id, integration_id, attached_by) "
        "SELECT i.id, a.id, a.integration_id, '' FROM alerts a, incidents i"
    ),
    "ANALYZE incident_alerts",
)


@pytest.fixture(scope="module")
async def connection(migrated_engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Yield a connection to tables with many rows, to which no test of this file writes."""
    async with migrated_engine.begin() as filling:
        for statement in FILL:
            parameters = {"owner": OWNER, "rows": ROWS} if ":rows" in statement else {}
            await filling.execute(text(statement), parameters)
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


async def test_removing_old_rows_uses_an_index(connection: Connection) -> None:
    for statement in retention._STATEMENTS:  # noqa: SLF001 - the statements themselves
        plan = await nodes(connection, statement, OWNER, 1000)
        assert "deliveries" not in scanned(plan)


async def test_removing_old_idempotency_keys_uses_an_index(connection: Connection) -> None:
    plan = await nodes(connection, retention._IDEMPOTENCY_KEYS, 30, 1000)  # noqa: SLF001 - the statement itself
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
