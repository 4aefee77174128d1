"""Publishing: write what happened, in the caller's transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pagersync.database.base import new_id
from pagersync.database.engine import Connection


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to one subject.

    Attributes:
        type: `subject.verb`, for example `alert.created`.
        delivery_id: the delivery that caused it, when one did.
        data: details, as JSON.
    """

    integration_id: UUID
    type: str
    subject_type: str
    subject_id: UUID
    delivery_id: UUID | None
    data: dict[str, Any]
    occurred_at: datetime


async def publish(connection: Connection, facts: Sequence[Fact]) -> None:
    """Insert domain events; they exist if and only if the caller's transaction commits."""
    if not facts:
        return
    await connection.execute(
        _INSERT,
        [new_id() for _ in facts],
        [fact.integration_id for fact in facts],
        [fact.type for fact in facts],
        [fact.subject_type for fact in facts],
        [fact.subject_id for fact in facts],
        [fact.delivery_id for fact in facts],
        [json.dumps(fact.data) for fact in facts],
        [fact.occurred_at for fact in facts],
    )


_INSERT = """
INSERT INTO domain_events
    (id, integration_id, type, subject_type, subject_id, delivery_id, data, occurred_at)
SELECT id, integration_id, type, subject_type, subject_id, delivery_id, data::jsonb, occurred_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[],
            $8::timestamptz[])
  AS f (id, integration_id, type, subject_type, subject_id, delivery_id, data, occurred_at)
"""
