"""The door: which integrations exist, and which secrets open them.

Checked for every request, so it is kept in memory and read again when PostgreSQL says that
integrations changed, and every few seconds in case nobody could say so.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from time import monotonic
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.tokens import matches_any
from pagersync.database.complaints import complain
from pagersync.database.engine import raw_connection

REFRESH_S: Final = 5.0
READ_AT_MOST_EVERY_S: Final = 0.2
READ_TIMEOUT_S: Final = 2.0


class Refusal(StrEnum):
    """Why a request was turned away without keeping anything of it."""

    UNKNOWN_INTEGRATION = "unknown_integration"
    MISSING_SECRET = "missing_secret"  # noqa: S105 - a reason
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - a reason
    INTEGRATION_DISABLED = "integration_disabled"
    BODY_TOO_LARGE = "body_too_large"


ASK_AGAIN: Final = frozenset({Refusal.UNKNOWN_INTEGRATION, Refusal.WRONG_SECRET})
"""Refusals that a moment-old memory may have got wrong."""


NOBODY: Final = bytes(32)
"""No secret has this hash: it is compared where an integration has none, to take as long."""


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


def judge(entrance: Entrance | None, presented: Sequence[str], now: datetime) -> Refusal | None:
    """Decide whether a request is let in; None means yes. Pure.

    A disabled integration says so only to those who know its secret. Every secret that is
    presented is hashed and compared at least once, for an integration that does not exist too.
    """
    active = [
        secret.sha256
        for secret in (entrance.secrets if entrance else ())
        if secret.expires_at is None or secret.expires_at > now
    ]
    is_known = bool([secret for secret in presented if matches_any(secret, active or (NOBODY,))])
    if entrance is None:
        return Refusal.UNKNOWN_INTEGRATION
    if not presented:
        return Refusal.MISSING_SECRET
    if not is_known:
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
        self._entrances: Mapping[UUID, Entrance] = {}
        self._read_at = -READ_AT_MOST_EVERY_S
        self._reading = asyncio.Lock()

    async def check(self, integration_id: UUID, presented: Sequence[str]) -> Refusal | None:
        """Return why a request is refused, or None when it is let in.

        A secret that was made before the request came is always known: nobody who has one is
        refused by what is in memory alone. Strangers learn nothing from the time that it takes:
        without a secret memory answers, with a wrong one the database is read, whether there is
        such an integration or not.

        Raises:
            Exception: the database is away, and would have to be asked.
        """
        asked_at = monotonic()
        refusal = self._judge(integration_id, presented)
        if presented and refusal in ASK_AGAIN:
            await self._read_after(asked_at)
            refusal = self._judge(integration_id, presented)
        return refusal

    def _judge(self, integration_id: UUID, presented: Sequence[str]) -> Refusal | None:
        return judge(self._entrances.get(integration_id), presented, datetime.now(UTC))

    async def run(self) -> None:
        """Keep up with changes until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._read()
            except Exception as error:  # noqa: BLE001 - what was read before still serves
                complain("integrations could not be read again", error)
            with suppress(TimeoutError):  # `wait_for` of Python 3.11 can swallow a cancellation
                async with asyncio.timeout(REFRESH_S):
                    await self._changed.wait()

    async def _read_after(self, moment: float) -> None:
        """Return once integrations were read after `moment`; a flood shares a few reads."""
        async with self._reading:
            if self._read_at > moment:
                return
            await asyncio.sleep(self._read_at + READ_AT_MOST_EVERY_S - moment)
            await self._read()

    async def _read(self) -> None:
        began = monotonic()
        async with asyncio.timeout(READ_TIMEOUT_S), raw_connection(self._engine) as connection:
            rows = await connection.fetch(_READ)
        self._entrances = {
            row["id"]: Entrance(
                enabled=row["enabled"],
                secrets=tuple(map(Secret, row["hashes"], row["expiries"])),
            )
            for row in rows
        }
        self._read_at = began


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
