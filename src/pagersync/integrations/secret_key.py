"""Whether the secret key is the one that encrypted what the database holds.

The database keeps a fingerprint: a constant, encrypted. Who cannot decrypt it has another key, and
must not begin to work: API keys could not be read, and nobody would be paged. A key that is lost is
never replaced by a new one silently.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.integrations.vault import (
    KEY_FILE,
    SecretKeyError,
    Vault,
    given_keys,
    has_key,
    open_vault,
)
from pagersync.settings import Settings

FINGERPRINT: Final = "pagersync"

REMEDY: Final = (
    "Restore {source}. Is the key lost? `pagersync secret-key accept` says what to enter again. "
    "`pagersync serve --force` starts without it: webhooks are kept, and nobody is paged."
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sealed:
    """Something that the database keeps encrypted.

    Attributes:
        kind: what it is, for people.
        name: whose it is, for people.
    """

    table: str
    id: str
    kind: str
    name: str
    encrypted: bytes


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column that is encrypted.

    Attributes:
        kind: what it holds, for people.
        name: SQL: whose it is, for people.
        key: the primary key.
        needed: SQL: which rows are needed still.
    """

    table: str
    column: str
    kind: str
    name: str = "name"
    key: str = "id"
    needed: str = "true"

    @property
    def select(self) -> str:
        """Return SQL that finds what is needed, as `Sealed`."""
        return (
            f"SELECT '{self.table}' AS \"table\", {self.key}::text AS id, "  # noqa: S608 - names of ours
            f"'{self.kind}' AS kind, {self.name} AS name, {self.column} AS encrypted "
            f"FROM {self.table} WHERE {self.column} IS NOT NULL AND ({self.needed})"
        )

    @property
    def update(self) -> str:
        """Return SQL that writes a row anew, if nobody else did: its key, the new, the old."""
        return (
            f"UPDATE {self.table} SET {self.column} = $2 "  # noqa: S608 - names of ours
            f"WHERE {self.key} = $1 AND {self.column} = $3"
        )


SIGNING: Final = SealedColumn(
    "webhook_signing_secrets",
    "secret_encrypted",
    "the webhook secret",
    name="(SELECT e.name FROM webhook_endpoints e WHERE e.id = endpoint_id)",
    needed="expires_at IS NULL OR expires_at > now()",
)
COLUMNS: Final = (
    SealedColumn("integrations", "api_key_encrypted", "the API key"),
    SealedColumn("webhook_endpoints", "custom_headers_encrypted", "the headers"),
    SIGNING,
    SealedColumn("secrets", "value_encrypted", "the secret"),
    SealedColumn("sealed_values", "value_encrypted", "the masked value", name="mask", key="mask"),
)
"""Every column that is encrypted, but for answers to be given again."""


