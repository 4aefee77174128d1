"""The rotation of the secret key: everything that is stored is encrypted anew with the first key.

Row by row, without a transaction around it: nobody who pages waits for it, and a running process
that has both keys reads what is encrypted with either. What a process writes meanwhile with the old
key is found by the next pass.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pagersync.database.engine import Connection
from pagersync.integrations.secret_key import (
    COLUMNS,
    SIGNING,
    Sealed,
    keep_fingerprint,
    list_sealed,
)
from pagersync.integrations.vault import SecretKeyError, Vault

PASSES_MAX: Final = 5
BATCH_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Resealed:
    """What a rotation came to.

    Attributes:
        rows: how many credentials are kept.
        left: what is still encrypted with an old key, because somebody keeps writing with it.
    """

    rows: int
    left: Sequence[Sealed]


async def reseal(connection: Connection, vault: Vault) -> Resealed:
    """Encrypt everything that is stored anew, with the first key.

    Raises:
        SecretKeyError: something cannot be decrypted with any of the keys; nothing was changed.
    """
    sealed = await list_sealed(connection)
    for each in sealed:
        vault.decrypt(each.encrypted)
    await keep_fingerprint(connection, vault)
    for _ in range(PASSES_MAX):
        old = [each for each in sealed if not vault.is_current(each.encrypted)]
        if not old:
            break
        for each in old:
            fresh = vault.encrypt(vault.decrypt(each.encrypted))
            await connection.execute(_RESEAL[each.table], each.id, fresh, each.encrypted)
        sealed = await list_sealed(connection)
    expired = await connection.fetch(_EXPIRED)
    await _reseal_unneeded(connection, vault, SIGNING.update, expired)
    after: tuple[UUID | None, str] = (None, "")
    while rows := await connection.fetch(_ANSWERS, *after, BATCH_ROWS):
        await _reseal_unneeded(connection, vault, _RESEAL_ANSWER, rows)
        after = rows[-1][0], rows[-1][1]
    return Resealed(len(sealed), await list_old(connection, vault))


async def list_old(connection: Connection, vault: Vault) -> list[Sealed]:
    """Return what is encrypted with another key than the first."""
    return [each for each in await list_sealed(connection) if not vault.is_current(each.encrypted)]


async def _reseal_unneeded(
    connection: Connection, vault: Vault, update: str, rows: Iterable[Iterable[Any]]
) -> None:
    """Encrypt rows anew that nobody needs to page; what cannot be decrypted stays as it is."""
    for *key, encrypted in rows:
        if not vault.is_current(encrypted):
            with suppress(SecretKeyError):
                fresh = vault.encrypt(vault.decrypt(encrypted))
                await connection.execute(update, *key, fresh, encrypted)


_RESEAL: Final = {column.table: column.update for column in COLUMNS}

_ANSWERS: Final = """
SELECT api_key_id, key, body_encrypted FROM idempotency_keys
WHERE body_encrypted IS NOT NULL AND ($1::uuid IS NULL OR (api_key_id, key) > ($1::uuid, $2::text))
ORDER BY api_key_id, key LIMIT $3
"""

_RESEAL_ANSWER: Final = """
UPDATE idempotency_keys SET body_encrypted = $3
WHERE api_key_id = $1 AND key = $2 AND body_encrypted = $4
"""

_EXPIRED: Final = (
    "SELECT id, secret_encrypted FROM webhook_signing_secrets WHERE expires_at <= now()"
)
"""No more than a few for each endpoint, since a rotation removes them."""
