"""The rate limiter of an account's PagerTree API: a rate shared by all processes, and a breaker.

There is one row per integration. The token balance may go negative, down to `LENT_S` seconds of
the rate; the caller sleeps until its token is refilled. `open_until` is the breaker: nothing is
sent before that time, and operations wait without using an attempt. After it, one call tries, and
everybody else waits until that call is over. Any call that PagerTree accepts opens it at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import random
from typing import Final
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base
from pagersync.database.engine import Connection
from pagersync.database.notify import notify
from pagersync.database.unhurried import UNHURRIED
from pagersync.errors import CredentialsRefused, PagerTreeError, Rejected

FAILURES_MAX: Final = 5
"""So many failures in a row shut the gate."""

SHUT_FIRST_S: Final = 0.5
SHUT_SHARE: Final = 0.5
"""The gate is shut for this share of the time for which no call succeeded, at most: an API that
answers some calls is still used, and one that is away is asked ever more rarely."""

SHUT_MAX_S: Final = 300.0
PROBE_S: Final = 60.0
"""How long one call may take to try a gate that was shut."""

LENT_S: Final = 5.0
"""Nobody waits longer than this for a token: who comes later comes back later."""

SPARE_SHARE: Final = 0.25
"""The share of a burst that calls which can wait leave to the others."""

TOO_MANY_REQUESTS: Final = 429


class GateReason(StrEnum):
    """Why a gate is, or was last, shut; none since the last call that went well."""

    FAILING = "failing"
    RATE_LIMITED = "rate_limited"
    CREDENTIALS_REFUSED = "credentials_refused"


class IntegrationGate(Base):
    """How an account's PagerTree API is doing.

    Attributes:
        tokens: calls that may go out at once, as of `refilled_at`; below zero they wait.
        failures: calls in a row that PagerTree did not answer as it should.
        failing_since: when the first of them ended; null while there is none.
        open_until: nothing is sent before this moment.
        probing_until: one call is trying a gate that was shut; the others wait for how it ends.
        names_urgency: PagerTree said that it wants an urgency, so none is left out any more.
    """

    __tablename__ = "integration_gates"

    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    refilled_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    failures: Mapped[int] = mapped_column(server_default="0")
    failing_since: Mapped[datetime | None]
    open_until: Mapped[datetime | None]
    probing_until: Mapped[datetime | None]
    reason: Mapped[str | None]
    last_error: Mapped[str | None]
    names_urgency: Mapped[bool] = mapped_column(server_default=text("false"))


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call.

    Attributes:
        wait_s: how long to wait before it, so that all processes together keep the rate.
        is_failing: whether the calls before it failed: a success must be recorded.
        is_probe: whether it tries a gate that was shut.
        names_urgency: whether PagerTree wants an urgency with every alert.
    """

    wait_s: float
    is_failing: bool
    is_probe: bool
    names_urgency: bool


async def list_gates(
    session: AsyncSession, integration_ids: Sequence[UUID]
) -> dict[UUID, IntegrationGate]:
    """Return how the APIs of these integrations are doing; one never called has no gate."""
    statement = select(IntegrationGate).where(IntegrationGate.integration_id.in_(integration_ids))
    return {gate.integration_id: gate for gate in await session.scalars(statement)}


async def reset_gate(session: AsyncSession, integration_id: UUID) -> None:
    """Open a gate whose reason is gone, and wake who waits before it."""
    await session.execute(
        update(IntegrationGate)
        .where(IntegrationGate.integration_id == integration_id)
        .values(
            failures=0,
            failing_since=None,
            open_until=None,
            probing_until=None,
            reason=None,
            last_error=None,
        )
    )
    await notify(session, "operations")


async def enter(
    connection: Connection,
    integration_id: UUID,
    *,
    calls_per_s: float,
    burst: int,
    lent_s: float = LENT_S,
) -> Permit | None:
    """Ask for leave to make one call; None means that the gate is shut, or the queue too long.

    Args:
        connection: to write to.
        integration_id: the account.
        calls_per_s: its rate.
        burst: calls that may go out at once after a quiet time.
        lent_s: how long it may wait for its token; 0 for a call that others go before.
    """
    row = await connection.fetchrow(
        _ENTER, integration_id, calls_per_s, float(burst), PROBE_S, lent_s
    )
    if row is None:
        return None
    return Permit(
        wait_s=max(0.0, -row["tokens"] / calls_per_s),
        is_failing=row["is_failing"],
        is_probe=row["is_probe"],
        names_urgency=row["names_urgency"],
    )


