"""Pages that a person should look at."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.findings import Finding, Level
from pagersync.paging.models import Page, PageStatus
from pagersync.settings import Settings

LOOKED_AT: Final[Mapping[str, str]] = MappingProxyType(
    {
        PageStatus.UNKNOWN: "are `unknown`: nobody can tell whether PagerTree has them",
        PageStatus.STUCK: "are `stuck`: PagerTree has them and pages nobody",
    }
)
"""Statuses of pages that can still become better, and what each means for people."""


async def find_page_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return how many pages stand where somebody should look."""
    del settings
    counted = (
        select(Page.status, func.count())
        .where(Page.status.in_(LOOKED_AT))
        .group_by(Page.status)
        .order_by(Page.status)
    )
    return [
        Finding(
            f"page_{status}",
            Level.CRITICAL,
            f"{count} pages {LOOKED_AT[status]}.",
            "pagersync operations list",
        )
        for status, count in await session.execute(counted)
    ]
