"""Pages that reach nobody: somebody is paged once more.

A page that stays `unknown` goes out again, if its account's `when_unknown` says so, with a title
that says that it may be a repeat. The default targets of another account are paged when a page is
`unknown` or waits for an account that cannot be called for `PAGERSYNC_UNKNOWN_ELSEWHERE_S`, and at
once when it failed or its account was disabled or removed. Each happens once for a page: a unique
index says so. The page in the other account is a page like any other: if it reaches nobody in its
turn, the next account that was not tried yet pages. Nothing happens for an incident that is over,
or for a page that somebody wants resolved.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from pagersync.database.base import new_id
from pagersync.database.complaints import complain
from pagersync.database.engine import Connection, create_sessions
from pagersync.database.session import driver_connection
from pagersync.events.publish import happened, publish
from pagersync.fitting import cut
from pagersync.incidents.activity import Activity, add_activity
from pagersync.integrations.models import Integration
from pagersync.paging.models import Page
from pagersync.paging.page_targets import be, names_of, paged
from pagersync.paging.repeats_due import Due, list_due, lock_due
from pagersync.paging.repeats_texts import PAGED_FOR_IT, Told, told_again, told_elsewhere
from pagersync.paging.requests import DESCRIPTION_CHARACTERS_MAX, TITLE_CHARACTERS_MAX
from pagersync.paging.store import note_run
from pagersync.paging.task_account import list_able, why_cannot_page
from pagersync.paging.whom import look_up_defaults
from pagersync.settings import Settings

CHECK_EVERY_S: Final = 1.0
PAGES_AT_ONCE: Final = 20

EVENT: Final = "page.paged_elsewhere"

Targeted: TypeAlias = Sequence[Mapping[str, Any]]
Elsewhere: TypeAlias = tuple[Integration, Targeted]
"""Another account that can page, and its default targets."""

log = structlog.get_logger()


class RepeatChecker:
    """Looks for pages that reach nobody, and has somebody paged for them.

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
                complain("pages that reach nobody could not be checked", error)
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def check_due(self) -> int:
        """Page once more for what is due; return how many pages that made.

        All that is due is looked at, a transaction each: a page for which nothing can be done, or
        that cannot be read, holds no other back.
        """
        made, after = 0, UUID(int=0)
        while True:
            async with self._sessions() as session:
                connection = await driver_connection(session)
                due = await list_due(
                    connection, self._elsewhere_s, after=after, rows_max=PAGES_AT_ONCE
                )
            for each in due:
                made += await self._repeat_alone(each.id)
            if len(due) < PAGES_AT_ONCE:
                return made
            after = due[-1].id

    async def _repeat_alone(self, page_id: UUID) -> int:
        try:
            async with self._sessions.begin() as session:
                connection = await driver_connection(session)
                due = await lock_due(connection, self._elsewhere_s, page_id)
                made = 0 if due is None else await _repeat(session, connection, due)
                if made:
                    await connection.execute("SELECT pg_notify('pagersync', 'operations')")
                return made
        except Exception:
            log.exception("a page that reaches nobody was passed over", page_id=str(page_id))
            return 0


async def _repeat(session: AsyncSession, connection: Connection, due: Due) -> int:
    """Make the pages that are due for one page, which is locked; return how many."""
    other = await _find_elsewhere(session, due) if due.elsewhere else None
    if not due.again and other is None:
        return 0
    page = (await session.scalars(select(Page).where(Page.id == due.id))).one()
    made = 0
    if due.again:
        told = told_again(page.id, due.for_s)
        made += await _insert(connection, due, page, (page.integration_id, page.targets), told)
    if other is not None:
        account, targets = other
        own = await session.get_one(Integration, page.integration_id)
        problem = await why_cannot_page(session, own)
        told = told_elsewhere(due, page, own.name, account.name, problem)
        made += await _insert(connection, due, page, (account.id, targets), told)
    return made


