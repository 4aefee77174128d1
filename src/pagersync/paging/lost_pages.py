"""Pages that reached nobody and that no incident or alert tells of, as findings.

Incidents and alerts have the check on everything (`unpaged/`). A page that somebody asked for by
itself has its own status only: who does not ask for that again does not see that it reached nobody.
"""

from shlex import quote
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from pagersync.findings import Finding, Level
from pagersync.fitting import cut
from pagersync.incidents.unpaged import Unpaged
from pagersync.paging.models import Operation, OperationKind, Page, PageStatus
from pagersync.paging.page_targets import names_of
from pagersync.settings import Settings

LOST: Final = (PageStatus.FAILED, PageStatus.DROPPED, PageStatus.EXPIRED, PageStatus.UNKNOWN)
DAYS: Final = 7
NAMED_MAX: Final = 10
TITLE_CHARACTERS_MAX: Final = 80


async def find_lost_pages(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return the newest pages without an incident that reached nobody, and how many more."""
    del settings
    after = aliased(Page)
    is_made_good = exists().where(
        (after.repeat_of == Page.id) | (after.fallback_of == Page.id),
        after.confirmed_at.is_not(None),
    )
    is_told = exists().where(Unpaged.subject_id == Page.alert_id, Unpaged.ended_at.is_(None))
    statement = (
        select(Page, Operation.id, Operation.last_error, func.count().over())
        .join(Operation, Operation.page_id == Page.id)
        .where(
            Operation.kind == OperationKind.CREATE_ALERT,
            Page.status.in_(LOST),
            Page.incident_id.is_(None),
            Page.resolve_wanted_by.is_(None),
            Page.created_at > func.now() - func.make_interval(0, 0, 0, DAYS),
            ~is_made_good,
            ~is_told,
        )
        .order_by(Page.id.desc())
        .limit(NAMED_MAX)
    )
    rows = (await session.execute(statement)).all()
    found = [_finding(page, operation_id, error) for page, operation_id, error, _ in rows]
    if rows and rows[0][3] > len(rows):
        detail = f"{rows[0][3] - len(rows)} more pages reached nobody."
        found.append(Finding("page_lost_more", Level.CRITICAL, detail, "pagersync operations list"))
    return found


def _finding(page: Page, operation_id: UUID, error: str | None) -> Finding:
    names, title = names_of(page.targets), cut(page.title, TITLE_CHARACTERS_MAX)
    why = f": {error.rstrip('.')}" if error and page.status != PageStatus.DROPPED else ""
    detail = f"The page {title!r} to {names} is `{page.status}`{why}."
    redrive = f"pagersync operations redrive {operation_id}"
    remedy = {
        PageStatus.DROPPED: f"pagersync page --team NAME --title {quote(title)}",
        PageStatus.UNKNOWN: f"look in PagerTree; if it is not there: {redrive} --confirmed-absent",
    }.get(PageStatus(page.status), redrive)
    return Finding("page_lost", Level.CRITICAL, detail, remedy, page.integration_id)
