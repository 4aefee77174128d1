"""API keys: made, listed, revoked, and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.models import ApiKey, Scope
from pagersync.access.tokens import API_TOKEN_PREFIX, hash_token, new_token
from pagersync.database.engine import Sessions
from pagersync.errors import NotFoundError, UnauthorizedError

LAST_USE_PRECISION: Final = timedelta(minutes=1)

INCLUDED: Final = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.PAGE: frozenset({Scope.READ, Scope.PAGE}),
    Scope.WRITE: frozenset({Scope.READ, Scope.PAGE, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}
"""What each scope allows."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; the token is to be found nowhere else."""

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
) -> NewKey:
    """Make a key."""
    token = new_token(API_TOKEN_PREFIX)
    key = ApiKey(
        name=name,
        token_sha256=hash_token(token),
        scopes=[scope.value for scope in scopes],
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    return NewKey(key, token)


async def list_keys(session: AsyncSession) -> Sequence[ApiKey]:
    """Return every key that was not revoked, oldest first."""
    statement = select(ApiKey).where(ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
    return (await session.scalars(statement)).all()


async def revoke_key(session: AsyncSession, key_id: UUID) -> None:
    """End a key.

    Raises:
        NotFoundError: there is no such key, or it was revoked before.
    """
    statement = (
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
    )
    if await session.scalar(statement) is None:
        raise NotFoundError(f"there is no API key {key_id}")


async def authenticate(sessions: Sessions, token: str) -> ApiKey:
    """Return the key that `token` is, noting its use to the minute.

    It has a transaction of its own, over before the route begins.

    Raises:
        UnauthorizedError: no such key, or no longer.
    """
    async with sessions.begin() as session:
        key = await session.scalar(
            select(ApiKey).where(
                ApiKey.token_sha256 == hash_token(token),
                ApiKey.revoked_at.is_(None),
                or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
            )
        )
        if key is None:
            raise UnauthorizedError("the API key is unknown, expired or revoked")
        now = datetime.now(UTC)
        if key.last_used_at is None or now - key.last_used_at > LAST_USE_PRECISION:
            key.last_used_at = now
        return key