async def _insert(
    connection: Connection, due: Due, page: Page, whom: tuple[UUID, Targeted], told: Told
) -> int:
    """Ask for one more page for a page; return 1, or 0 where there is one already."""
    integration_id, targets = whom
    is_elsewhere = integration_id != page.integration_id
    description = f"{told.note}.\n\n{page.description or ''}".rstrip()
    page_id = new_id()
    row = await connection.fetchrow(
        _PAGE,
        page_id,
        page.id,
        integration_id,
        cut(told.prefix + page.title, TITLE_CHARACTERS_MAX),
        cut(description, DESCRIPTION_CHARACTERS_MAX),
        json.dumps([*targets]),
        [*page.notes, told.note],
        is_elsewhere,
    )
    if row is None:
        return 0
    await connection.execute(_OPERATION, new_id(), page_id, f"page {page_id}", page.send_at)
    await _tell(connection, due, page, (page_id, row, targets), told)
    if is_elsewhere:
        data = {"page_id": str(page_id), "reason": told.note}
        fact = happened(
            EVENT,
            page.id,
            data,
            integration_id=page.integration_id,
            depth=page.depth,
            requester=page.requester,
        )
        await publish(connection, [fact])
    log.warning("paged once more", page_id=str(page.id), new_id=str(page_id), reason=told.note)
    return 1


async def _tell(
    connection: Connection, due: Due, page: Page, new: tuple[UUID, Any, Targeted], told: Told
) -> None:
    """Tell the page, the run that asked for the first one, and the incident's timeline."""
    page_id, row, targets = new
    names = names_of(targets)
    said = f"Paged {names} for {page.title!r}{told.perhaps}: {told.note}."
    note = f"{names} {be(targets, 'was')}{PAGED_FOR_IT}{told.where}{told.perhaps}"
    await connection.execute(_NOTE_FIRST, page.id, note)
    await note_run(connection, due.first_id, said)
    if row["incident_id"] is None:
        return
    activity = Activity(
        incident_id=row["incident_id"],
        event=said,
        source="system",
        occurred_at=row["created_at"],
        page_id=page_id,
        workflow_run_id=row["workflow_run_id"],
    )
    await add_activity(connection, [activity])


async def _find_elsewhere(session: AsyncSession, due: Due) -> Elsewhere | None:
    """Return another account that can page, and its default targets; the default account first."""
    own = await session.get_one(Integration, due.integration_id)
    for account in await list_able(session, own.id):
        if account.id in due.tried or _fails_as_well(own, account, due):
            continue
        if targets := paged((await look_up_defaults(session, account)).targets):
            return account, targets
    return None


def _fails_as_well(own: Integration, other: Integration, due: Due) -> bool:
    """Tell whether a PagerTree that fails for one account must be thought to fail for another.

    It is known to work if it is another one, or answered the other account since.
    """
    if due.failing_s is None or own.pagertree_url != other.pagertree_url:
        return False
    synced_at = other.directory_synced_at
    return synced_at is None or (datetime.now(UTC) - synced_at).total_seconds() > due.failing_s


_PAGE = """
INSERT INTO pages (id, integration_id, alert_id, incident_id, title, description, urgency, severity,
    is_incident, tags, targets, fallback_targets, requested_by, requester, workflow_run_id,
    depth, expires_at, notes, repeat_of, is_elsewhere, send_at)
SELECT $1, $3, p.alert_id, p.incident_id, $4, $5, p.urgency, p.severity, p.is_incident, p.tags,
    $6::jsonb, CASE WHEN $8 THEN NULL ELSE p.fallback_targets END, p.requested_by,
    p.requester, p.workflow_run_id, p.depth + 1, p.expires_at, $7::text[], p.id, $8,
    CASE WHEN p.send_at > now() THEN p.send_at END
FROM pages p LEFT JOIN incidents i ON i.id = p.incident_id
WHERE p.id = $2 AND (i.id IS NULL OR i.status NOT IN ('resolved', 'closed', 'cancelled'))
ON CONFLICT (repeat_of, is_elsewhere) WHERE repeat_of IS NOT NULL DO NOTHING
RETURNING incident_id, created_at, workflow_run_id
"""
"""Read after the incident was locked, so that it sees whether it is over."""

_OPERATION = """
INSERT INTO operations (id, integration_id, page_id, alert_id, kind, requested_by, requester,
    workflow_run_id, lock_key, run_at)
SELECT $1, integration_id, id, alert_id, 'create_alert', requested_by, requester,
    workflow_run_id, $3, greatest(now(), $4::timestamptz)
FROM pages WHERE id = $2
"""

_NOTE_FIRST = "UPDATE pages SET notes = notes || $2::text, updated_at = now() WHERE id = $1"
