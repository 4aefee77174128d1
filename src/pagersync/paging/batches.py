"""The statements around turns at operations, each for many turns at once.

Whoever locks pages does so in the order of their ids, and locks operations after them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from uuid import UUID

import asyncpg

from pagersync.database.base import new_id
from pagersync.database.engine import Connection
from pagersync.database.queue import storable
from pagersync.pagertree.client import Exchange
from pagersync.paging.calls import PageContent
from pagersync.paging.models import OperationKind, OperationState
from pagersync.paging.step import End, Work
from pagersync.paging.store import Account


@dataclass(frozen=True, slots=True)
class Loaded:
    """An operation that is held, with its account and what its page says, which never changes.

    Attributes:
        at_s: when it was loaded, by the monotonic clock.
    """

    work: Work
    account: Account
    content: PageContent | None
    at_s: float = field(default_factory=monotonic)


async def load(connection: Connection, operation_id: UUID) -> Loaded:
    """Return an operation as it is now."""
    row = await connection.fetchrow(_LOAD, operation_id)
    assert row is not None  # noqa: S101 - operations that are held are not removed
    return loaded(row)


def loaded(row: asyncpg.Record) -> Loaded:
    """Return a claimed operation with what it needs of its page and its account.

    An account that is not there any more is as one that was removed.
    """
    values = {name: value for name, value in row.items() if name != "lane"}
    texts = {name: values.pop(name) for name in PageContent.__dataclass_fields__}
    content = PageContent(**texts) if values["page_id"] else None
    account = Account(
        values["integration_id"],
        values.pop("pagertree_url") or "",
        values.pop("api_key_encrypted"),
        values.pop("name") or "",
        is_enabled=values.pop("is_enabled"),
        is_removed=values.pop("is_removed"),
    )
    kind, creation = OperationKind(values.pop("kind")), values.pop("creation")
    work = Work(**values, kind=kind, creation=creation and OperationState(creation))
    return Loaded(work, account, content)


async def mark_sending(
    connection: Connection, held: Sequence[tuple[UUID, UUID, UUID]], *, lease_s: float
) -> set[UUID]:
    """Note that creating calls are about to go out; return the operations of those that may.

    One that must not go out is missing: its lease is lost, or a webhook has shown meanwhile that
    PagerTree has it. From here on the others may have arrived, whatever happens to this process.

    Args:
        connection: whose next commit is this statement's own.
        held: operation, the token that it is held under, and its page.
        lease_s: how long they are held from now on.
    """
    rows = await connection.fetch(
        _MARK_SENDING,
        [operation for operation, _, _ in held],
        [token for _, token, _ in held],
        [page for _, _, page in held],
        lease_s,
    )
    return {row["id"] for row in rows}


async def end_operations(
    connection: Connection, ended: Sequence[tuple[UUID, Work, End, Sequence[Exchange]]]
) -> set[UUID]:
    """Write how turns ended, what is known of creating calls now, and what was exchanged.

    Args:
        connection: in a transaction.
        ended: the token that each operation is held under, it, its end, and what was exchanged.

    Returns:
        The operations that were still held: only what they came to may be committed. What was
        exchanged is kept of all.
    """
    outcomes = [end.outcome for _, _, end, _ in ended]
    rows = await connection.fetch(
        _END,
        [token for token, _, _, _ in ended],
        [work.id for _, work, _, _ in ended],
        [outcome.state for outcome in outcomes],
        [outcome.error and storable(outcome.error) for outcome in outcomes],
        [outcome.delay_s for outcome in outcomes],
        [0 if outcome.is_attempt else 1 for outcome in outcomes],
        [end.may_have_been_sent for _, _, end, _ in ended],
        [end.lookups for _, _, end, _ in ended],
        [end.may_have_been_sent and not work.may_have_been_sent for _, work, end, _ in ended],
        [end.grace_s for _, _, end, _ in ended],
        *_attempts(ended),
    )
    return {row["id"] for row in rows}


def _attempts(
    ended: Sequence[tuple[UUID, Work, End, Sequence[Exchange]]],
) -> list[list[object]]:
    """Return what was exchanged, by column."""
    rows = [
        (
            new_id(),
            work.integration_id,
            work.id,
            work.attempt,
            exchange.method,
            exchange.path,
            exchange.status,
            exchange.error,
            exchange.started_at,
            exchange.duration_ms,
        )
        for _, work, _, exchanges in ended
        for exchange in exchanges
    ]
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(10)]


CLAIMED: Final = """
SELECT o.id, o.integration_id, o.kind, o.attempt, o.created_at, o.params, o.page_id,
    o.pagertree_alert_id,
    coalesce(p.pagertree_id, p.pagertree_alert_id, o.pagertree_alert_id) AS target,
    c.state AS creation, p.expires_at, o.may_have_been_sent, o.first_sent_at, o.last_sent_at,
    o.lookups, p.standby_for,
    extract(epoch FROM clock_timestamp() - o.last_sent_at)::float8 AS sent_ago_s,
    greatest(0, extract(epoch FROM clock_timestamp() - o.run_at))::float8 AS late_s,
    p.send_at IS NOT NULL AND EXISTS (
        SELECT FROM alerts a WHERE a.id = p.alert_id AND a.status = 'resolved') AS is_needless,
    i.pagertree_url, i.api_key_encrypted, i.name, coalesce(i.enabled, false) AS is_enabled,
    i.id IS NULL OR i.removed_at IS NOT NULL AS is_removed,
    p.title, p.description, p.urgency, p.severity, p.tags, p.targets, p.is_incident
