"""A backup that is missing or old, as a finding."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.backup.models import LastBackup
from pagersync.database.access import is_embedded
from pagersync.findings import Finding, Level
from pagersync.integrations.models import Integration
from pagersync.settings import Settings


async def find_backup_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return a warning if the embedded database was not backed up for too long."""
    if not settings.backup_age_days or not is_embedded(settings):
        return []
    oldest = datetime.now(UTC) - timedelta(days=settings.backup_age_days)
    made_at = await session.scalar(select(LastBackup.made_at))
    since = made_at or await session.scalar(select(func.min(Integration.created_at)))
    if since is None or since > oldest:
        return []
    days = (datetime.now(UTC) - since).days
    detail = f"The last backup of the embedded database is {days} days old."
    if made_at is None:
        detail = f"The embedded database was never backed up, and has been in use for {days} days."
    return [Finding("backup_old", Level.WARNING, detail, "pagersync backup DIRECTORY")]
