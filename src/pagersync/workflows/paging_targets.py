"""What tasks that page say about their targets: which account, whom, whom instead."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations.service import get_integration
from pagersync.integrations.target_params import Targets
from pagersync.paging.page_targets import PageTarget, paged
from pagersync.paging.task_account import TaskAccount
from pagersync.paging.whom import NobodyError, find_whom, look_up
from pagersync.workflows.context import NotYetError, TaskContext
from pagersync.workflows.task_params import PagerTreeAlertParams

NAMES_WAIT: Final = timedelta(minutes=1)
"""After that the default targets are paged instead, if they can be."""

DIRECTORY_WAIT: Final = timedelta(days=1)
"""After that a page whose targets cannot be known fails, and says so."""


def account_named(context: TaskContext, params: PagerTreeAlertParams) -> str | None:
    """Return the account that a task pages through, as far as it, its workflow or event says."""
    named: str | None = getattr(params, "integration", None)
    return named or context.integration


def named_targets(params: PagerTreeAlertParams) -> Targets:
    """Return whom a task names."""
    routers = getattr(params, "routers", [])
    return Targets(teams=params.teams, users=params.users, routers=routers)


async def wait_for_directory(
    context: TaskContext, params: PagerTreeAlertParams, account: TaskAccount
) -> None:
    """Wait for the first listing of what can be paged, if nobody can be paged before it.

    An account may be a few seconds old. Whom the task names is waited for a minute; after that the
    default targets will do. While they cannot be paged either, the run goes on waiting, and
    `incident.unpaged` says so.

    Raises:
        NotYetError: the listing has not come yet.
    """
    chosen = account.integration
    age = datetime.now(UTC) - context.run.created_at
    if chosen.directory_synced_at is not None or age >= DIRECTORY_WAIT:
        return
    named = named_targets(params)
    if paged((await look_up(context.session, chosen.id, named)).targets):
        return
    if age >= NAMES_WAIT or not _names_anybody(named):
        with suppress(NobodyError):
            await find_whom(context.session, chosen, named)
            return
    if _names_anybody(named) or _names_anybody(Targets.model_validate(chosen.default_targets)):
        raise NotYetError(
            f"the teams, users and routers of {chosen.name!r} are not listed yet"
            + (f": {chosen.directory_error}" if chosen.directory_error else "")
        )


def _names_anybody(named: Targets) -> bool:
    return bool(named.teams or named.users or named.routers)


async def find_fallback(
    session: AsyncSession, integration_id: UUID, params: PagerTreeAlertParams
) -> tuple[list[PageTarget] | None, list[str]]:
    """Return whom to page when a task's page is dropped, and notes; nothing about it is an error.

    If nobody of the fallback can be paged, the default targets are its fallback.
    """
    fallback: Targets | None = getattr(params, "fallback", None)
    if fallback is None or not _names_anybody(fallback):
        return None, []
    integration = await get_integration(session, integration_id)
    try:
        whom = await find_whom(session, integration, fallback)
    except NobodyError as error:
        return None, [f"the page has no fallback: {error.detail}"]
    return whom.targets, [f"fallback: {note}" for note in whom.notes]
