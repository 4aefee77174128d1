"""What follows when a page stays `unknown`: perhaps nobody is paged for it.

Each account's `when_unknown` says whether such a page goes out once more, with a title that says
so. After `PAGERSYNC_UNKNOWN_ELSEWHERE_S` another account pages its default targets. Each happens
once for a page: a unique index says so. Nothing happens for an incident that is over, or for a page
that somebody wants resolved.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from pagersync.database.base import new_id
from pagersync.database.engine import Connection, create_sessions
from pagersync.database.session import driver_connection
from pagersync.fitting import cut
from pagersync.incidents.activity import Activity, add_activity
from pagersync.integrations.models import Integration
from pagersync.integrations.resolving import resolve_each
from pagersync.integrations.target_params import Targets
from pagersync.integrations.targets import TargetReference
from pagersync.paging.models import Page
from pagersync.paging.requests import DESCRIPTION_CHARACTERS_MAX, TITLE_CHARACTERS_MAX
from pagersync.settings import Settings

PREFIX: Final = "(may be a repeat) "
CHECK_EVERY_S: Final = 1.0
PAGES_AT_ONCE: Final = 20

Elsewhere: TypeAlias = tuple[Integration, list[dict[str, Any]]] | None
"""Another account that can page, and its default targets; None: there is none."""

log = structlog.get_logger()


class RepeatChecker:
    """Looks for pages that have been unknown for too long, and has somebody paged for them.

    Args:
        engine: of the database.
        settings: limits.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._sessions = create_sessions(engine)
        self._elsewhere_s = settings.unknown_elsewhere_s

    async def run(self, stop: asyncio.Event) -> None:
        """Check what is due until `stop` is set."""
        while not stop.is_set():
            try:
                await self.check_due()
            except Exception as error:  # noqa: BLE001 - a worker outlives every failure
                log.warning("unknown pages could not be checked", error=repr(error))
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def check_due(self) -> int:
        """Page again for what has been unknown for too long; return how many pages that made.

        All that is due is looked at: a page for which nothing can be done stays due.
        """
        made, after, elsewhere = 0, UUID(int=0), dict[UUID, Elsewhere]()
        while True:
            async with self._sessions.begin() as session:
                connection = await driver_connection(session)
                due = await connection.fetch(_DUE, self._elsewhere_s, PAGES_AT_ONCE, after)
                made += await _repeat_each(session, connection, due, elsewhere)
            if len(due) < PAGES_AT_ONCE:
                return made
            after = due[-1]["id"]


async def _repeat_each(
    session: AsyncSession,
    connection: Connection,
    due: Sequence[Any],
    elsewhere: dict[UUID, Elsewhere],
) -> int:
    """Make the pages that are due for pages; return how many.

    Args:
        session: inside a transaction.
        connection: the session's own.
        due: those pages, locked.
        elsewhere: which other account pages for one, as far as this check has asked already.
    """
    # Pages are locked; an incident that is being resolved right now is over, or waits.
    await connection.execute(_LOCK_INCIDENTS, [row["id"] for row in due])
    made = 0
    for row in due:
        account_id = row["integration_id"]
        if row["elsewhere"] and account_id not in elsewhere:
            elsewhere[account_id] = await _find_elsewhere(session, account_id)
        made += await _repeat(session, connection, row, elsewhere.get(account_id))
    if made:
        await connection.execute("SELECT pg_notify('pagersync', 'operations')")
    return made


async def _repeat(
    session: AsyncSession, connection: Connection, due: Any, elsewhere: Elsewhere
) -> int:
    """Make the pages that are due for one page; return how many."""
    pages_elsewhere = due["elsewhere"] and elsewhere is not None
    if not due["again"] and not pages_elsewhere:
        return 0
    page = (await session.scalars(select(Page).where(Page.id == due["id"]))).one()
    made = 0
    for_s = round(due["unknown_s"])
    if due["again"]:
        note = (
            f"page {page.id} may not have arrived: for {for_s} s nobody could tell whether "
            "PagerTree has it"
        )
        made += await _insert(connection, page, page.integration_id, page.targets, note)
    if pages_elsewhere and elsewhere is not None:
        account, targets = elsewhere
        note = (
            f"page {page.id} of another account may not have arrived: for {for_s} s nobody could "
            f"tell whether PagerTree has it, so the default targets of {account.name!r} are paged"
        )
        made += await _insert(connection, page, account.id, targets, note)
    return made


async def _insert(
    connection: Connection,
    page: Page,
    integration_id: UUID,
    targets: Sequence[dict[str, Any]],
    note: str,
) -> int:
    """Ask for one more page for a page; return 1, or 0 where there is one already."""
    description = f"{note}.\n\n{page.description or ''}".rstrip()
    page_id = new_id()
    row = await connection.fetchrow(
        _PAGE,
        page_id,
        page.id,
        integration_id,
        cut(PREFIX + page.title, TITLE_CHARACTERS_MAX),
        cut(description, DESCRIPTION_CHARACTERS_MAX),
        json.dumps(list(targets)),
        [*page.notes, note],
        integration_id != page.integration_id,
    )
    if row is None:
        return 0
    await connection.execute(_OPERATION, new_id(), page_id, f"page {page_id}")
    paged = [target for target in targets if not target.get("skipped")]
    names = ", ".join(f"{target['kind']} {target['name']}" for target in paged)
    said = f"Paged {names} for {page.title!r}, perhaps again: {note}."
    await connection.execute(_NOTE_FIRST, page.id, f"{names} was paged for it, perhaps again")
    await connection.execute(_NOTE_RUN, page.id, said)
    if row["incident_id"] is not None:
        activity = Activity(
            incident_id=row["incident_id"],
            event=said,
            source="system",
            occurred_at=row["created_at"],
            page_id=page_id,
            workflow_run_id=row["workflow_run_id"],
        )
        await add_activity(connection, [activity])
    log.warning("paged again for an unknown page", page_id=str(page.id), repeat_id=str(page_id))
    return 1


