"""Deliveries to the endpoints that subscribe to what happened, in the transaction of the event.

Each is a row of `webhook_deliveries`, queued; what is sent is made of it later, by `webhooks/`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

from pagersync.database.engine import Connection
from pagersync.events.webhook_types import selectors_of, types_of


async def queue_webhooks(
    connection: Connection, events: Sequence[tuple[UUID, str, Mapping[str, Any]]]
) -> None:
    """Insert a delivery for each endpoint and each event type that it subscribes to.

    Args:
        connection: in the transaction that publishes the events.
        events: id, type and data of each.
    """
    rows = [
        (event_id, position, name)
        for event_id, event_type, data in events
        for position, name in enumerate(types_of(event_type, data))
    ]
    if not rows:
        return
    await connection.execute(
        _INSERT,
        [event_id for event_id, _, _ in rows],
        [_webhook_id(event_id, position, name) for event_id, position, name in rows],
        [name for _, _, name in rows],
        [" ".join(selectors_of(name)) for _, _, name in rows],
    )


def _webhook_id(event_id: UUID, position: int, name: str) -> UUID:
    """Return the id under which a domain event is sent as one of its types, always the same."""
    return event_id if position == 0 else uuid5(event_id, name)


_INSERT: Final = """
INSERT INTO webhook_deliveries (id, endpoint_id, domain_event_id, event_id, event_type)
SELECT (left(t.domain_event_id::text, 14) || '7' || right(gen_random_uuid()::text, 21))::uuid,
    e.id, t.domain_event_id, t.event_id, t.event_type
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
     AS t (domain_event_id, event_id, event_type, selectors)
JOIN webhook_endpoints e ON e.enabled AND e.removed_at IS NULL
    AND CASE e.event_types WHEN '{}' THEN ARRAY['*'] ELSE e.event_types END
        && string_to_array(t.selectors, ' ')
ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""
"""The ids are UUIDv7 of the event's moment: their number is only known here."""
