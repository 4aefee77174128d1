"""What tasks that page say about their targets: which account, whom, whom instead."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations.models import Integration
from pagersync.integrations.service import get_integration
from pagersync.integrations.target_params import Targets
from pagersync.integrations.targets import PAGERTREE_ID
from pagersync.paging.page_targets import PageTarget
from pagersync.paging.whom import NobodyError, find_whom
from pagersync.workflows.context import TaskContext
from pagersync.workflows.task_params import PagerTreeAlertParams


def account_named(context: TaskContext, params: PagerTreeAlertParams) -> str | None:
    """Return the account that a task pages through, as far as it, its workflow or event says."""
    named: str | None = getattr(params, "integration", None)
    return named or context.integration


def named_targets(params: PagerTreeAlertParams) -> Targets:
    """Return whom a task names."""
    routers = getattr(params, "routers", [])
    return Targets(teams=params.teams, users=params.users, routers=routers)


def needs_names(params: PagerTreeAlertParams, integration: Integration) -> bool:
    """Tell whether somebody cannot be paged before the directory was listed: only a name is known.

    The default targets count if the task names nobody.
    """
    named = named_targets(params)
    if not (named.teams or named.users or named.routers):
        named = Targets.model_validate(integration.default_targets)
    return any(
        not PAGERTREE_ID.fullmatch(reference.id or "")
        for references in (named.teams, named.users, named.routers)
        for reference in references
    )


async def find_fallback(
    session: AsyncSession, integration_id: UUID, params: PagerTreeAlertParams
) -> tuple[list[PageTarget] | None, list[str]]:
    """Return whom to page when a task's page is dropped, and notes; nothing about it is an error.

    If nobody of the fallback can be paged, the default targets are its fallback.
    """
    fallback: Targets | None = getattr(params, "fallback", None)
    if fallback is None or not (fallback.teams or fallback.users or fallback.routers):
        return None, []
    integration = await get_integration(session, integration_id)
    try:
        whom = await find_whom(session, integration, fallback)
    except NobodyError as error:
        return None, [f"the page has no fallback: {error.detail}"]
    return whom.targets, [f"fallback: {note}" for note in whom.notes]
