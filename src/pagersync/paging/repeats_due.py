"""For which pages somebody is to be paged once more, and why: the SQL."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from pagersync.database.engine import Connection
from pagersync.integrations.gate import GateReason
from pagersync.paging.account_end import ACCOUNT_ENDED


class Why(StrEnum):
    """Why somebody is to be paged once more."""

    UNKNOWN = "unknown"
    WAITS = "waits"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Due:
    """A page for which somebody is to be paged once more.

    Attributes:
        why: `unknown`: nobody can tell whether PagerTree has it. `waits`: its account cannot be
            called. `ended`: it failed, or was canceled because its account was disabled or removed.
        for_s: since when, in seconds.
        error: what its call came to, if that is known.
        failing_s: since when PagerTree fails for its account, in seconds; None: it does not.
        again: to the same targets.
        elsewhere: to the default targets of another account.
        tried: its account and, if it was sent elsewhere, those of the pages before it.
        first_id: the page that it all began with.
    """

    id: UUID
    integration_id: UUID
    incident_id: UUID | None
    why: Why
    for_s: float
    error: str | None
    failing_s: float | None
    again: bool
    elsewhere: bool
    tried: list[UUID]
    first_id: UUID


async def list_due(
    connection: Connection, elsewhere_s: float, *, after: UUID, rows_max: int
) -> list[Due]:
    """Return pages that are due, in the order of their ids. None is locked."""
    statement = f"{_DUE} AND p.id > $5 ORDER BY p.id LIMIT $6"
    rows = await connection.fetch(statement, *_params(elsewhere_s), after, rows_max)
    return [_due(row) for row in rows]


async def lock_due(connection: Connection, elsewhere_s: float, page_id: UUID) -> Due | None:
    """Lock a page and its incident; None if it is not due any more, or somebody holds it.

    The incident comes first, as wherever both are locked: one that is being resolved right now is
    over by then, or waits.
    """
    await connection.execute(_LOCK_INCIDENT, page_id)
    statement = f"{_DUE} AND p.id = $5 FOR UPDATE OF p SKIP LOCKED"
    row = await connection.fetchrow(statement, *_params(elsewhere_s), page_id)
    return None if row is None else _due(row)


def _params(elsewhere_s: float) -> tuple[Any, ...]:
    return (
        elsewhere_s,
        GateReason.CREDENTIALS_REFUSED.value,
        GateReason.FAILING.value,
        f"{ACCOUNT_ENDED}%",
    )


def _due(row: Any) -> Due:
    values = {name: row[name] for name in Due.__dataclass_fields__}
    return Due(**{**values, "why": Why(row["why"])})


_LOCK_INCIDENT: Final = """
SELECT FROM incidents WHERE id = (SELECT incident_id FROM pages WHERE id = $1) FOR SHARE
"""

_DUE: Final = """
WITH unknown AS (
    SELECT p.id, 'unknown' AS why, c.last_sent_at AS since, c.last_error AS error,
        NULL::timestamptz AS failing_since,
        i.when_unknown = 'page_again' AND i.enabled AND i.removed_at IS NULL
            AND c.last_sent_at <= now() - make_interval(secs => i.page_again_after_s) AS again,
        NOT i.enabled OR i.removed_at IS NOT NULL
            OR c.last_sent_at <= now() - make_interval(secs => $1::float8) AS elsewhere
    FROM pages p
    JOIN operations c ON c.page_id = p.id AND c.kind = 'create_alert' AND c.may_have_been_sent
    JOIN integrations i ON i.id = p.integration_id
    WHERE p.status = 'unknown'
), waits AS (
    SELECT p.id, 'waits', s.since, g.last_error,
        CASE WHEN g.reason = $3 THEN g.failing_since END, false, true
    FROM integrations i
    LEFT JOIN integration_gates g ON g.integration_id = i.id AND g.open_until IS NOT NULL
    JOIN pages p ON p.integration_id = i.id AND p.status = 'queued'
    JOIN operations c ON c.page_id = p.id AND c.kind = 'create_alert' AND c.state = 'queued'
    CROSS JOIN LATERAL (SELECT greatest(p.created_at, p.send_at, g.failing_since) AS since) s
    WHERE i.enabled AND i.removed_at IS NULL AND NOT c.may_have_been_sent
      AND (i.api_key_encrypted IS NULL OR g.reason = ANY (ARRAY[$2, $3]))
      AND s.since <= now() - make_interval(secs => $1::float8)
), ended AS (
    SELECT p.id, 'ended', c.finished_at, c.last_error, NULL::timestamptz, false, true
    FROM operations c
    JOIN pages p ON p.id = c.page_id AND p.status IN ('canceled', 'failed')
    WHERE c.kind = 'create_alert' AND c.finished_at > now() - interval '1 day'
      AND c.state IN ('failed', 'dead', 'canceled')
      AND (c.state <> 'canceled' OR c.last_error LIKE $4)
), found AS (
    SELECT * FROM unknown UNION ALL SELECT * FROM waits UNION ALL SELECT * FROM ended
)
SELECT p.id, p.integration_id, p.incident_id, f.why, f.error, due.again, due.elsewhere,
    chain.tried, chain.first_id,
    extract(epoch FROM now() - f.since)::float8 AS for_s,
    extract(epoch FROM now() - f.failing_since)::float8 AS failing_s
FROM found f
JOIN pages p ON p.id = f.id
LEFT JOIN incidents n ON n.id = p.incident_id
CROSS JOIN LATERAL (
    WITH RECURSIVE chain AS (
        SELECT p.id, p.integration_id, p.repeat_of, 0 AS step, false AS is_over
        UNION ALL
        SELECT q.id, q.integration_id, q.repeat_of, c.step + 1,
            q.status = ANY (ARRAY['sent', 'confirmed', 'acknowledged', 'resolved'])
                OR q.confirmed_at IS NOT NULL OR q.resolve_wanted_by IS NOT NULL
                OR EXISTS (SELECT FROM operations o
                           WHERE o.page_id = q.id AND o.kind = 'create_alert'
                             AND o.state = 'canceled' AND o.last_error NOT LIKE $4)
        FROM chain c JOIN pages q ON q.id = c.repeat_of
    )
    SELECT array_agg(integration_id) AS tried, bool_or(is_over) AS is_over,
        (array_agg(id ORDER BY step DESC))[1] AS first_id
    FROM chain
) AS chain
CROSS JOIN LATERAL (SELECT
    f.again AND NOT EXISTS (SELECT FROM pages r WHERE r.repeat_of = p.id AND NOT r.is_elsewhere)
        AS again,
    $1::float8 > 0 AND f.elsewhere
        AND NOT EXISTS (SELECT FROM pages r WHERE r.repeat_of = p.id AND r.is_elsewhere)
        AND EXISTS (SELECT FROM integrations o
                    WHERE o.id <> ALL (chain.tried) AND o.enabled AND o.removed_at IS NULL
                      AND o.api_key_encrypted IS NOT NULL
                      AND jsonb_path_exists(o.default_targets, '$.*[*]'))
        AS elsewhere
) AS due
WHERE (p.repeat_of IS NULL OR p.is_elsewhere) AND p.resolve_wanted_by IS NULL AND NOT chain.is_over
  AND (p.expires_at IS NULL OR p.expires_at > now())
  AND (n.id IS NULL OR n.status NOT IN ('resolved', 'closed', 'cancelled'))
  AND (due.again OR due.elsewhere)
"""
"""A page that was sent elsewhere can be due in its turn, unless a page before it reached somebody
or is not wanted any more.

A page that ended more than a day ago is nobody's concern any more but the unpaged check's."""
