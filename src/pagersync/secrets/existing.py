"""Secrets that an older version kept as they are: encrypted in batches, beside all other work.

A migration cannot do it, since it has no key. Old processes that run beside new ones during an
upgrade may write more, so the worker looks again from time to time.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.complaints import complain
from pagersync.database.engine import Connection, raw_connection
from pagersync.integrations.vault import Vault
from pagersync.secrets.literals import literals_of
from pagersync.secrets.references import CallSecrets
from pagersync.secrets.sealing import Sealer

BATCH_ROWS: Final = 200
LOOK_EVERY_S: Final = 60.0
TIDY_EVERY: Final = 60
"""How many looks there are between two times at which values are removed that nothing needs."""

log = structlog.get_logger()

Columns = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with calls in it: how to find rows, what to keep of each, and how to write it."""

    select: str
    sealed: Callable[[Mapping[str, Any], Sealer], Columns]
    update: str


async def run_sealing(engine: AsyncEngine, vault: Vault, stop: asyncio.Event) -> None:
    """Seal what is not sealed until `stop` is set, and remove values that nothing needs."""
    looks = 0
    while not stop.is_set():
        try:
            async with raw_connection(engine) as connection:
                if rows := await seal_existing(connection, vault):
                    log.info("encrypted secrets that stood in calls", rows=rows)
                if looks % TIDY_EVERY == 0:
                    await remove_unneeded(connection)
        except Exception as error:  # noqa: BLE001 - tried again in a minute, and doctor says so
            complain("secrets in calls could not be encrypted yet", error)
        looks += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await stop.wait()


async def seal_existing(connection: Connection, vault: Vault) -> int:
    """Seal every row that is not sealed, batch by batch; return how many there were."""
    rows = 0
    for table in TABLES:
        while found := await _seal_batch(connection, vault, table):
            rows += found
    return rows


async def _seal_batch(connection: Connection, vault: Vault, table: Table) -> int:
    sealer = Sealer(vault, {})
    async with connection.transaction():
        rows = await connection.fetch(table.select, BATCH_ROWS)
        changes = [(row["id"], *table.sealed(dict(row), sealer)) for row in rows]
        await connection.executemany(_KEEP, list(sealer.new.items()))
        await connection.executemany(table.update, changes)
    return len(rows)


async def remove_unneeded(connection: Connection) -> int:
    """Remove values whose masks stand nowhere any more; return how many there were."""
    unused = [row["mask"] for row in await connection.fetch(_UNUSED)]
    if not unused:
        return 0
    in_runs = {row["mask"] for row in await connection.fetch(_IN_RUNS)}
    gone = [mask for mask in unused if mask not in in_runs]
    await connection.execute("DELETE FROM sealed_values WHERE mask = ANY ($1)", gone)
    return len(gone)


def _task(row: Mapping[str, Any], sealer: Sealer) -> Columns:
    return (_dumped(sealer.seal(json.loads(row["task_params"]))),)


def _run(row: Mapping[str, Any], sealer: Sealer) -> Columns:
    """Return a task of a run with masks, and without secrets in what came of it."""
    params = json.loads(row["task_params"])
    secrets = CallSecrets(written=tuple(literals_of(params)))
    kept = [_hidden(row[name], secrets) for name in ("rendered_params", "result")]
    error = row["error"] and secrets.hide(row["error"])
    return _dumped(sealer.seal(params)), *kept, error


def _endpoint(row: Mapping[str, Any], sealer: Sealer) -> Columns:
    return (sealer.seal({"url": row["url"]})["url"],)


def _hidden(text: str | None, secrets: CallSecrets) -> str | None:
    return None if text is None else _dumped(secrets.hide_in(json.loads(text)))


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _select(table: str, columns: Iterable[str], where: str) -> str:
    names = ", ".join(columns)
    return (
        f"SELECT id, {names} FROM {table} WHERE NOT is_sealed{where} "  # noqa: S608 - names of ours
        "ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED"
    )


IS_CALL: Final = " AND task_params ->> 'task_type' = 'http_client'"
TABLES: Final = (
    Table(
        _select("workflow_tasks", ["task_params::text"], IS_CALL),
        _task,
        "UPDATE workflow_tasks SET task_params = $2::text::jsonb, is_sealed = true WHERE id = $1",
    ),
    Table(
        _select(
            "workflow_task_runs",
            ["task_params::text", "rendered_params::text", "result::text", "error"],
            IS_CALL,
        ),
        _run,
        "UPDATE workflow_task_runs SET task_params = $2::text::jsonb, "
        "rendered_params = $3::text::jsonb, result = $4::text::jsonb, error = $5, is_sealed = true "
        "WHERE id = $1",
    ),
    Table(
        _select("webhook_endpoints", ["url"], ""),
        _endpoint,
        "UPDATE webhook_endpoints SET url = $2, is_sealed = true WHERE id = $1",
    ),
)

_KEEP: Final = "INSERT INTO sealed_values (mask, value_encrypted) VALUES ($1, $2)"

_UNUSED: Final = """
SELECT s.mask FROM sealed_values s
WHERE s.created_at < now() - interval '1 day'
  AND NOT EXISTS (
    SELECT 1 FROM workflow_tasks t JOIN workflows w ON w.id = t.workflow_id
    WHERE w.removed_at IS NULL AND t.task_params ->> 'task_type' = 'http_client'
      AND strpos(t.task_params::text, s.mask) > 0)
  AND NOT EXISTS (
    SELECT 1 FROM webhook_endpoints e WHERE e.removed_at IS NULL AND strpos(e.url, s.mask) > 0)
"""

_IN_RUNS: Final = r"""
SELECT DISTINCT (regexp_matches(task_params::text, '\*\*\*[0-9a-f]{12}\*\*\*', 'g'))[1] AS mask
FROM workflow_task_runs WHERE task_params ->> 'task_type' = 'http_client'
"""
