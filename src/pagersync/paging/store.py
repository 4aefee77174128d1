"""Pages and operations in PostgreSQL, by fixed SQL on a raw connection.

Whoever changes pages locks them first, in the order of their ids, and locks alerts after them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from pagersync.database.engine import Connection
from pagersync.events.publish import Fact, publish
from pagersync.incidents.activity import Activity, add_activity
from pagersync.paging.activity import page_activity
from pagersync.paging.checks import next_check_at
from pagersync.paging.fallback import fall_back, lock_incidents, resolve_late, tell_found
from pagersync.paging.models import ENDED, OperationState, PageStatus
from pagersync.paging.status import Creation, PageState, events_between, status_of


@dataclass(frozen=True, slots=True)
class LockedPage:
    """A page that nobody else changes until the transaction ends."""

    id: UUID
    integration_id: UUID
    alert_id: UUID | None
    incident_id: UUID | None
    depth: int
    requester: str
    title: str
    checks: int
    created_at: datetime
    state: PageState
    creation: Creation


@dataclass(frozen=True, slots=True)
class Change:
    """What a page has become, and why.

    Attributes:
        occurred_at: when it became so.
        delivery_id: the webhook that showed it, if one did.
        operation_id: the operation that came to it, if one did.
        reason: why, for people, where that is known.
    """

    page: LockedPage
    state: PageState
    occurred_at: datetime
    delivery_id: UUID | None = None
    operation_id: UUID | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An integration, as far as calling its PagerTree needs it."""

    id: UUID
    pagertree_url: str
    api_key_encrypted: bytes | None
    name: str = ""
    is_enabled: bool = True
    is_removed: bool = False

    @property
    def can_be_called(self) -> bool:
        """Whether it is there, enabled, and has an API key."""
        return self.is_enabled and not self.is_removed and self.api_key_encrypted is not None


async def load_account(connection: Connection, integration_id: UUID) -> Account:
    """Return where an integration's PagerTree is; one that was removed has no key."""
    row = await connection.fetchrow(
        "SELECT id, pagertree_url, api_key_encrypted, name, enabled AS is_enabled, "
        "removed_at IS NOT NULL AS is_removed FROM integrations WHERE id = $1",
        integration_id,
    )
    return Account(**row) if row else Account(integration_id, "", None, is_removed=True)


async def show_lost(connection: Connection) -> None:
    """Show pages as `unknown` whose sender was lost while it was sending."""
    await connection.execute(_SHOW_LOST)


async def note_run(connection: Connection, page_id: UUID, note: str) -> None:
    """Put a note on the workflow task that asked for a page, if one did."""
    await connection.execute(_NOTE_RUN, page_id, note)


