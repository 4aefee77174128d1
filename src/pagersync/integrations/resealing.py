"""The rotation of the secret key: everything that is stored is encrypted anew with the first key.

Row by row, without a transaction around it: nobody who pages waits for it, and a running process
that has both keys reads what is encrypted with either. What a process writes meanwhile with the old
key is found by the next pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pagersync.database.engine import Connection
from pagersync.integrations.secret_key import Sealed, keep_fingerprint, list_sealed
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
    await _reseal_in_batches(connection, vault, _EXPIRED, _RESEAL_EXPIRED)
    await _reseal_in_batches(connection, vault, _ANSWERS, _RESEAL_ANSWER)
    return Resealed(len(sealed), await list_old(connection, vault))


async def list_old(connection: Connection, vault: Vault) -> list[Sealed]:
    """Return what is encrypted with another key than the first."""
    return [each for each in await list_sealed(connection) if not vault.is_current(each.encrypted)]


async def _reseal_in_batches(
    connection: Connection, vault: Vault, select: str, update: str
) -> None:
    """Encrypt rows anew that nobody needs to page; what cannot be decrypted stays as it is."""
    after: tuple[Any, ...] | None = None
    while rows := await connection.fetch(select, *(after or (None, "")), BATCH_ROWS):
        for one, other, encrypted in rows:
            try:
                fresh = vault.encrypt(vault.decrypt(encrypted))
            except SecretKeyError:
                continue
            if not vault.is_current(encrypted):
                await connection.execute(update, one, other, fresh, encrypted)
        after = (rows[-1][0], rows[-1][1])


_RESEAL: Final = {
    "integrations": "UPDATE integrations SET api_key_encrypted = $2 "
    "WHERE id = $1::uuid AND api_key_encrypted = $3",
    "webhook_endpoints": "UPDATE webhook_endpoints SET custom_headers_encrypted = $2 "
    "WHERE id = $1::uuid AND custom_headers_encrypted = $3",
    "webhook_signing_secrets": "UPDATE webhook_signing_secrets SET secret_encrypted = $2 "
    "WHERE id = $1::uuid AND secret_encrypted = $3",
    "secrets": "UPDATE secrets SET value_encrypted = $2 "
    "WHERE id = $1::uuid AND value_encrypted = $3",
    "sealed_values": "UPDATE sealed_values SET value_encrypted = $2 "
    "WHERE mask = $1 AND value_encrypted = $3",
}

_ANSWERS: Final = """
SELECT api_key_id, key, body_encrypted FROM idempotency_keys
WHERE body_encrypted IS NOT NULL AND ($1::uuid IS NULL OR (api_key_id, key) > ($1::uuid, $2::text))
ORDER BY api_key_id, key LIMIT $3
"""

_RESEAL_ANSWER: Final = """
UPDATE idempotency_keys SET body_encrypted = $3
WHERE api_key_id = $1 AND key = $2 AND body_encrypted = $4
"""

_EXPIRED: Final = """
SELECT id, ''::text, secret_encrypted FROM webhook_signing_secrets
WHERE expires_at <= now() AND ($1::uuid IS NULL OR id > $1::uuid) AND $2::text IS NOT NULL
ORDER BY id LIMIT $3
"""

_RESEAL_EXPIRED: Final = """
UPDATE webhook_signing_secrets SET secret_encrypted = $3
WHERE id = $1 AND $2::text IS NOT NULL AND secret_encrypted = $4
"""
