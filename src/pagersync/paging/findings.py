"""Pages that a person should look at."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.findings import Finding, Level
from pagersync.paging.models import Operation, OperationKind, OperationState, Page, PageStatus
from pagersync.settings import Settings

LOOKED_AT: Final[Mapping[str, str]] = MappingProxyType(
    {
        PageStatus.UNKNOWN: "nobody can tell whether PagerTree has them",
        PageStatus.STUCK: "PagerTree has them and pages nobody",
    }
)
"""Statuses of pages that can still become better, and what each means for people."""


WAITING: Final = (OperationState.QUEUED, OperationState.RUNNING)


async def find_page_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return how many pages stand where somebody should look."""
    del settings
    counted = (
        select(Page.status, func.count())
        .where(Page.status.in_(LOOKED_AT))
        .group_by(Page.status)
        .order_by(Page.status)
    )
    found = [
        Finding(
            f"page_{status}",
            Level.CRITICAL,
            f"Pages that are `{status}`: {count}. That means: {LOOKED_AT[status]}.",
            "pagersync operations list",
        )
        for status, count in await session.execute(counted)
    ]
    return found + await _failed_resolves(session)


async def _failed_resolves(session: AsyncSession) -> list[Finding]:
    """Return how many alerts go on paging people although somebody asked for their resolve."""
    is_over = Operation.state.in_((OperationState.DONE, OperationState.CANCELED))
    failed = select(func.count()).where(
        Operation.kind == OperationKind.RESOLVE_ALERT,
        ~is_over,
        Operation.failures > 0,
        Operation.retry_at.is_not(None) | Operation.state.in_(WAITING),
    )
    count = await session.scalar(failed) or 0
    if not count:
        return []
    detail = (
        f"Resolves that failed in PagerTree and are retried: {count}. People may still be paged."
    )
    return [Finding("resolve_failed", Level.WARNING, detail, "pagersync operations list")]
