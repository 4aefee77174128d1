"""Retention: what is done with and old is removed, a batch at a time."""

import asyncio
from typing import Final

from pagersync.database.engine import Connection

ROWS_MAX: Final = 1000

_STATEMENTS: Final = (
    """
    DELETE FROM deliveries WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM deliveries
        WHERE id < $1 AND state IN ('done', 'ignored')
        ORDER BY id LIMIT $2))
    """,
    """
    DELETE FROM domain_events WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM domain_events
        WHERE id < $1 AND state = 'done' ORDER BY id LIMIT $2))
    """,
    """
    DELETE FROM workflow_task_runs WHERE ctid = ANY (ARRAY(
        SELECT t.ctid FROM workflow_task_runs t
        JOIN workflow_runs r ON r.id = t.run_id AND r.integration_id = t.integration_id
        WHERE r.id < $1 AND r.state NOT IN ('queued', 'running')
        ORDER BY r.id LIMIT $2))
    """,
    """
    DELETE FROM workflow_runs WHERE ctid = ANY (ARRAY(
        SELECT r.ctid FROM workflow_runs r
        WHERE r.id < $1 AND r.state NOT IN ('queued', 'running') AND NOT EXISTS (
            SELECT FROM workflow_task_runs t
            WHERE t.run_id = r.id AND t.integration_id = r.integration_id)
        ORDER BY r.id LIMIT $2))
    """,
    """
    DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM webhook_deliveries
        WHERE id < $1 AND state IN ('done', 'canceled')
        ORDER BY id LIMIT $2))
    """,
    """
    DELETE FROM attempts WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM attempts WHERE id < $1 ORDER BY id LIMIT $2))
    """,
)


_IDEMPOTENCY_KEYS: Final = """
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys
    WHERE created_at < now() - make_interval(days => $1)
    ORDER BY created_at LIMIT $2))
"""


_AUDIT: Final = "SELECT pagersync_remove_old_audit($1, $2)"


async def remove_old_rows(
    connection: Connection,
    *,
    days: int,
    idempotency_days: int,
    audit_days: int,
    stop: asyncio.Event,
) -> int:
    """Remove deliveries, both ways, events and runs that are done with, attempts and old counts.

    What needs a person (`invalid`, `limited`, `dead`) stays. Idempotency keys and the audit log
    have days of their own. Returns how many rows went; ends early, between two batches, when
    `stop` is set.
    """
    before = await connection.fetchval(_OLDEST_KEPT, days)
    removed = 0
    for statement in _STATEMENTS:
        removed += await _remove(connection, statement, before, stop)
    removed += await _remove(connection, _IDEMPOTENCY_KEYS, idempotency_days, stop)
    while not stop.is_set():
        rows = await connection.fetchval(_AUDIT, audit_days, ROWS_MAX)
        removed += rows
        if rows < ROWS_MAX:
            break
    if not stop.is_set():
        removed += int((await connection.execute(_REMOVE_COUNTS, days)).split()[-1])
    return removed


async def _remove(
    connection: Connection, statement: str, limit: object, stop: asyncio.Event
) -> int:
    """Remove what is beyond a limit, a batch at a time."""
    removed = 0
    while not stop.is_set():
        rows = int((await connection.execute(statement, limit, ROWS_MAX)).split()[-1])
        removed += rows
        if rows < ROWS_MAX:
            break
    return removed


_OLDEST_KEPT = """
SELECT (lpad(to_hex(ms::bigint), 12, '0') || '70008000000000000000')::uuid
FROM (SELECT extract(epoch FROM now() - make_interval(days => $1)) * 1000) AS t (ms)
"""
"""The smallest UUIDv7 of that moment: ids are ordered by time, so no index on a time is needed."""

_REMOVE_COUNTS = """
WITH minutes AS (DELETE FROM workflow_minutes WHERE minute < now() - interval '1 hour'),
requests AS (
    DELETE FROM request_counts WHERE minute < floor(extract(epoch FROM now()) / 60) - 60),
verdicts AS (DELETE FROM verdict_sets WHERE used_on < current_date - 1 - $1::int)
DELETE FROM alerts_per_day
WHERE day < to_char((now() - make_interval(days => $1)) AT TIME ZONE 'UTC', 'YYYY-MM-DD')
"""
"""One row an integration and day, or a workflow and minute: few enough to go at once."""
