"""Which operations a sender claims: of accounts that can be called right now, by turns.

Claiming begins with the accounts, which are few, and takes of each account as many operations as
its rate limiter has tokens for. So the backlog of an account whose rate limiter is shut
is not even looked at, however long it is. Within an account, requesters take turns, and pages go
before changes of alerts (`lanes.py`).
"""

from typing import Final

from pagersync.database.lanes import BY_TURNS, LANES, LATER, lane_sql
from pagersync.database.queue import NOT_BEHIND_ANOTHER
from pagersync.paging.models import IS_PAGE


def claimable(calls_per_s: float, *, looks: bool) -> str:
    """Return SQL that locks up to `$1` operations that can be worked, requesters by turns.

    Expired pages need no call, so the rate limiter does not hold them back, and they come last. Nor
    does it hold pages of a disabled account that were not sent: they are canceled.

    Args:
        calls_per_s: the rate of an account.
        looks: only what is to be looked for, because it may have been sent; else only the rest.
    """
    return _CLAIMABLE.format(
        calls_per_s=f"{calls_per_s:f}",
        not_behind=NOT_BEHIND_ANOTHER,
        lane=LANE,
        lanes=LANES.format(table="operations", lane=LANE, own="integration_id = a.id AND"),
        by_turns=BY_TURNS,
        later=LATER,
        wanted=_TO_BE_LOOKED_FOR if looks else f"NOT ({_TO_BE_LOOKED_FOR})",
    )


LANE: Final = lane_sql(IS_PAGE)

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
), lanes AS MATERIALIZED (
    SELECT a.*, l.* FROM accounts a CROSS JOIN LATERAL ({lanes}) l
), ready AS MATERIALIZED (
    SELECT q.id, q.was_lost, l.lane, l.held, l.id AS account, l.room,
        row_number() OVER (PARTITION BY l.id, l.lane ORDER BY q.id) AS place
    FROM lanes l CROSS JOIN LATERAL (
        SELECT q.id, q.leased_until IS NOT NULL AS was_lost FROM operations q
        WHERE q.integration_id = l.id AND {lane} = l.lane
          AND q.state = 'queued' AND q.run_at <= now()
          AND (NOT l.is_disabled OR q.kind = 'create_alert' AND NOT q.may_have_been_sent)
          AND {wanted} AND {not_behind}
        ORDER BY q.id LIMIT least($1::bigint, l.room)
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
), waiting AS MATERIALIZED (
    SELECT * FROM ready
    UNION ALL
    SELECT e.id, e.was_lost, '{later}', 0, NULL, $1::bigint, row_number() OVER (ORDER BY e.id)
    FROM expired e WHERE e.id NOT IN (SELECT id FROM ready)
), {by_turns}"""
"""`was_lost` as in `Queue`: such a row is claimed alone."""