async def lock_pages(
    connection: Connection, ids: Iterable[UUID], *, dropped: Sequence[UUID] = ()
) -> dict[UUID, LockedPage]:
    """Lock pages, in one order, and return how they stand.

    Args:
        connection: to the database.
        ids: of the pages.
        dropped: those whose fallback may be paged: their incidents are locked before the pages, as
            wherever both are.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    if dropped:
        await lock_incidents(connection, dropped)
    await connection.fetch(_LOCK_PAGES, wanted)
    rows = await connection.fetch(_READ_PAGES, wanted)
    return {row["id"]: _locked(row) for row in rows}


def _locked(row: asyncpg.Record) -> LockedPage:
    state = {field.name: row[field.name] for field in fields(PageState)}
    return LockedPage(
        id=row["id"],
        integration_id=row["integration_id"],
        alert_id=row["alert_id"],
        incident_id=row["incident_id"],
        depth=row["depth"],
        requester=row["requester"],
        title=row["title"],
        checks=row["checks"],
        created_at=row["created_at"],
        state=PageState(**{**state, "status": PageStatus(row["status"])}),
        creation=Creation(OperationState(row["creation"]), row["may_have_been_sent"]),
    )


async def find_pages(
    connection: Connection,
    alert_ids: Sequence[tuple[UUID, str]],
    operation_ids: Mapping[UUID, tuple[UUID, str]],
) -> dict[tuple[UUID, str], UUID]:
    """Return the pages of alerts in PagerTree, by (integration, PagerTree's id).

    Args:
        connection: to read from.
        alert_ids: alerts that webhooks tell of.
        operation_ids: which of those carry the mark of an operation.
    """
    rows = await connection.fetch(
        _FIND_PAGES,
        [integration_id for integration_id, _ in alert_ids],
        [alert_id for _, alert_id in alert_ids],
        list(operation_ids),
        [integration_id for integration_id, _ in operation_ids.values()],
        [alert_id for _, alert_id in operation_ids.values()],
    )
    return {(row["integration_id"], row["pagertree_alert_id"]): row["page_id"] for row in rows}


async def write_pages(connection: Connection, changes: Sequence[Change]) -> None:
    """Write what pages have become, publish it, and wake the operations that waited for it."""
    now = datetime.now(UTC)
    facts: list[Fact] = []
    activities: list[Activity] = []
    rows: list[dict[str, Any]] = []
    for change in changes:
        status = status_of(change.state, change.page.creation)
        columns = asdict(change.state) | {
            "status": status.value,
            "check_at": next_check_at(change.page.state.status, status, change.page.checks, now),
        }
        rows.append({"id": change.page.id, **columns})
        own = _facts(change, status)
        facts += own
        activities += [
            activity
            for fact in own
            if (activity := page_activity(fact, change.page, reason=change.reason))
        ]
    moved = [c.page.id for c in changes if c.state.remote_status != c.page.state.remote_status]
    is_woken = await connection.fetchval(_WRITE_PAGES, json.dumps(rows, default=str), moved)
    if is_woken:
        await connection.execute("SELECT pg_notify('pagersync', 'operations')")
    await publish(connection, facts)
    await add_activity(connection, activities)
    await fall_back(connection, [f.subject_id for f in facts if f.type == "page.dropped"])
    # Nobody else ends a creating operation, or begins it anew, while its page is locked.
    known = [c.page.id for c in changes if c.state.is_created and c.page.creation.state in ENDED]
    if known and (settled := await connection.fetch(_SETTLE_CREATES, known)):
        await resolve_late(connection, [row["page_id"] for row in settled])
    if late := [c.page.id for c in changes if _is_found_late(c)]:
        await tell_found(connection, late)


def _is_found_late(change: Change) -> bool:
    was = change.page.state
    return change.state.is_created and not was.is_created and was.status == PageStatus.UNKNOWN


def _facts(change: Change, status: PageStatus) -> list[Fact]:
    page = change.page
    after = replace(change.state, status=status)
    causes = {
        "operation_id": change.operation_id,
        "alert_id": page.alert_id,
        "incident_id": page.incident_id,
        "acknowledged_by": after.acknowledged_by,
    }
    data: dict[str, Any] = {"from": page.state.status.value, "to": status.value}
    data |= {name: str(value) for name, value in causes.items() if value is not None}
    return [
        Fact(
            integration_id=page.integration_id,
            type=event,
            subject_type="page",
            subject_id=page.id,
            delivery_id=change.delivery_id,
            data=data,
            occurred_at=change.occurred_at,
            depth=page.depth,
            requester=page.requester,
        )
        for event in events_between(page.state, after)
    ]


_NOTE_RUN = "UPDATE workflow_task_runs SET notes = notes || $2::text WHERE page_id = $1"

_SHOW_LOST = """
WITH lost AS MATERIALIZED (
    SELECT p.id FROM pages p JOIN operations o ON o.page_id = p.id
    WHERE p.status = 'sending' AND o.kind = 'create_alert'
      AND o.state = 'queued' AND o.may_have_been_sent
    FOR UPDATE OF p SKIP LOCKED
)
UPDATE pages p SET status = 'unknown', updated_at = now() FROM lost WHERE p.id = lost.id
"""
"""Waits for nobody: it locks pages in no order, and whoever holds one knows better."""

_LOCK_PAGES = "SELECT FROM pages WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"

_READ_PAGES = """
SELECT p.*, c.state AS creation, c.may_have_been_sent
FROM pages p
JOIN operations c ON c.page_id = p.id AND c.kind = 'create_alert'
WHERE p.id = ANY($1::uuid[])
"""
"""Read after the locks were taken, so that it sees what the last one to hold them wrote."""

_FIND_PAGES = """
SELECT k.integration_id, k.pagertree_alert_id, p.id AS page_id
FROM unnest($1::uuid[], $2::text[]) AS k (integration_id, pagertree_alert_id)
JOIN pages p USING (integration_id, pagertree_alert_id)
UNION
SELECT k.integration_id, k.pagertree_id, p.id
FROM unnest($1::uuid[], $2::text[]) AS k (integration_id, pagertree_id)
JOIN pages p USING (integration_id, pagertree_id)
UNION
SELECT k.integration_id, k.pagertree_alert_id, o.page_id
FROM unnest($3::uuid[], $4::uuid[], $5::text[]) AS k (id, integration_id, pagertree_alert_id)
JOIN operations o USING (id, integration_id)
JOIN pages p ON p.id = o.page_id
WHERE p.pagertree_alert_id IS NULL OR p.pagertree_alert_id = k.pagertree_alert_id
"""

_WRITTEN = (*(each.name for each in fields(PageState)), "check_at")

_WRITE_PAGES = f"""
WITH written AS (
    UPDATE pages p
    SET {", ".join(f"{name} = k.{name}" for name in _WRITTEN)},
        checks = CASE WHEN p.status = k.status THEN p.checks ELSE 0 END, updated_at = now()
    FROM jsonb_populate_recordset(NULL::pages, $1::text::jsonb) k
    WHERE p.id = k.id
), woken AS (
    UPDATE operations SET run_at = now()
    WHERE page_id = ANY($2::uuid[]) AND state = 'queued' AND run_at > now()
    RETURNING id
)
SELECT EXISTS (SELECT FROM woken)
"""  # noqa: S608 - names of columns
"""Operations that wait for what became of their pages ($2) can go on."""

_SETTLE_CREATES = """
UPDATE operations
SET state = 'done', may_have_been_sent = false, finished_at = now(), last_error = NULL
WHERE page_id = ANY($1::uuid[]) AND kind = 'create_alert'
  AND state IN ('failed', 'dead', 'unknown', 'canceled', 'expired')
RETURNING page_id
"""
"""A webhook has shown that PagerTree has the alert, whatever we believed."""
