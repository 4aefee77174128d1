"""Removal: what is done with, old and held by no floor goes, a batch at a time."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import MappingProxyType
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from pagersync.database.engine import Connection
from pagersync.kept import days_kept, first_id
from pagersync.retention.kinds import KINDS, OTHERS, Kind
from pagersync.settings import Settings

ROWS_MAX: Final = 1000
"""Most rows of one batch."""

LOCK: Final = 7_266_833_053
"""Key of the advisory lock that lets one process remove at a time."""

NOTHING: Final = UUID(int=0)

log = structlog.get_logger()


@dataclass(slots=True)
class Removed:
    """What a run did with one kind.

    Attributes:
        removed: rows that went, without those that went along.
        held: rows that are old enough and stay, because a floor holds them.
        is_complete: False if it was stopped before it had seen all rows.
    """

    removed: int = 0
    held: int = 0
    is_complete: bool = False


async def remove_old_rows(
    connection: Connection, settings: Settings, stop: asyncio.Event, *, rest: float = 1.0
) -> Mapping[str, Removed]:
    """Remove what is old, unless another process is at it; end between batches when `stop` is set.

    A batch is one short transaction. It begins again where rows are left, so a run that ended early
    is continued by the next one.

    Args:
        connection: not in a transaction.
        settings: say how old.
        stop: ends it.
        rest: how many times as long as a batch took it pauses, so that others have the disk.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        return {}
    try:
        done = {}
        for kind in KINDS:
            done[kind.name] = await _remove_kind(connection, kind, settings, stop, rest)
            await _note(connection, kind, done[kind.name])
        done |= await _remove_others(connection, settings, stop)
        return done
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def _remove_kind(
    connection: Connection, kind: Kind, settings: Settings, stop: asyncio.Event, rest: float
) -> Removed:
    done = Removed()
    days = days_kept(settings, kind.setting)
    if days is None:
        done.is_complete = True
        return done
    cutoff, after = datetime.now(UTC) - timedelta(days=days), NOTHING
    while not stop.is_set():
        began, rows_max = monotonic(), min(ROWS_MAX, kind.rows_max)
        try:
            ids, removed = await remove_batch(connection, kind, after, cutoff, rows_max)
        except asyncpg.LockNotAvailableError:  # somebody works on it: the next run comes back
            break
        done.removed += removed
        done.held += len(ids) - removed
        if len(ids) < rows_max:
            done.is_complete = True
            break
        after = ids[-1]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(rest * (monotonic() - began)):
                await stop.wait()
    return done


async def remove_batch(
    connection: Connection, kind: Kind, after: UUID, cutoff: datetime, rows_max: int
) -> tuple[list[UUID], int]:
    """Look at the next rows that are old; return their ids, and how many of them went.

    The rows are locked before the floors are looked at: nobody can attach an alert in between.
    """
    async with connection.transaction():
        await connection.execute(_INTRODUCE)
        rows = await connection.fetch(candidates(kind), after, first_id(cutoff), cutoff, rows_max)
        ids = [row["id"] for row in rows]
        free = [row["id"] for row in await connection.fetch(free_of(kind), ids)] if ids else []
        if free:
            for part in kind.parts:
                belongs = part.belongs.format(ids="SELECT unnest($1::uuid[])")
                await connection.execute(f"DELETE FROM {part.table} c WHERE {belongs}", free)  # noqa: S608 - constants of `kinds.py`
            await connection.execute(f"DELETE FROM {kind.table} WHERE id = ANY($1)", free)  # noqa: S608 - likewise
    return ids, len(free)


def old(kind: Kind, before: str, cutoff: str) -> str:
    """Return SQL: the row `t` is done with and old."""
    done = kind.done.replace("$cutoff", cutoff)
    return f"t.id < {before} AND {kind.since} < {cutoff} AND {done}"


