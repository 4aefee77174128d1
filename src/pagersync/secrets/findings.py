"""What `pagersync doctor` says of secrets."""

import json
from collections.abc import Iterator
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.session import driver_connection
from pagersync.findings import Finding, Level
from pagersync.integrations.resealing import list_old
from pagersync.integrations.vault import SecretKeyError, has_key, open_vault
from pagersync.secrets.literals import masks_of
from pagersync.secrets.references import names_in
from pagersync.secrets.service import names_of
from pagersync.settings import Settings

NAMED: Final = "`pagersync secrets add NAME`, then write {{ secrets.NAME }} in its place"


async def find_secret_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return secrets in clear, written out or missing, and a rotation that is not finished."""
    return [
        *await _in_clear(session),
        *await _in_workflows(session),
        *await _rotating(session, settings),
    ]


async def _in_clear(session: AsyncSession) -> list[Finding]:
    rows = await (await driver_connection(session)).fetchval(_UNSEALED)
    if not rows:
        return []
    detail = f"{rows} calls of an older version may hold secrets that are not encrypted yet."
    remedy = "Let `pagersync serve` or `worker` run: it encrypts them within a minute"
    return [Finding("secrets_in_clear", Level.WARNING, detail, remedy)]


async def _in_workflows(session: AsyncSession) -> list[Finding]:
    known = set(await names_of(session))
    rows = await (await driver_connection(session)).fetch(_CALLS)
    return [
        finding
        for row in rows
        for finding in _of_task(row["workflow"], row["task"], row["params"], known)
    ]


def _of_task(workflow: str, task: str, text: str, known: set[str]) -> Iterator[Finding]:
    params = json.loads(text)
    if masks := masks_of(params):
        detail = (
            f"The task {task!r} of the workflow {workflow!r} has {len(masks)} "
            f"{'secret' if len(masks) == 1 else 'secrets'} written into it. It is kept encrypted, "
            "and can only be changed there."
        )
        yield Finding("secret_written_out", Level.WARNING, detail, NAMED)
    for name in sorted({name for _, name in names_in(params)} - known):
        detail = (
            f"The task {task!r} of the workflow {workflow!r} needs the secret {name!r}, and there "
            "is none: its calls fail."
        )
        remedy = f"pagersync secrets add {name}"
        yield Finding("secret_missing", Level.WARNING, detail, remedy)


async def _rotating(session: AsyncSession, settings: Settings) -> list[Finding]:
    try:
        vault = open_vault(settings) if has_key(settings) else None
    except SecretKeyError:
        return []
    if vault is None or not vault.has_old_keys:
        return []
    old = await list_old(await driver_connection(session), vault)
    if old:
        detail = f"{len(old)} credentials are encrypted with an old key of PAGERSYNC_SECRET_KEY."
        return [Finding("secret_key_old", Level.WARNING, detail, "pagersync secrets rotate-key")]
    detail = "PAGERSYNC_SECRET_KEY has old keys that nothing is encrypted with any more."
    remedy = "Drop them from PAGERSYNC_SECRET_KEY, and restart every process"
    return [Finding("secret_key_old", Level.WARNING, detail, remedy)]


_UNSEALED: Final = """
SELECT (SELECT count(*) FROM workflow_tasks
        WHERE NOT is_sealed AND task_params ->> 'task_type' = 'http_client')
     + (SELECT count(*) FROM workflow_task_runs
        WHERE NOT is_sealed AND task_params ->> 'task_type' = 'http_client')
     + (SELECT count(*) FROM webhook_endpoints WHERE NOT is_sealed)
"""

_CALLS: Final = """
SELECT w.name AS workflow, t.name AS task, t.task_params::text AS params
FROM workflow_tasks t JOIN workflows w ON w.id = t.workflow_id
WHERE w.removed_at IS NULL AND t.task_params ->> 'task_type' = 'http_client'
ORDER BY w.id, t.position
"""
