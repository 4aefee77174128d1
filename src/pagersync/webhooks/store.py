"""The sender's fixed SQL: whose turn it is, what came of a call, who is switched off."""

from datetime import datetime
from typing import Final
from uuid import UUID

from pagersync.database.base import new_id
from pagersync.database.engine import Connection
from pagersync.events.publish import NO_INTEGRATION, Fact, publish
from pagersync.webhooks.retry import Answer, why_disable

HAS_TURN: Final = """
q.id = ANY (ARRAY(
    SELECT d.id FROM webhook_endpoints e CROSS JOIN LATERAL (
        SELECT w.id FROM webhook_deliveries w
        WHERE w.endpoint_id = e.id AND w.state = 'queued' AND w.run_at <= now()
        ORDER BY w.run_at, w.id
        LIMIT greatest(0, CASE WHEN e.failing_since IS NULL THEN 4 ELSE 1 END - (
            SELECT count(*) FROM webhook_deliveries r
            WHERE r.endpoint_id = e.id AND r.state = 'running'))
    ) AS d))
"""
"""The oldest of each endpoint: four at a time, or one while it fails, so that no endpoint that is
slow or down keeps the others waiting. It reads a few rows of each endpoint, however many wait."""


async def attempt_of(connection: Connection, delivery_id: UUID) -> int:
    """Return how often a delivery was claimed since it was made or last replayed."""
    attempt: int = await connection.fetchval(
        "SELECT attempt FROM webhook_deliveries WHERE id = $1", delivery_id
    )
    return attempt


async def add_attempt(connection: Connection, delivery_id: UUID, answer: Answer) -> None:
    """Keep what a call came to."""
    await connection.execute(
        _ADD_ATTEMPT,
        new_id(),
        delivery_id,
        answer.started_at,
        answer.duration_ms,
        answer.status,
        answer.error,
    )
    await connection.execute(_NOTE_ON_DELIVERY, delivery_id, answer.is_success, answer.status)


async def note_answer(connection: Connection, endpoint_id: UUID, answer: Answer) -> None:
    """Note whether an endpoint works; disable it, and publish that, if it is time to."""
    if answer.is_success:
        await connection.execute(_WORKS, endpoint_id)
        return
    failing_since = await connection.fetchval(_FAILS, endpoint_id, answer.started_at)
    if failing_since is not None and (reason := why_disable(answer, failing_since)):
        await _disable(connection, endpoint_id, reason, answer.started_at)


async def _disable(
    connection: Connection, endpoint_id: UUID, reason: str, occurred_at: datetime
) -> None:
    name = await connection.fetchval(_DISABLE, endpoint_id, reason)
    fact = Fact(
        integration_id=NO_INTEGRATION,
        type="webhooks_endpoint.disabled",
        subject_type="webhooks_endpoint",
        subject_id=endpoint_id,
        delivery_id=None,
        data={"name": name, "reason": reason},
        occurred_at=occurred_at,
    )
    await publish(connection, [fact])


_ADD_ATTEMPT: Final = """
INSERT INTO webhook_attempts (id, delivery_id, started_at, duration_ms, http_status, error)
VALUES ($1, $2, $3, $4, $5, $6)
"""

_NOTE_ON_DELIVERY: Final = """
UPDATE webhook_deliveries
SET delivered_at = CASE WHEN $2 THEN now() ELSE delivered_at END, response_status = $3,
    updated_at = now()
WHERE id = $1
"""

_WORKS: Final = """
UPDATE webhook_endpoints SET failing_since = NULL
WHERE id = $1 AND failing_since IS NOT NULL AND enabled
"""

_FAILS: Final = """
UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, $2)
WHERE id = $1 AND enabled
RETURNING failing_since
"""
"""Nothing comes back of one that was disabled meanwhile."""

_DISABLE: Final = """
UPDATE webhook_endpoints
SET enabled = false, disabled_reason = $2, version = version + 1, updated_at = now()
WHERE id = $1
RETURNING name
"""
