"""Secrets in the parameters of calls: sealed when they are saved, opened when the call is made."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import PagersyncError
from pagersync.integrations.vault import SecretKeyError, Vault
from pagersync.secrets.literals import (
    FIELDS,
    literals_of,
    masks_of,
    new_mask,
    replace_literals,
)
from pagersync.secrets.models import SealedValue, Secret
from pagersync.secrets.references import CallSecrets, mark_written, names_in

PIECE_CHARACTERS_MIN = 6
"""A shorter part of a value, between tags, stands in many texts."""


class SecretUnavailableError(PagersyncError):
    """A call needs a secret that is missing or cannot be read. Only this call fails."""

    code = "secret_unavailable"
    status = 409
    title = "Secret not available"


NO_VAULT = "secrets cannot be kept here, since there is no key to encrypt them with"


class Sealer:
    """Replaces secrets by masks; one that has a mask already keeps it.

    Args:
        vault: encrypts.
        known: masks of values that may be kept, by value.
    """

    def __init__(self, vault: Vault | None, known: Mapping[str, str]) -> None:
        self._vault = vault
        self._masks = dict(known)
        self.new: dict[str, bytes] = {}

    def seal(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a call with masks.

        Raises:
            SecretKeyError: there is no key to encrypt with.
        """
        return replace_literals(params, self.mask)

    def reuse(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a call with the masks of values that are kept already."""
        return replace_literals(params, lambda value: self._masks.get(value, value))

    def mask(self, value: str) -> str:
        """Return the mask of a value, a new one if need be."""
        if value not in self._masks:
            if self._vault is None:
                raise SecretKeyError(NO_VAULT)
            self._masks[value] = new_mask()
            self.new[self._masks[value]] = self._vault.encrypt(value)
        return self._masks[value]


async def open_masks(
    session: AsyncSession, vault: Vault | None, masks: Collection[str], *, lenient: bool = False
) -> dict[str, str]:
    """Return the values that masks stand for; with `lenient`, of those that can be had.

    Raises:
        SecretUnavailableError: a value is gone, or was encrypted with another key.
    """
    if not masks:
        return {}
    statement = select(SealedValue).where(SealedValue.mask.in_(masks))
    values = {}
    for row in await session.scalars(statement):
        try:
            values[row.mask] = _decrypted(vault, row.value_encrypted, "A secret of this call")
        except SecretUnavailableError:
            if not lenient:
                raise
    if not lenient and (gone := sorted(set(masks) - values.keys())):
        raise SecretUnavailableError(
            f"What the mask {gone[0]} stood for is not kept any more. Enter it again."
        )
    return values


async def sealer_for(
    session: AsyncSession, vault: Vault | None, saved: Iterable[Any], given: Iterable[Any]
) -> Sealer:
    """Return what seals the parameters that are given, with the masks of those that are saved."""
    if not any(literals_of(params) for params in given):
        return Sealer(vault, {})
    masks = {mask for params in saved for mask in masks_of(params)}
    known = await open_masks(session, vault, masks, lenient=True)
    return Sealer(vault, {value: mask for mask, value in known.items()})


def keep_new(session: AsyncSession, sealer: Sealer) -> None:
    """Keep the values that a sealer gave new masks."""
    session.add_all(
        SealedValue(mask=mask, value_encrypted=encrypted) for mask, encrypted in sealer.new.items()
    )
    sealer.new = {}


async def open_params(
    session: AsyncSession, vault: Vault | None, params: Mapping[str, Any], integration_id: Any
) -> tuple[dict[str, Any], CallSecrets]:
    """Return the parameters of a call with markers for the values in them, and all its secrets.

    No template sees a value, so none can change it into what is not recognised when it comes back.

    Args:
        session: inside a transaction.
        vault: decrypts.
        params: as they are saved.
        integration_id: the account of the workflow; None for what belongs to none.

    Raises:
        SecretUnavailableError: one of them cannot be had.
    """
    masks = {mask for name in FIELDS for mask in masks_of(params.get(name, ""))}
    values = await open_masks(session, vault, masks)
    opened, pieces = mark_written(params, values)
    names = list(dict.fromkeys(name for _, name in names_in(opened)))
    named = await open_named(session, vault, names, integration_id)
    long_pieces = [piece for piece in pieces.values() if len(piece) >= PIECE_CHARACTERS_MIN]
    written = (*values.values(), *long_pieces, *literals_of(opened))
    return opened, CallSecrets(named, written, pieces)


async def open_named(
    session: AsyncSession, vault: Vault | None, names: Sequence[str], integration_id: Any
) -> dict[str, str]:
    """Return the values of named secrets, and note that they are used.

    Raises:
        SecretUnavailableError: one is gone, is for other accounts, or cannot be decrypted.
    """
    if not names:
        return {}
    found = await session.scalars(select(Secret).where(Secret.name.in_(names)))
    rows = {row.name: row for row in found}
    values = {}
    for name in names:
        if name not in rows:
            raise SecretUnavailableError(
                f"There is no secret {name!r} any more: `pagersync secrets add {name}`"
            )
        if not may_use(rows[name].integration_ids, integration_id):
            raise SecretUnavailableError(f"The secret {name!r} is for workflows of other accounts.")
        values[name] = _decrypted(vault, rows[name].value_encrypted, f"The secret {name!r}")
    await session.execute(_used(names))
    return values


def may_use(integration_ids: Collection[Any], integration_id: Any) -> bool:
    """Tell whether what belongs to an account may use a secret that is bound to accounts. Pure."""
    return not integration_ids or integration_id in integration_ids


def _used(names: Sequence[str]) -> Any:
    """Return SQL that notes a use, at most once an hour, and waits for nobody."""
    is_stale = Secret.last_used_at.is_(None) | (
        Secret.last_used_at < func.now() - text("interval '1 hour'")
    )
    stale = (
        select(Secret.id)
        .where(Secret.name.in_(names), is_stale)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return (
        update(Secret)
        .where(Secret.id.in_(stale))
        .values(last_used_at=func.now(), updated_at=Secret.updated_at)
        .execution_options(synchronize_session=False)
    )


def _decrypted(vault: Vault | None, encrypted: bytes, what: str) -> str:
    with suppress(SecretKeyError):
        if vault is not None:
            return vault.decrypt(encrypted)
    raise SecretUnavailableError(
        f"{what} cannot be decrypted with PAGERSYNC_SECRET_KEY. Enter it again."
    )
