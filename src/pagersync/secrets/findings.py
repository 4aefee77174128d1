"""What `pagersync doctor` says of secrets."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.session import driver_connection
from pagersync.findings import Finding, Level
from pagersync.integrations.resealing import list_old
from pagersync.integrations.secret_key import find_key_problem
from pagersync.integrations.vault import SecretKeyError, has_key, open_vault
from pagersync.secrets.existing import count_unsealed
from pagersync.secrets.literals import masks_of
from pagersync.secrets.references import names_in
from pagersync.secrets.service import list_calls, names_of
from pagersync.settings import Settings

NAMED: Final = "`pagersync secrets add NAME`, then write {{ secrets.NAME }} in its place"


async def find_secret_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return secrets in clear, written out or missing, and a rotation that is not finished."""
    return [
        *await _in_clear(session),
        *await _in_workflows(session),
        *await _rotating(session, settings),
        *await _wrong_key(session, settings),
    ]


async def _wrong_key(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return that the key of this process is missing, or not the one that everything has."""
    reason = await find_key_problem(await driver_connection(session), settings)
    if reason is None:
        return []
    remedy = "restore the key, or give it up: pagersync secret-key accept"
    return [Finding("secret_key_wrong", Level.CRITICAL, reason, remedy)]


async def _in_clear(session: AsyncSession) -> list[Finding]:
    rows = await count_unsealed(await driver_connection(session))
    if not rows:
        return []
    detail = f"{rows} calls of an older version may hold secrets that are not encrypted yet."
    remedy = "Let `pagersync serve` or `worker` run: it encrypts them within a minute"
    return [Finding("secrets_in_clear", Level.WARNING, detail, remedy)]


async def _in_workflows(session: AsyncSession) -> list[Finding]:
    known = set(await names_of(session))
    calls = await list_calls(await driver_connection(session))
    return [finding for call in calls for finding in _of_task(*call, known)]


def _of_task(
    workflow: str, task: str, params: Mapping[str, Any], known: set[str]
) -> Iterator[Finding]:
    if masks := masks_of(params):
        detail = (
            f"The task {task!r} of the workflow {workflow!r} has {len(masks)} "
            f"{'secret' if len(masks) == 1 else 'secrets'} written into it: kept encrypted, and "
            "changed only there."
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
