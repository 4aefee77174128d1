"""API keys: made, listed, changed, rotated, revoked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, column, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.models import ApiKey, Scope
from pagersync.access.tokens import API_TOKEN_PREFIX, hash_token, new_token
from pagersync.errors import ConflictError, InvalidError, NotFoundError

INCLUDED: Final = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.PAGE: frozenset({Scope.READ, Scope.PAGE}),
    Scope.WRITE: frozenset({Scope.READ, Scope.PAGE, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}
"""What each scope allows."""

GRACE_HOURS_DEFAULT: Final = 24
GRACE_HOURS_MAX: Final = 30 * 24

FROM_SETTING: Final = "admin_key"
"""The origin of the key that `PAGERSYNC_ADMIN_KEY` gives."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key with a token that was just made; it is to be found nowhere else."""

    key: ApiKey
    token: str


def allows(scopes: Sequence[str], needed: Scope) -> bool:
    """Tell whether a key with `scopes` may do what needs `needed`. Pure."""
    return any(needed in INCLUDED[Scope(scope)] for scope in scopes)


async def create_key(
    session: AsyncSession,
    name: str,
    scopes: Sequence[Scope],
    *,
    expires_at: datetime | None = None,
    integration_id: UUID | None = None,
) -> NewKey:
    """Make a key; with an integration, one that sees and acts on that one alone.

    Raises:
        InvalidError: there is no such integration.
    """
    if integration_id is not None:
        await find_integration_id(session, str(integration_id))
    token = new_token(API_TOKEN_PREFIX)
    key = ApiKey(
        name=name,
        token_sha256=hash_token(token),
        scopes=[scope.value for scope in scopes],
        expires_at=expires_at,
        integration_id=integration_id,
    )
    session.add(key)
    await session.flush()
    await session.refresh(key)
    return NewKey(key, token)


async def find_integration_id(session: AsyncSession, reference: str) -> UUID:
    """Return the id of a connected account, by its id or its name.

    Raises:
        InvalidError: there is none.
    """
    every = table("integrations", column("id"), column("name"), column("removed_at"))
    rows = await session.execute(
        select(every.c.id, every.c.name).where(every.c.removed_at.is_(None))
    )
    for row in rows:
        if reference in (str(row.id), row.name):
            found: UUID = row.id
            return found
    raise InvalidError(
        f"there is no integration {reference!r}", pointer="/data/attributes/integration_id"
    )


def working_keys() -> Select[ApiKey]:
    """Return the query for the keys that were not revoked."""
    return select(ApiKey).where(ApiKey.revoked_at.is_(None))


async def list_keys(session: AsyncSession) -> Sequence[ApiKey]:
    """Return every key that was not revoked, oldest first."""
    return (await session.scalars(working_keys().order_by(ApiKey.id))).all()


async def get_key(session: AsyncSession, key_id: UUID, *, lock: bool = False) -> ApiKey:
    """Return one key; with `lock`, as nobody else changes it until the transaction ends.

    Raises:
        NotFoundError: there is no such key, or it was revoked.
    """
    statement = working_keys().where(ApiKey.id == key_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    key = await session.scalar(statement)
    if key is None:
        raise NotFoundError(f"there is no API key {key_id}")
    return key


async def change_key(session: AsyncSession, key: ApiKey, values: Mapping[str, Any]) -> ApiKey:
    """Set columns of a key, which is locked."""
    for name, value in values.items():
        setattr(key, name, value)
    key.version += 1
    await session.flush()
    await session.refresh(key)
    return key


async def rotate_key(session: AsyncSession, key: ApiKey, *, grace: timedelta) -> NewKey:
    """Give a key, which is locked, a new token. The old one works for `grace` longer.

    A token that is older still ends at once.

    Raises:
        ConflictError: the token is the operator's own choice.
    """
    if key.origin == FROM_SETTING:
        raise ConflictError("this key is what PAGERSYNC_ADMIN_KEY says: change that, and restart")
    token = new_token(API_TOKEN_PREFIX)
    values = {
        "old_token_sha256": key.token_sha256 if grace else None,
        "old_expires_at": datetime.now(UTC) + grace if grace else None,
        "token_sha256": hash_token(token),
    }
    return NewKey(await change_key(session, key, values), token)


async def revoke_key(session: AsyncSession, key_id: UUID) -> None:
    """End a key.

    Raises:
        NotFoundError: there is no such key, or it was revoked before.
    """
    key = await get_key(session, key_id, lock=True)
    key.revoked_at = datetime.now(UTC)
    await session.flush()
