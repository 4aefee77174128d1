"""The key that an installation begins with: the operator's, or one that is printed once."""

from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.keys import FROM_SETTING
from pagersync.access.tokens import API_TOKEN_PREFIX, hash_token, new_token
from pagersync.database.base import new_id
from pagersync.database.caller import CALLER, SYSTEM, Caller
from pagersync.database.engine import create_engine, create_sessions
from pagersync.errors import ConflictError
from pagersync.settings import Settings

ADMIN_NAME: Final = "PAGERSYNC_ADMIN_KEY"


async def ensure_key(settings: Settings) -> str | None:
    """Make sure that somebody can come in; return the token if it is new, to be shown once.

    However many processes do this at the same time, there is one key.

    Raises:
        ConflictError: the token of `PAGERSYNC_ADMIN_KEY` is another key's.
    """
    CALLER.set(Caller(kind=SYSTEM, name="serve", is_audited=True))
    engine = create_engine(settings)
    try:
        async with create_sessions(engine).begin() as session:
            if settings.admin_key is None:
                return await make_first_key(session)
            await set_admin_key(session, settings.admin_key.get_secret_value())
            return None
    finally:
        await engine.dispose()


async def make_first_key(session: AsyncSession) -> str | None:
    """Make a key for everything if there has never been one; return its token, or None."""
    token = new_token(API_TOKEN_PREFIX)
    row = {"id": new_id(), "token_sha256": hash_token(token)}
    return token if (await session.execute(_FIRST, row)).first() is not None else None


async def set_admin_key(session: AsyncSession, token: str) -> None:
    """Let the operator's token open everything, in the place of the one before.

    Raises:
        ConflictError: it is another key's.
    """
    row = {"id": new_id(), "token_sha256": hash_token(token), "name": ADMIN_NAME}
    # Of two that insert at once, the second would be told that the token is another key's.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(ADMIN_NAME))))
    try:
        await session.execute(_ADMIN, row | {"origin": FROM_SETTING})
    except IntegrityError:
        raise ConflictError(
            f"{ADMIN_NAME} is the token of another API key: choose another, or revoke that key"
        ) from None


_FIRST: Final = text(
    """
    INSERT INTO api_keys (id, name, token_sha256, scopes, origin)
    SELECT :id, 'first key', :token_sha256, '{admin}', 'first'
    WHERE NOT EXISTS (SELECT FROM api_keys)
    ON CONFLICT (origin) DO NOTHING RETURNING id
    """
)

_ADMIN: Final = text(
    """
    INSERT INTO api_keys AS k (id, name, token_sha256, scopes, origin)
    VALUES (:id, :name, :token_sha256, '{admin}', :origin)
    ON CONFLICT (origin) DO UPDATE
    SET token_sha256 = excluded.token_sha256, revoked_at = NULL, expires_at = NULL,
        version = k.version + 1, updated_at = now()
    WHERE k.token_sha256 <> excluded.token_sha256 OR k.revoked_at IS NOT NULL
       OR k.expires_at IS NOT NULL
    """
)