class LockedVault(Vault):
    """The vault of a process that has no key: nothing is encrypted or decrypted."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def encrypt(self, plain: str) -> bytes:
        """Refuse.

        Raises:
            SecretKeyError: always.
        """
        del plain
        raise SecretKeyError(self._reason)

    def decrypt(self, encrypted: bytes) -> str:
        """Refuse.

        Raises:
            SecretKeyError: always.
        """
        del encrypted
        raise SecretKeyError(self._reason)


async def open_checked_vault(engine: AsyncEngine, settings: Settings) -> Vault:
    """Return the vault, if its key is the one that encrypted what the database holds.

    On a new database the key is made, where none is given, and its fingerprint kept.

    Raises:
        SecretKeyError: the key is missing, malformed, or another one.
    """
    async with raw_connection(engine) as connection:
        if not has_key(settings) and (reason := await _missing(connection, settings)):
            raise SecretKeyError(reason)
        vault = open_vault(settings)
        if reason := await _mismatch(connection, vault, settings):
            raise SecretKeyError(reason)
        return vault


async def open_any_vault(engine: AsyncEngine, settings: Settings) -> Vault:
    """Return a vault for a process that works as far as it can, whatever its key is.

    `/readyz` and the log say what is wrong with it.
    """
    try:
        return await open_checked_vault(engine, settings)
    except SecretKeyError as error:
        log.error("the secret key is not right: nobody is paged", error=error.detail)  # noqa: TRY400 - the message has all
        return _without_check(settings, error.detail)
    except (OSError, asyncpg.PostgresError) as error:  # the database is away, or not migrated yet
        log.warning("the secret key is not checked", error=repr(error))
        return _without_check(settings, "the secret key was never checked")


async def key_problem(connection: Connection, vault: Vault) -> str | None:
    """Return what is wrong with the key of a running process, shortly; None if it is right."""
    fingerprint = await connection.fetchval(_READ)
    if fingerprint is None or _opens(vault, fingerprint):
        return None
    return "another one than what is stored was encrypted with"


async def find_key_problem(connection: Connection, settings: Settings) -> str | None:
    """Return why nobody can work with the configured key; None: it is right. Only reads."""
    if not has_key(settings):
        return await _missing(connection, settings)
    try:
        problem = await key_problem(connection, open_vault(settings))
    except SecretKeyError as error:
        return error.detail
    return problem and f"The secret key is {problem}. Nobody is paged."


async def list_broken(connection: Connection, vault: Vault) -> list[Sealed]:
    """Return what is stored and cannot be decrypted."""
    return [each for each in await list_sealed(connection) if not _opens(vault, each.encrypted)]


async def keep_fingerprint(connection: Connection, vault: Vault) -> None:
    """Let the key of this vault be the right one from now on."""
    await connection.execute(_KEEP, vault.encrypt(FINGERPRINT))


async def accept_key(connection: Connection, vault: Vault) -> list[Sealed]:
    """Accept a key although the former one is lost: erase API keys that it cannot decrypt.

    Returns what must be entered again.
    """
    async with connection.transaction():
        broken = await list_broken(connection, vault)
        lost = [each.id for each in broken if each.table == "integrations"]
        await connection.execute(_FORGET, lost)
        await keep_fingerprint(connection, vault)
    return broken


def _without_check(settings: Settings, reason: str) -> Vault:
    return open_vault(settings) if has_key(settings) else LockedVault(reason)


async def _missing(connection: Connection, settings: Settings) -> str | None:
    """Return why a key that is not there must not be made anew."""
    sealed = await list_sealed(connection)
    if not sealed and await connection.fetchval(_READ) is None:
        return None
    source = f"the file {settings.data_dir / KEY_FILE}, or set PAGERSYNC_SECRET_KEY"
    return f"the secret key is missing, and {_counted(sealed)}. {REMEDY.format(source=source)}"


async def _mismatch(connection: Connection, vault: Vault, settings: Settings) -> str | None:
    """Return why a key is not the right one; keep its fingerprint if nothing speaks against it."""
    fingerprint = await connection.fetchval(_READ)
    if fingerprint is not None and _opens(vault, fingerprint):
        return None
    sealed = await list_sealed(connection)
    broken = [each for each in sealed if not _opens(vault, each.encrypted)]
    if broken or (fingerprint is not None and not sealed):
        file = f"the file {settings.data_dir / KEY_FILE}"
        source = "PAGERSYNC_SECRET_KEY" if given_keys(settings) else file
        what = f"the secret key is another one than before, and {_counted(broken)}"
        return f"{what}. {REMEDY.format(source=source)}"
    if fingerprint is None:  # of two processes that begin at once, one is first
        await connection.execute(_KEEP_FIRST, vault.encrypt(FINGERPRINT))
        first = await connection.fetchval(_READ)
        return None if _opens(vault, first) else await _mismatch(connection, vault, settings)
    await keep_fingerprint(connection, vault)
    return None


def _counted(sealed: Sequence[Sealed]) -> str:
    if not sealed:
        return "another pagersync has used this database with its own"
    names = ", ".join(f"{each.kind} of {each.name!r}" for each in sealed[:NAMED_MAX])
    more = f" and {len(sealed) - NAMED_MAX} more" if len(sealed) > NAMED_MAX else ""
    return f"it is needed for what is stored: {names}{more}"


NAMED_MAX: Final = 5


def _opens(vault: Vault, encrypted: bytes) -> bool:
    try:
        vault.decrypt(encrypted)
    except SecretKeyError:
        return False
    return True


async def list_sealed(connection: Connection) -> list[Sealed]:
    """Return what `COLUMNS` hold and is needed."""
    return [Sealed(**row) for row in await connection.fetch(_SEALED)]


_READ: Final = "SELECT encrypted FROM secret_key_fingerprint"

_KEEP_FIRST: Final = """
INSERT INTO secret_key_fingerprint (id, encrypted) VALUES (1, $1) ON CONFLICT DO NOTHING
"""

_KEEP: Final = """
INSERT INTO secret_key_fingerprint (id, encrypted) VALUES (1, $1)
ON CONFLICT (id) DO UPDATE SET encrypted = $1, updated_at = now()
"""

_SEALED: Final = f"{' UNION ALL '.join(column.select for column in COLUMNS)} ORDER BY 1, 4"

_FORGET: Final = """
UPDATE integrations SET api_key_encrypted = NULL, verified_at = NULL WHERE id = ANY($1::uuid[])
"""
