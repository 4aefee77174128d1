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


CALLS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        OperationKind.RESOLVE_ALERT: ("resolve_failed", "Resolves", "People may still be paged."),
        OperationKind.ACKNOWLEDGE_ALERT: (
            "acknowledge_failed",
            "Acknowledgements",
            "People may still be paged.",
        ),
        OperationKind.UPDATE_ALERT: ("update_failed", "Changes", "People see what was before."),
    }
)
"""Codes of findings, and what failed, for people."""

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
    return found + await _failed_calls(session)


async def _failed_calls(session: AsyncSession) -> list[Finding]:
    """Return how many calls about alerts fail, and are retried."""
    is_over = Operation.state.in_((OperationState.DONE, OperationState.CANCELED))
    failed = (
        select(Operation.kind, func.count())
        .where(
            Operation.kind.in_(CALLS),
            ~is_over,
            Operation.failures > 0,
            Operation.retry_at.is_not(None) | Operation.state.in_(WAITING),
        )
        .group_by(Operation.kind)
        .order_by(Operation.kind)
    )
    found = []
    for kind, count in await session.execute(failed):
        code, noun, meaning = CALLS[kind]
        detail = f"{noun} that failed in PagerTree and are retried: {count}. {meaning}"
        found.append(Finding(code, Level.WARNING, detail, "pagersync operations list"))
    return found