FROM claimed o
LEFT JOIN pages p ON p.id = o.page_id
LEFT JOIN operations c ON c.page_id = o.page_id AND c.kind = 'create_alert'
LEFT JOIN integrations i ON i.id = o.integration_id
"""
"""What a claim shows of operations, as it found their pages: `loaded` reads it."""

_LOAD: Final = f"WITH claimed AS (SELECT * FROM operations WHERE id = $1) {CLAIMED}"  # noqa: S608 - a constant

MARKED: Final = """
marked AS (
    UPDATE operations o
    SET may_have_been_sent = true, last_sent_at = now(), lookups = 0,
        first_sent_at = coalesce(o.first_sent_at, now()),
        leased_until = now() + make_interval(secs => $4)
    FROM unnest($1::uuid[], $2::uuid[]) AS k (id, token), free
    WHERE o.id = k.id AND o.page_id = free.id
      AND o.lease_token = k.token AND o.leased_until > now()
    RETURNING o.id, o.page_id, o.integration_id
), shown AS (
    UPDATE pages p
    SET status = CASE WHEN p.status IN ('queued', 'unknown') THEN 'sending' ELSE p.status END,
        updated_at = now()
    FROM marked m WHERE p.id = m.page_id
)
"""
"""What notes, of operations ($1) that are held ($2, $4) and whose pages ($3) are `free`, that they
may have been sent."""

_MARK_SENDING: Final = f"""
WITH free AS MATERIALIZED (
    SELECT id FROM pages
    WHERE id = ANY($3::uuid[]) AND pagertree_alert_id IS NULL AND pagertree_id IS NULL
    ORDER BY id FOR UPDATE
), {MARKED}
SELECT id FROM marked
"""  # noqa: S608 - a constant
"""One statement, so one commit. A page that a webhook settles meanwhile is looked at again when its
lock is there, and is not `free` any more."""

_END: Final = """
WITH held AS MATERIALIZED (
    SELECT id FROM operations t
    WHERE id = ANY($2::uuid[]) AND lease_token = ($1::uuid[])[array_position($2::uuid[], t.id)]
    ORDER BY id FOR UPDATE
), tried AS (
    INSERT INTO attempts (id, integration_id, operation_id, number, method, path, http_status,
        error, started_at, duration_ms)
    SELECT * FROM unnest($11::uuid[], $12::uuid[], $13::uuid[], $14::int[], $15::text[],
        $16::text[], $17::int[], $18::text[], $19::timestamptz[], $20::int[])
)
UPDATE operations o
SET state = k.state, last_error = k.error, attempt = o.attempt - k.refund,
    lease_token = NULL, leased_until = NULL,
    run_at = CASE k.state WHEN 'queued' THEN now() + make_interval(secs => k.delay_s)
                          ELSE o.run_at END,
    finished_at = CASE k.state WHEN 'queued' THEN NULL ELSE now() END,
    may_have_been_sent = k.may_have_been_sent, lookups = k.lookups,
    last_sent_at = CASE WHEN k.has_just_ended THEN now() + make_interval(secs => k.grace_s)
                        ELSE o.last_sent_at END
FROM held
JOIN unnest($2::uuid[], $3::text[], $4::text[], $5::float8[], $6::int[], $7::bool[], $8::int[],
            $9::bool[], $10::float8[])
  AS k (id, state, error, delay_s, refund, may_have_been_sent, lookups, has_just_ended, grace_s)
  USING (id)
WHERE o.id = held.id
RETURNING o.id
"""
"""As `Queue.finish`, each under its own token; one that ended in doubt ended now.

An operation's row has a dozen indexes, so it is written once."""
