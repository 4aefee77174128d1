"""Which operations a sender claims: the oldest ones of accounts that can be called right now.

Claiming begins with the accounts, which are few, and takes of each account as many operations as
its rate limiter has tokens for. So the backlog of an account whose rate limiter is shut
is not even looked at, however long it is.
"""

from pagersync.database.queue import NOT_BEHIND_ANOTHER


def claimable(calls_per_s: float, *, looks: bool) -> str:
    """Return SQL that locks up to `$1` operations that can be worked, oldest first.

    Expired pages need no call, so the rate limiter does not hold them back. Nor do pages of a
    disabled account that were not sent: they are canceled.

    Args:
        calls_per_s: the rate of an account.
        looks: only what is to be looked for, because it may have been sent; else only the rest.
    """
    return _CLAIMABLE.format(
        calls_per_s=f"{calls_per_s:f}",
        not_behind=NOT_BEHIND_ANOTHER,
        wanted=_TO_BE_LOOKED_FOR if looks else f"NOT ({_TO_BE_LOOKED_FOR})",
    )


_TO_BE_LOOKED_FOR = "q.kind = 'create_alert' AND q.may_have_been_sent"


_CLAIMABLE = """
accounts AS MATERIALIZED (
    SELECT i.id, NOT i.enabled AND i.removed_at IS NULL AS is_disabled,
        CASE WHEN g.open_until IS NOT NULL THEN 1
             ELSE floor(greatest(coalesce(t.tokens, 1e6), 0))::bigint + 1 END AS room
    FROM integrations i
    LEFT JOIN integration_gates g ON g.integration_id = i.id
    CROSS JOIN LATERAL (
        SELECT g.tokens + {calls_per_s} * extract(epoch FROM now() - g.refilled_at) AS tokens
    ) t
    WHERE NOT i.enabled AND i.removed_at IS NULL
      OR (g.open_until IS NULL OR g.open_until <= now())
      AND (g.probing_until IS NULL OR g.probing_until <= now())
      AND (t.tokens IS NULL OR t.tokens >= 0)
), ready AS MATERIALIZED (
    SELECT q.id, q.was_lost FROM accounts a CROSS JOIN LATERAL (
        SELECT q.id, q.leased_until IS NOT NULL AS was_lost FROM operations q
        WHERE q.integration_id = a.id AND q.state = 'queued' AND q.run_at <= now()
          AND (NOT a.is_disabled OR q.kind = 'create_alert' AND NOT q.may_have_been_sent)
          AND {wanted} AND {not_behind}
        ORDER BY q.id LIMIT least($1::bigint, a.room)
        FOR UPDATE OF q SKIP LOCKED
    ) q
), expired AS MATERIALIZED (
    SELECT q.id, q.leased_until IS NOT NULL AS was_lost
    FROM pages p JOIN operations q ON q.page_id = p.id
    WHERE p.expires_at <= now() AND p.status = 'queued' AND q.kind = 'create_alert'
      AND NOT q.may_have_been_sent AND q.state = 'queued' AND q.run_at <= now()
      AND {wanted} AND {not_behind}
    LIMIT $1
    FOR UPDATE OF q SKIP LOCKED
), head AS MATERIALIZED (
    SELECT id, was_lost FROM ready UNION SELECT id, was_lost FROM expired ORDER BY id LIMIT $1
)"""
"""`was_lost` as in `Queue`: such a row is claimed alone."""