async def enter_many(
    connection: Connection,
    integration_id: UUID,
    *,
    calls: int,
    calls_per_s: float,
    burst: int,
    lent_s: float = LENT_S,
) -> list[Permit | None]:
    """Ask for leave to make several calls at once; the first come before those that get None."""
    rate = calls_per_s
    row = calls > 1 and await connection.fetchrow(
        _ENTER_MANY, integration_id, rate, float(burst), calls, lent_s
    )
    if row:
        return [
            Permit(
                wait_s=max(0.0, -(row["tokens"] + calls - place) / rate),
                is_failing=row["is_failing"],
                is_probe=False,
                names_urgency=row["names_urgency"],
            )
            for place in range(1, calls + 1)
        ]
    permits: list[Permit | None] = []
    while len(permits) < calls and None not in permits:
        permits.append(
            await enter(connection, integration_id, calls_per_s=rate, burst=burst, lent_s=lent_s)
        )
    return permits + [None] * (calls - len(permits))


async def take_spare(
    connection: Connection, integration_id: UUID, *, calls: int, calls_per_s: float, burst: int
) -> bool:
    """Take leave to make some calls that can wait; False when others may need them soon."""
    spare = min(calls + SPARE_SHARE * burst, burst)
    taken = await connection.fetchval(
        _TAKE_SPARE, integration_id, calls_per_s, float(burst), float(calls), float(spare)
    )
    return taken is not None


def shut_s(
    error: PagerTreeError, failures: int, failing_s: float, jitter: float = 0.5
) -> float | None:
    """Return how long a failure shuts the gate; None leaves it as it is. Pure.

    Args:
        error: how a call ended.
        failures: calls in a row that failed, this one included.
        failing_s: since the first of these failed.
        jitter: 0 to 1: shortens or lengthens it by a tenth, so that processes do not try together.
    """
    if isinstance(error, CredentialsRefused):
        return SHUT_MAX_S
    if error.retry_after_s is not None:
        return max(error.retry_after_s, 0.1)
    if error.http_status == TOO_MANY_REQUESTS:
        return min(SHUT_MAX_S, 2.0 ** min(failures - 1, 10))
    if failures >= FAILURES_MAX:
        doubled_s = SHUT_FIRST_S * 2.0 ** min(failures - FAILURES_MAX, 20)
        pause_s = min(doubled_s, max(SHUT_FIRST_S, failing_s * SHUT_SHARE))
        return min(SHUT_MAX_S, pause_s * (0.9 + 0.2 * jitter))
    return None


def is_working(error: PagerTreeError) -> bool:
    """Tell a refusal of one call from a service that is not well. Pure."""
    return isinstance(error, Rejected) and not isinstance(error, CredentialsRefused)


async def record_success(connection: Connection, integration_id: UUID) -> None:
    """Open the rate limiter if it was shut, and wake the operations that wait for it."""
    if await connection.fetchval(_SUCCESS, integration_id):
        await connection.execute("SELECT pg_notify('pagersync', 'operations')")


async def record_failure(
    connection: Connection,
    integration_id: UUID,
    error: PagerTreeError,
    *,
    api_key_encrypted: bytes | None = None,
) -> None:
    """Count a call that PagerTree did not answer as it should, and perhaps shut the gate.

    Args:
        connection: to write to.
        integration_id: the account.
        error: how the call ended.
        api_key_encrypted: the key that it was made with; the refusal of one that was replaced
            meanwhile says nothing about the new one.
    """
    if isinstance(error, CredentialsRefused) and api_key_encrypted is not None:
        current = await connection.fetchval(_KEY, integration_id)
        if current != api_key_encrypted:
            return
    row = await connection.fetchrow(_FAILURE, integration_id, error.detail[:500])
    failures, failing_s = (row["failures"], row["failing_s"]) if row else (1, 0.0)
    shut = shut_s(error, failures, failing_s, random())  # noqa: S311 - spreads load, guards nothing
    if shut is not None:
        await connection.execute(_SHUT, integration_id, shut, _reason(error).value)


