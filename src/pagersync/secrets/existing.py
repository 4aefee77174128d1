"""Secrets that an older version kept as they are: encrypted in batches, beside all other work.

A migration cannot do it, since it has no key. Old processes that run beside new ones during an
upgrade may write more, so the worker looks again from time to time.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.complaints import complain
from pagersync.database.engine import Connection, raw_connection
from pagersync.integrations.vault import Vault
from pagersync.secrets.literals import literals_of
from pagersync.secrets.models import UNSEALED_CALL
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
    """A table with calls in it: which rows are not sealed, and what to keep of each.

    Attributes:
        name: the table's.
        unsealed: SQL: which rows are not sealed.
        columns: SQL: what is read of each.
        sealed: returns what is written instead.
        changes: SQL: where it is written, from `$2` on.
    """

    name: str
    unsealed: str
    columns: str
    sealed: Callable[[Mapping[str, Any], Sealer], Columns]
    changes: str

    @property
    def select(self) -> str:
        """Return SQL that finds a batch of rows."""
        return (
            f"SELECT id, {self.columns} FROM {self.name} WHERE {self.unsealed} "  # noqa: S608 - names of ours
            "ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED"
        )

    @property
    def update(self) -> str:
        """Return SQL that writes a row."""
        return f"UPDATE {self.name} SET {self.changes}, is_sealed = true WHERE id = $1"  # noqa: S608 - names of ours

    @property
    def count(self) -> str:
        """Return SQL that counts the rows."""
        return f"SELECT count(*) FROM {self.name} WHERE {self.unsealed}"  # noqa: S608 - names of ours


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


async def count_unsealed(connection: Connection) -> int:
    """Return how many rows are not sealed."""
    return sum([await connection.fetchval(table.count) for table in TABLES])


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


TABLES: Final = (
    Table(
        "workflow_tasks",
        UNSEALED_CALL,
        "task_params::text",
        _task,
        "task_params = $2::text::jsonb",
    ),
    Table(
        "workflow_task_runs",
        UNSEALED_CALL,
        "task_params::text, rendered_params::text, result::text, error",
        _run,
        "task_params = $2::text::jsonb, rendered_params = $3::text::jsonb, "
        "result = $4::text::jsonb, error = $5",
    ),
    Table("webhook_endpoints", "NOT is_sealed", "url", _endpoint, "url = $2"),
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
