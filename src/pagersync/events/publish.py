"""Publishing: write what happened, in the caller's transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pagersync.database.base import new_id
from pagersync.database.engine import Connection
from pagersync.events.triggers import triggers_of
from pagersync.events.webhooks import queue_webhooks

NO_INTEGRATION: Final = UUID(int=0)
"""Stands where an account's id would, for what concerns none."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Who or what does something: a person, a key, or a workflow's run.

    Attributes:
        requested_by: for people: `the API key 'ci'`, `the command line`, `the workflow 'Page'`.
        source: where it comes from: `api`, `cli`, `workflow`, `pagertree`, `system`.
        workflow_run_id: the run, if it is one.
        depth: how many runs lie between this and what a person or PagerTree did.
    """

    requested_by: str
    source: str = "api"
    workflow_run_id: UUID | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to one subject.

    Attributes:
        integration_id: the account it happened in, or `NO_INTEGRATION`.
        type: `subject.verb`, for example `alert.created`.
        delivery_id: the delivery that caused it, when one did.
        data: details, as JSON.
        cause: who did it, where somebody did.
        depth: of what PagerTree showed about something that a run made.
        requester: who caused that; None where it is for whom the transaction works.
    """

    integration_id: UUID
    type: str
    subject_type: str
    subject_id: UUID
    delivery_id: UUID | None
    data: dict[str, Any]
    occurred_at: datetime
    cause: Cause | None = None
    depth: int = 0
    requester: str | None = None


def happened(  # noqa: PLR0913 - all but the first three are named
    type_: str,
    subject_id: UUID,
    data: dict[str, Any],
    *,
    cause: Cause | None = None,
    integration_id: UUID = NO_INTEGRATION,
    depth: int = 0,
    subject_type: str | None = None,
    requester: str | None = None,
) -> Fact:
    """Return what happens right now, by a person, a key or a run, and not by a delivery."""
    return Fact(
        integration_id=integration_id,
        type=type_,
        subject_type=subject_type or type_.partition(".")[0],
        subject_id=subject_id,
        delivery_id=None,
        data=data,
        occurred_at=datetime.now(UTC),
        cause=cause,
        depth=depth,
        requester=requester,
    )


async def publish(connection: Connection, facts: Sequence[Fact]) -> None:
    """Insert domain events; they exist if and only if the caller's transaction commits.

    An event for which no workflow listens is done at once: it costs its row, and nothing more.
    What is to be told to webhook endpoints is queued along with it.
    """
    if not facts:
        return
    ids = [new_id() for _ in facts]
    has_endpoints = await connection.fetchval(
        _INSERT,
        ids,
        [fact.integration_id for fact in facts],
        [fact.type for fact in facts],
        [fact.subject_type for fact in facts],
        [fact.subject_id for fact in facts],
        [fact.delivery_id for fact in facts],
        [json.dumps(fact.data) for fact in facts],
        [fact.occurred_at for fact in facts],
        [" ".join(triggers_of(fact.type, fact.data)) for fact in facts],
        [fact.cause and fact.cause.workflow_run_id for fact in facts],
        [fact.cause and fact.cause.requested_by for fact in facts],
        [fact.cause.depth if fact.cause else fact.depth for fact in facts],
        [fact.requester for fact in facts],
    )
    if has_endpoints:
        events = [(id_, fact.type, fact.data) for id_, fact in zip(ids, facts, strict=True)]
        await queue_webhooks(connection, events)


_INSERT = """
WITH f AS MATERIALIZED (
    SELECT *, string_to_array(names, ' ') AS triggers
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[],
                $7::text[], $8::timestamptz[], $9::text[], $10::uuid[], $11::text[], $12::int[],
                $13::text[])
      AS f (id, integration_id, type, subject_type, subject_id, delivery_id, data, occurred_at,
            names, workflow_run_id, requested_by, depth, requester)
), listeners AS MATERIALIZED (
    SELECT DISTINCT unnest(w.triggers) AS name
    FROM workflows w WHERE w.enabled AND w.removed_at IS NULL
), inserted AS (
INSERT INTO domain_events (id, integration_id, type, subject_type, subject_id, delivery_id, data,
    occurred_at, triggers, workflow_run_id, requested_by, depth, requester, state, finished_at)
SELECT f.id, f.integration_id, f.type, f.subject_type, f.subject_id, f.delivery_id, f.data::jsonb,
    f.occurred_at, f.triggers, f.workflow_run_id, f.requested_by, f.depth,
    coalesce(f.requester, current_setting('pagersync.requester', true), ''),
    CASE WHEN l.listens THEN 'queued' ELSE 'done' END,
    CASE WHEN NOT l.listens THEN now() END
FROM f, LATERAL (
    SELECT EXISTS (SELECT FROM listeners WHERE name = ANY (f.triggers)) AS listens
) AS l
)
SELECT EXISTS (SELECT FROM webhook_endpoints WHERE enabled AND removed_at IS NULL)
"""
"""Tells whether anybody is to be told by webhook: while nobody is, that costs no statement."""