async def _find_elsewhere(session: AsyncSession, integration_id: UUID) -> Elsewhere:
    """Return another account that can page, and its default targets; the default account first."""
    statement = (
        select(Integration)
        .where(
            Integration.id != integration_id,
            Integration.enabled,
            Integration.removed_at.is_(None),
            Integration.api_key_encrypted.is_not(None),
        )
        .order_by(Integration.is_default.desc(), Integration.id)
    )
    for account in await session.scalars(statement):
        if targets := await _default_targets(session, account):
            return account, targets
    return None


async def _default_targets(session: AsyncSession, account: Integration) -> list[dict[str, Any]]:
    """Return those default targets of an account that can be paged."""
    chosen = Targets.model_validate(account.default_targets)
    resolved = await resolve_each(
        session,
        account.id,
        teams=[TargetReference(id=one.id, name=one.name) for one in chosen.teams],
        users=[TargetReference(id=one.id, name=one.name) for one in chosen.users],
        routers=[TargetReference(id=one.id, name=one.name) for one in chosen.routers],
    )
    found = [one.target for one in resolved if one.target is not None]
    return [asdict(target) for target in dict.fromkeys(found)]


_DUE = """
SELECT p.id, p.integration_id, extract(epoch FROM now() - c.last_sent_at)::float8 AS unknown_s,
    due.again, due.elsewhere
FROM pages p
JOIN operations c ON c.page_id = p.id AND c.kind = 'create_alert'
JOIN integrations i ON i.id = p.integration_id
LEFT JOIN incidents n ON n.id = p.incident_id
CROSS JOIN LATERAL (SELECT
    i.when_unknown = 'page_again' AND i.enabled AND i.removed_at IS NULL
        AND c.last_sent_at <= now() - make_interval(secs => i.page_again_after_s)
        AND NOT EXISTS (SELECT FROM pages r WHERE r.repeat_of = p.id AND NOT r.is_elsewhere)
        AS again,
    $1::float8 > 0 AND c.last_sent_at <= now() - make_interval(secs => $1)
        AND NOT EXISTS (SELECT FROM pages r WHERE r.repeat_of = p.id AND r.is_elsewhere)
        AND EXISTS (SELECT FROM integrations o
                    WHERE o.id <> i.id AND o.enabled AND o.removed_at IS NULL
                      AND o.api_key_encrypted IS NOT NULL
                      AND jsonb_path_exists(o.default_targets, '$.*[*]'))
        AS elsewhere
) AS due
WHERE p.status = 'unknown' AND c.may_have_been_sent AND p.repeat_of IS NULL
  AND p.resolve_wanted_by IS NULL AND (p.expires_at IS NULL OR p.expires_at > now())
  AND (n.id IS NULL OR n.status NOT IN ('resolved', 'closed', 'cancelled'))
  AND (due.again OR due.elsewhere) AND p.id > $3
ORDER BY p.id LIMIT $2
FOR UPDATE OF p SKIP LOCKED
"""
"""Only what is due is locked."""

_LOCK_INCIDENTS = """
SELECT FROM incidents WHERE id IN (SELECT incident_id FROM pages WHERE id = ANY($1::uuid[]))
ORDER BY id FOR SHARE
"""

_PAGE = """
INSERT INTO pages (id, integration_id, alert_id, incident_id, title, description, urgency, severity,
    is_incident, tags, targets, fallback_targets, requested_by, workflow_run_id, depth, expires_at,
    notes, repeat_of, is_elsewhere)
SELECT $1, $3, p.alert_id, p.incident_id, $4, $5, p.urgency, p.severity, p.is_incident, p.tags,
    $6::jsonb, CASE WHEN $8 THEN NULL ELSE p.fallback_targets END, p.requested_by,
    p.workflow_run_id, p.depth + 1, p.expires_at, $7::text[], p.id, $8
FROM pages p LEFT JOIN incidents i ON i.id = p.incident_id
WHERE p.id = $2 AND (i.id IS NULL OR i.status NOT IN ('resolved', 'closed', 'cancelled'))
ON CONFLICT (repeat_of, is_elsewhere) WHERE repeat_of IS NOT NULL DO NOTHING
RETURNING incident_id, created_at, workflow_run_id
"""
"""Read after the incident was locked, so that it sees whether it is over."""

_OPERATION = """
INSERT INTO operations (id, integration_id, page_id, alert_id, kind, requested_by, workflow_run_id,
    lock_key)
SELECT $1, integration_id, id, alert_id, 'create_alert', requested_by, workflow_run_id, $3
FROM pages WHERE id = $2
"""

_NOTE_FIRST = "UPDATE pages SET notes = notes || $2::text, updated_at = now() WHERE id = $1"

_NOTE_RUN = "UPDATE workflow_task_runs SET notes = notes || $2::text WHERE page_id = $1"
