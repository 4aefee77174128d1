"""Who a token is, and how much it was used: one statement, be the token right or wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.limits import Count, Kind
from pagersync.access.tokens import hash_token
from pagersync.database.engine import raw_connection


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """An API key, as its requests know it."""

    id: UUID
    name: str
    scopes: tuple[str, ...]
    integration_id: UUID | None


@dataclass(frozen=True, slots=True)
class Login:
    """What a token came to.

    Attributes:
        key: None when there is no such key, or no longer.
        counts: the limits of the key; of the address, when there is no key.
    """

    key: KeyInUse | None
    counts: Sequence[Count]


async def log_in(
    engine: AsyncEngine,
    token: str,
    limits: Mapping[Kind, int],
    *,
    source: str,
    failed_max: int,
) -> Login:
    """Look a token up and count the request: for its key, or for its source if it has none.

    Args:
        engine: the database's.
        token: as presented; empty when none was.
        limits: what the request counts against, if the token is a key.
        source: where it comes from.
        failed_max: how often that may be wrong in a minute; 0 for no limit.
    """
    async with raw_connection(engine) as connection:
        rows = await connection.fetch(
            _LOG_IN, hash_token(token), list(limits), list(limits.values()), source, failed_max
        )
    first = rows[0]
    key = None
    if first["id"] is not None:
        scopes = tuple(first["scopes"])
        key = KeyInUse(first["id"], first["name"], scopes, first["integration_id"])
    return Login(key, [_count(row) for row in rows if row["kind"] is not None])


def _count(row: Any) -> Count:
    return Count(
        kind=Kind(row["kind"]),
        allowed_max=row["allowed_max"],
        used_now=row["used"],
        used_before=row["used_before"],
        is_refused=row["is_refused"],
        minute=row["minute"],
        second=row["second"],
    )


_NOW: Final = "CASE WHEN c.minute >= excluded.minute THEN c.used ELSE 0 END"
_BEFORE: Final = """
CASE WHEN c.minute >= excluded.minute THEN c.used_before
     WHEN c.minute = excluded.minute - 1 THEN c.used ELSE 0 END
"""
_SECOND: Final = "extract(epoch FROM now())::float8 - 60 * floor(extract(epoch FROM now()) / 60)"
_REFUSED: Final = f"(({_NOW}) + ({_BEFORE}) * (1 - ({_SECOND}) / 60) > excluded.allowed_max - 1)"

_LOG_IN: Final = f"""
WITH key AS MATERIALIZED (
    SELECT id, name, scopes, integration_id FROM api_keys
    WHERE (token_sha256 = $1 OR (old_token_sha256 = $1 AND old_expires_at > now()))
      AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
), used AS (
    UPDATE api_keys SET last_used_at = now() FROM key
    WHERE api_keys.id = key.id
      AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
), counted AS (
    INSERT INTO request_counts AS c
        (subject, kind, minute, used, used_before, allowed_max, is_refused)
    SELECT s.subject, s.kind, floor(extract(epoch FROM now()) / 60), 1, 0, s.allowed_max, false
    FROM (
        SELECT key.id::text, l.kind, l.allowed_max
        FROM key, unnest($2::text[], $3::int[]) AS l (kind, allowed_max)
        UNION ALL
        SELECT $4, '{Kind.FAILED_LOGINS}', $5::int
        WHERE $5::int > 0 AND NOT EXISTS (SELECT FROM key)
    ) AS s (subject, kind, allowed_max)
    ON CONFLICT (subject, kind) DO UPDATE SET
        is_refused = {_REFUSED},
        used = {_NOW} + CASE WHEN {_REFUSED} THEN 0 ELSE 1 END,
        used_before = {_BEFORE},
        minute = greatest(c.minute, excluded.minute),
        allowed_max = excluded.allowed_max
    RETURNING kind, minute, used, used_before, allowed_max, is_refused
)
SELECT key.*, counted.*, {_SECOND} AS second
FROM (SELECT) AS one LEFT JOIN key ON true LEFT JOIN counted ON true
"""  # noqa: S608 - made of constants
"""What is over a limit is not counted, so that who waits gets in again."""
