"""When directories are synced: each account's in its turn, by whichever process is first."""

from datetime import datetime, timedelta
from random import uniform
from typing import Final

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.engine import Sessions
from pagersync.errors import PagersyncError
from pagersync.http import AsyncClient
from pagersync.integrations.directory import sync_integration
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import Vault
from pagersync.settings import Settings

CLAIM_S: Final = 120.0
"""A process that has not finished by then is taken for dead, and another one syncs."""

JITTER: Final = 0.1
"""Turns vary by this part, so that accounts that were connected together drift apart."""

log = structlog.get_logger()


async def sync_due(sessions: Sessions, http: AsyncClient, vault: Vault, settings: Settings) -> bool:
    """Sync one account whose turn it is; return False if there is none.

    What fails is kept on the account's row, and logged when it is not the failure of the last
    time.
    """
    async with sessions.begin() as session:
        integration = await _claim(session)
    if integration is None:
        return False
    last_error = integration.directory_error
    named = log.bind(integration=integration.name)
    try:
        result = await sync_integration(
            sessions, http, vault, integration, timeout_s=settings.pagertree_timeout_s
        )
    except PagersyncError as error:
        if error.detail != last_error:
            named.warning("the directory could not be synced", error=error.detail)
    else:
        if result.doubt is not None and result.doubt != last_error:
            named.warning("a listing of the directory is not believed", reason=result.doubt)
        elif result.doubt is None and (last_error or result.added or result.missing):
            named.info("the directory is synced", added=result.added, missing=result.missing)
    every_s = settings.directory_sync_s * uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    async with sessions.begin() as session:
        await _schedule(session, integration, integration.directory_sync_at, every_s)
    return True


async def _claim(session: AsyncSession) -> Integration | None:
    """Take the account that is due longest; until `CLAIM_S` is over nobody else takes it."""
    due = (
        select(Integration.id)
        .where(
            Integration.enabled,
            Integration.api_key_encrypted.is_not(None),
            Integration.directory_sync_at <= func.now(),
        )
        .order_by(Integration.directory_sync_at)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return await session.scalar(
        update(Integration)
        .where(Integration.id == due.scalar_subquery())
        .values(
            directory_sync_at=func.now() + timedelta(seconds=CLAIM_S),
            updated_at=Integration.updated_at,
        )
        .returning(Integration)
        .execution_options(synchronize_session=False)
    )


async def _schedule(
    session: AsyncSession, integration: Integration, claimed_until: datetime, after_s: float
) -> None:
    """Set the next turn, unless somebody wants one at once: a new API key, or a lost claim."""
    await session.execute(
        update(Integration)
        .where(Integration.id == integration.id, Integration.directory_sync_at == claimed_until)
        .values(
            directory_sync_at=func.now() + timedelta(seconds=after_s),
            updated_at=Integration.updated_at,
        )
    )
