"""Why operations wait, for people; and incidents are told, once, of pages that wait for long."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.caller import as_pagersync
from pagersync.database.engine import Connection
from pagersync.incidents.activity import Activity, add_activity
from pagersync.integrations.gate import GateReason, IntegrationGate, list_gates
from pagersync.integrations.models import Integration
from pagersync.integrations.waiting import AccountState, clock, why_account_waits
from pagersync.paging.claim import LANE
from pagersync.paging.failed_calls import tell_late
from pagersync.paging.models import Operation, OperationKind, OperationState, PageStatus

TAKEN_WITHIN: Final = timedelta(seconds=5)
"""A worker that runs takes an operation that can be sent within this time."""

TOLD_AFTER_S: Final = 10.0
"""The timeline of an incident is told of a page that waits for longer."""

TOLD_AT_ONCE_MAX: Final = 200

_NOBODY_WAS_REACHED: Final = {
    PageStatus.DROPPED: "PagerTree gave up: nobody is on call, or nobody acknowledged.",
    PageStatus.STUCK: "PagerTree has the page, and pages nobody.",
    PageStatus.EXPIRED: "It could not be sent before its `expires_at`.",
}

AHEAD_MAX: Final = 1000


class Waits:
    """Finds out why operations wait.

    Args:
        calls_per_s: the rate limit of one account.
    """

    def __init__(self, calls_per_s: float) -> None:
        self._calls_per_s = calls_per_s

    async def of(self, session: AsyncSession, operations: Sequence[Operation]) -> dict[UUID, str]:
        """Return why each operation that waits does so, by its id."""
        queued = [each for each in operations if each.state == OperationState.QUEUED]
        if not queued:
            return {}
        accounts = await _load_accounts(session, {each.integration_id for each in queued})
        first = await _load_first(session, queued)
        ahead = await _count_ahead(session, queued)
        now = datetime.now(UTC)
        reasons = {
            each.id: why_waits(
                each,
                accounts.get(each.integration_id),
                is_behind_another=first.get(each.lock_key or "", each.id) != each.id,
                ahead=ahead.get(each.id, 0),
                calls_per_s=self._calls_per_s,
                now=now,
            )
            for each in queued
        }
        return {id_: reason for id_, reason in reasons.items() if reason is not None}


@dataclass(frozen=True, slots=True)
class Account:
    """An account and its rate limiter."""

    state: AccountState
    limiter: IntegrationGate | None


def why_waits(
    operation: Operation,
    account: Account | None,
    *,
    is_behind_another: bool,
    ahead: int = 0,
    calls_per_s: float,
    now: datetime,
) -> str | None:
    """Return why a queued operation is not under way; None if it will be in a moment. Pure.

    `ahead` of it are others that the same requester asked for.
    """
    if account is not None and (reason := why_account_waits(account.state, now)):
        return reason
    if is_behind_another:
        return "It waits for an earlier call about the same alert."
    if operation.run_at > now:
        last = operation.last_error and f" So far: {operation.last_error}"
        verb = "tried again" if operation.attempt or operation.last_error else "sent"
        return f"It is {verb} at {clock(operation.run_at, now)}.{last or ''}"
    if ahead or (account is not None and _tokens(account.limiter, calls_per_s, now) < 1):
        return (
            f"It waits for the rate limit of {calls_per_s:g} calls a second "
            f"(PAGERSYNC_PAGERTREE_CALLS_PER_S){_behind(operation.requested_by, ahead)}."
        )
    if now - operation.run_at > TAKEN_WITHIN:
        return "No worker has taken it yet. Is `pagersync serve` or `pagersync worker` running?"
    return None


def _behind(requested_by: str, ahead: int) -> str:
    if not ahead:
        return ""
    count = f"at least {ahead}" if ahead >= AHEAD_MAX else str(ahead)
    return f", behind {count} that {requested_by} asked for before"


def why_page_waits(
    status: str, operations: Iterable[Operation], reasons: Mapping[UUID, str]
) -> str | None:
    """Return why a page that is not with PagerTree for certain is not; its create says it. Pure."""
    if status not in (PageStatus.QUEUED, PageStatus.UNKNOWN):
        return None
    return next((reasons[each.id] for each in operations if each.id in reasons), None)


def why_nobody_was_reached(status: str, operations: Iterable[Operation]) -> str | None:
    """Return why a page that has ended without reaching anybody did so. Pure."""
    if (reason := _NOBODY_WAS_REACHED.get(PageStatus(status))) is not None:
        return reason
    errors = (each.last_error for each in operations if each.kind == OperationKind.CREATE_ALERT)
    return next((f"{error.rstrip('.')}." for error in errors if error), None)


def _tokens(limiter: IntegrationGate | None, calls_per_s: float, now: datetime) -> float:
    if limiter is None:
        return 1.0
    return limiter.tokens + calls_per_s * (now - limiter.refilled_at).total_seconds()


async def _load_accounts(session: AsyncSession, ids: set[UUID]) -> dict[UUID, Account]:
    limiters = await list_gates(session, list(ids))
    found = await session.scalars(select(Integration).where(Integration.id.in_(ids)))
    return {
        row.id: Account(
            AccountState(row.name, row.enabled or row.removed_at is not None, limiters.get(row.id)),
            limiters.get(row.id),
        )
        for row in found
    }


async def _load_first(session: AsyncSession, operations: Sequence[Operation]) -> dict[str, UUID]:
    """Return the operation that comes first of those about each alert."""
    keys = {each.lock_key for each in operations if each.lock_key}
    is_open = Operation.state.in_([OperationState.QUEUED, OperationState.RUNNING])
    statement = (
        select(Operation.lock_key, func.min(cast(Operation.id, Text)))
        .where(Operation.lock_key.in_(keys), is_open)
        .group_by(Operation.lock_key)
    )
    return {key: UUID(first) for key, first in await session.execute(statement) if key}


async def _count_ahead(session: AsyncSession, operations: Sequence[Operation]) -> dict[UUID, int]:
    """Return how many of the same requester go before each operation, up to `AHEAD_MAX`."""
    values = {"ids": [each.id for each in operations], "most": AHEAD_MAX}
    with as_pagersync():  # it counts within the account of an operation that the caller may see
        rows = await session.execute(text(_AHEAD), values)
    return {row.id: row.ahead for row in rows}


async def tell_waits(connection: Connection) -> None:
    """Tell incidents, once each, of pages and other calls that wait for a PagerTree that fails."""
    reasons = [GateReason.CREDENTIALS_REFUSED.value, GateReason.FAILING.value]
    now = datetime.now(UTC)
    async with connection.transaction():
        rows = await connection.fetch(_UNTOLD, reasons, TOLD_AFTER_S, TOLD_AT_ONCE_MAX)
        await add_activity(connection, [_told(row, now) for row in rows])
        await tell_late(connection)


@dataclass(frozen=True, slots=True)
class _Limiter:
    reason: str | None
    failing_since: datetime | None
    open_until: datetime | None
    last_error: str | None


def _told(row: asyncpg.Record, now: datetime) -> Activity:
    limiter = _Limiter(**{name: row[name] for name in _Limiter.__dataclass_fields__})
    reason = why_account_waits(AccountState(row["name"], enabled=True, limiter=limiter), now)
    return Activity(
        incident_id=row["incident_id"],
        event=f"The page {row['title']!r} waits. {reason}",
        source="system",
        occurred_at=now,
        page_id=row["id"],
    )


_AHEAD = f"""
SELECT o.id, (
    SELECT count(*) FROM (
        SELECT FROM operations q
        WHERE q.integration_id = o.integration_id AND {LANE} = o.lane
          AND q.state = 'queued' AND q.run_at <= now() AND q.id < o.id LIMIT :most
    ) AS counted) AS ahead
FROM (SELECT *, {LANE} AS lane FROM operations WHERE id = ANY(:ids) AND run_at <= now()) AS o
"""  # noqa: S608 - a constant

_UNTOLD = """
WITH untold AS MATERIALIZED (
    SELECT p.id, i.name, g.reason, g.failing_since, g.open_until, g.last_error
    FROM integration_gates g
    JOIN integrations i ON i.id = g.integration_id AND i.enabled
    JOIN pages p ON p.integration_id = g.integration_id
    WHERE g.open_until IS NOT NULL AND g.reason = ANY($1::text[])
      AND g.failing_since < now() - make_interval(secs => $2)
      AND p.status = 'queued' AND p.incident_id IS NOT NULL AND p.wait_told_at IS NULL
      AND p.created_at < now() - make_interval(secs => $2)
      AND (p.send_at IS NULL OR p.send_at <= now())
    LIMIT $3 FOR UPDATE OF p SKIP LOCKED
)
UPDATE pages p SET wait_told_at = now() FROM untold u WHERE p.id = u.id
RETURNING p.id, p.incident_id, p.title, u.name, u.reason, u.failing_since, u.open_until,
    u.last_error
"""
