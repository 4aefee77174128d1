"""Retention that does not keep up, as a finding."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.findings import Finding, Level
from pagersync.retention.models import RetentionRun
from pagersync.settings import Settings

LATE: Final = timedelta(days=2)
"""Retention runs every hour while a worker runs."""


async def find_retention_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return a warning if the last look at any kind of row is too long ago."""
    del settings
    oldest = await session.scalar(select(func.min(RetentionRun.ran_at)))
    if oldest is None or oldest > datetime.now(UTC) - LATE:
        return []
    detail = (
        f"Old rows were last looked for on {oldest:%Y-%m-%d %H:%M} UTC, so the database grows. "
        "Retention runs every hour in `pagersync serve` and `pagersync worker`."
    )
    remedy = "look for 'old rows could not be removed' in the log; `pagersync database retention`"
    return [Finding("retention_late", Level.WARNING, detail, remedy)]