def candidates(kind: Kind) -> str:
    """Return the statement that locks the next rows that are done with and old."""
    return (
        f"SELECT t.id FROM {kind.table} t WHERE t.id > $1 AND {old(kind, '$2', '$3')} "  # noqa: S608 - constants of `kinds.py`
        "ORDER BY t.id LIMIT $4 FOR UPDATE OF t SKIP LOCKED"
    )


def free_of(kind: Kind) -> str:
    """Return the statement that tells which of some rows no floor holds."""
    return f"SELECT t.id FROM {kind.table} t WHERE t.id = ANY($1) AND NOT ({kind.held})"  # noqa: S608 - constants of `kinds.py`


async def _note(connection: Connection, kind: Kind, done: Removed) -> None:
    """Keep what was done where `pagersync doctor` and `/metrics` see it."""
    await connection.execute(_NOTE, kind.name, done.removed, done.held, done.is_complete)
    if done.removed:
        log.info("removed old rows", kind=kind.name, rows=done.removed, held=done.held)


async def _remove_others(
    connection: Connection, settings: Settings, stop: asyncio.Event
) -> dict[str, Removed]:
    """Remove what has no floors: the audit log, idempotency keys, counts."""
    done = {}
    for name, table, setting, _ in OTHERS:
        done[name] = here = Removed()
        while not stop.is_set():
            days = days_kept(settings, setting)
            rows = await connection.fetchval(REMOVE[table], days, ROWS_MAX)
            here.removed += rows
            if rows < ROWS_MAX:
                here.is_complete = True
                break
    if not stop.is_set():
        rows = await connection.fetchval(_COUNTS, settings.retention_days)
        first = first_id(datetime.now(UTC) - timedelta(days=settings.retention_days))
        await connection.execute(_VERDICTS, settings.retention_days, first)
        done["counts"] = Removed(removed=rows, is_complete=True)
    return done


_INTRODUCE: Final = """
SELECT set_config('pagersync.actor', '{"kind": "system", "name": "retention"}', true),
    set_config('pagersync.retention', 'yes', true), set_config('lock_timeout', '1s', true)
"""
"""The audit log has one entry for an incident that goes, and none for each row of its timeline."""

_NOTE: Final = """
INSERT INTO retention_runs AS r (kind, ran_at, removed, held, is_complete, removed_total)
VALUES ($1, now(), $2, $3, $4, $2)
ON CONFLICT (kind) DO UPDATE SET ran_at = now(), removed = $2, held = $3, is_complete = $4,
    removed_total = r.removed_total + $2
"""

IDEMPOTENCY_KEYS: Final = """
WITH gone AS (
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency_keys
        WHERE created_at < now() - make_interval(days => $1)
        ORDER BY created_at LIMIT $2))
    RETURNING 1)
SELECT count(*) FROM gone
"""

AUDIT: Final = "SELECT pagersync_remove_old_audit($1, $2)"

REMOVE: Final = MappingProxyType({"audit_log": AUDIT, "idempotency_keys": IDEMPOTENCY_KEYS})
"""How rows of `OTHERS` go, by table."""

_COUNTS: Final = """
WITH minutes AS (DELETE FROM requester_minutes WHERE minute < now() - interval '1 hour'),
earlier_minutes AS (DELETE FROM workflow_minutes WHERE minute < now() - interval '1 hour'),
requests AS (
    DELETE FROM request_counts WHERE minute < floor(extract(epoch FROM now()) / 60) - 60),
days AS (
    DELETE FROM alerts_per_day
    WHERE day < to_char((now() - make_interval(days => $1)) AT TIME ZONE 'UTC', 'YYYY-MM-DD')
    RETURNING 1)
SELECT count(*) FROM days
"""
"""One row an integration and day, or a workflow and minute: few enough to go at once."""

_VERDICTS: Final = """
DELETE FROM verdict_sets WHERE used_on < current_date - 1 - $1::int AND id NOT IN (
    SELECT refused_id FROM domain_events WHERE id < $2 AND refused_id IS NOT NULL)
"""
"""Events that a floor holds go on saying why workflows did not run."""
