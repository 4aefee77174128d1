"""The door: which integrations exist, and which secrets open them.

Checked for every request, so it is kept in memory and read again when PostgreSQL says that
integrations changed, and every few seconds in case nobody could say so.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.tokens import matches_any
from pagersync.database.engine import raw_connection

REFRESH_S: Final = 5.0
REFRESH_AT_MOST_EVERY_S: Final = 0.2

log = structlog.get_logger()


class Refusal(StrEnum):
    """Why a request was turned away without keeping anything of it."""

    UNKNOWN_INTEGRATION = "unknown_integration"
    MISSING_SECRET = "missing_secret"  # noqa: S105 - a reason
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - a reason
    INTEGRATION_DISABLED = "integration_disabled"
    BODY_TOO_LARGE = "body_too_large"


@dataclass(frozen=True, slots=True)
class Secret:
    """The hash of a webhook secret, and until when it works."""

    sha256: bytes
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entrance:
    """One integration, as the door sees it."""

    enabled: bool
    secrets: tuple[Secret, ...]


def judge(entrance: Entrance | None, presented: list[str], now: datetime) -> Refusal | None:
    """Decide whether a request is let in; None means yes. Pure.

    A disabled integration says so only to those who know its secret.
    """
    if entrance is None:
        return Refusal.UNKNOWN_INTEGRATION
    if not presented:
        return Refusal.MISSING_SECRET
    active = [
        secret.sha256
        for secret in entrance.secrets
        if secret.expires_at is None or secret.expires_at > now
    ]
    if not [secret for secret in presented if matches_any(secret, active)]:
        return Refusal.WRONG_SECRET
    return None if entrance.enabled else Refusal.INTEGRATION_DISABLED


class Door:
    """Knows every integration's secrets, a moment ago.

    Args:
        engine: where they are read.
        changed: set whenever integrations may have changed.
    """

    def __init__(self, engine: AsyncEngine, changed: asyncio.Event) -> None:
        self._engine = engine
        self._changed = changed
        self._entrances: Mapping[UUID, Entrance] | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def check(self, integration_id: UUID, presented: list[str]) -> Refusal | None:
        """Return why a request is refused, or None when it is let in.

        Raises:
            Exception: integrations were never read yet, and the database is away.
        """
        entrances = self._entrances
        if entrances is None or integration_id not in entrances:
            entrances = await self._read_soon()
        return judge(entrances.get(integration_id), presented, datetime.now(UTC))

    async def run(self) -> None:
        """Keep up with changes until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._read()
            except Exception as error:  # noqa: BLE001 - what was read before still serves
                log.warning("integrations could not be read again", error=repr(error))
            try:
                await asyncio.wait_for(self._changed.wait(), REFRESH_S)
            except TimeoutError:
                continue

    async def _read_soon(self) -> Mapping[UUID, Entrance]:
        """Read again because of an unknown id, but not for each of a flood of them."""
        async with self._reading:
            age_s = time.monotonic() - self._read_at
            if self._entrances is not None and age_s < REFRESH_AT_MOST_EVERY_S:
                return self._entrances
            return await self._read()

    async def _read(self) -> Mapping[UUID, Entrance]:
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(_READ)
        self._entrances = {
            row["id"]: Entrance(
                enabled=row["enabled"],
                secrets=tuple(map(Secret, row["hashes"], row["expiries"])),
            )
            for row in rows
        }
        self._read_at = time.monotonic()
        return self._entrances


_READ = """
SELECT i.id, i.enabled,
       coalesce(array_agg(s.sha256 ORDER BY s.id) FILTER (WHERE s.id IS NOT NULL), '{}') AS hashes,
       coalesce(array_agg(s.expires_at ORDER BY s.id) FILTER (WHERE s.id IS NOT NULL), '{}')
           AS expiries
FROM integrations i
LEFT JOIN webhook_secrets s
       ON s.integration_id = i.id AND (s.expires_at IS NULL OR s.expires_at > now())
WHERE i.removed_at IS NULL
GROUP BY i.id, i.enabled
"""