async def remember_urgency(connection: Connection, integration_id: UUID) -> None:
    """Keep in mind that PagerTree wants an urgency with every alert of this account."""
    await connection.execute(
        "UPDATE integration_gates SET names_urgency = true WHERE integration_id = $1",
        integration_id,
    )


def _reason(error: PagerTreeError) -> GateReason:
    if isinstance(error, CredentialsRefused):
        return GateReason.CREDENTIALS_REFUSED
    if error.http_status == TOO_MANY_REQUESTS:
        return GateReason.RATE_LIMITED
    return GateReason.FAILING


_ENTER = f"""
INSERT INTO integration_gates AS g (integration_id, tokens) VALUES ($1, $3::float8 - 1)
ON CONFLICT (integration_id) DO UPDATE
SET tokens = least($3::float8, g.tokens + $2 * extract(epoch FROM now() - g.refilled_at)) - 1,
    refilled_at = now(),
    probing_until = CASE WHEN g.open_until IS NOT NULL THEN now() + make_interval(secs => $4) END
WHERE (g.open_until IS NULL OR g.open_until <= now())
  AND (g.probing_until IS NULL OR g.probing_until <= now())
  AND g.tokens + $2 * extract(epoch FROM now() - g.refilled_at) > -$2 * $5::float8
RETURNING tokens, names_urgency, open_until IS NOT NULL AS is_probe,
    (failures > 0 OR open_until IS NOT NULL) AS is_failing, {UNHURRIED} AS is_unhurried
"""  # noqa: S608 - a constant

_ENTER_MANY = f"""
UPDATE integration_gates g
SET tokens = least($3::float8, g.tokens + $2 * extract(epoch FROM now() - g.refilled_at)) - $4::int,
    refilled_at = now()
WHERE integration_id = $1 AND open_until IS NULL
  AND (probing_until IS NULL OR probing_until <= now())
  AND least($3::float8, g.tokens + $2 * extract(epoch FROM now() - g.refilled_at)) - $4::int + 1
      > -$2 * $5::float8
RETURNING tokens, names_urgency, failures > 0 AS is_failing, {UNHURRIED} AS is_unhurried
"""  # noqa: S608 - a constant
"""All of them or none. A limiter that is shut, or not there yet, is asked for one at a time."""

_SUCCESS = """
UPDATE integration_gates
SET failures = 0, failing_since = NULL, open_until = NULL, probing_until = NULL, reason = NULL,
    last_error = NULL
WHERE integration_id = $1 AND (failures > 0 OR open_until IS NOT NULL)
RETURNING true
"""

_TAKE_SPARE = """
UPDATE integration_gates
SET tokens = least($3, tokens + $2 * extract(epoch FROM now() - refilled_at)) - $4,
    refilled_at = now()
WHERE integration_id = $1 AND (open_until IS NULL OR open_until <= now())
  AND probing_until IS NULL
  AND least($3, tokens + $2 * extract(epoch FROM now() - refilled_at)) >= $5
RETURNING true
"""

_KEY = "SELECT api_key_encrypted FROM integrations WHERE id = $1"

_FAILURE = """
INSERT INTO integration_gates AS g (integration_id, tokens, failures, failing_since, last_error)
VALUES ($1, 0, 1, now(), $2)
ON CONFLICT (integration_id) DO UPDATE
SET failures = g.failures + 1, failing_since = coalesce(g.failing_since, now()), last_error = $2,
    probing_until = NULL
RETURNING failures, extract(epoch FROM now() - failing_since)::float8 AS failing_s
"""
"""A directory sync may be an account's first call."""

_SHUT = """
UPDATE integration_gates
SET open_until = greatest(now() + make_interval(secs => $2), open_until), reason = $3
WHERE integration_id = $1
"""

IS_OPEN: Final = """
NOT EXISTS (SELECT FROM integration_gates g WHERE g.integration_id = q.integration_id
            AND (g.open_until > now() OR g.probing_until > now()))
"""
"""SQL: the gate of a row `q` is open."""
