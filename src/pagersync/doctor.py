"""`pagersync doctor`: everything that could keep somebody from being paged, in one list.

Each part of the product looks for what can go wrong in it; this module asks them all.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.backup.findings import find_backup_problems
from pagersync.database.engine import Sessions
from pagersync.database.findings import find_database_problems
from pagersync.findings import Finding, Level
from pagersync.inbox.findings import find_delivery_problems
from pagersync.integrations.findings import find_account_problems
from pagersync.paging.findings import find_page_problems
from pagersync.paging.lost_pages import find_lost_pages
from pagersync.retention.findings import find_retention_problems
from pagersync.secrets.findings import find_secret_problems
from pagersync.settings import Settings
from pagersync.unpaged.findings import find_stops, find_unpaged
from pagersync.webhooks.findings import find_untold
from pagersync.workflows.findings import find_workflow_problems
from pagersync.workflows.reference_check import find_reference_problems

Check: TypeAlias = Callable[[AsyncSession, Settings], Awaitable[Sequence[Finding]]]

CHECKS: Final[tuple[Check, ...]] = (
    find_unpaged,
    find_account_problems,
    find_page_problems,
    find_lost_pages,
    find_delivery_problems,
    find_workflow_problems,
    find_reference_problems,
    find_secret_problems,
    find_stops,
    find_untold,
    find_database_problems,
    find_retention_problems,
    find_backup_problems,
)


async def examine(sessions: Sessions, settings: Settings) -> list[Finding]:
    """Return every finding of every check, critical ones first."""
    async with sessions() as session:
        found = [finding for check in CHECKS for finding in await check(session, settings)]
    return sorted(found, key=lambda finding: finding.level is not Level.CRITICAL)
