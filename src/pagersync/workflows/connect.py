"""Connecting a PagerTree account: the account, and the workflows that come with it."""

from shlex import quote
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations.default_targets import check_default_targets
from pagersync.integrations.directory_store import Listed
from pagersync.integrations.service import NewSecret, add_integration
from pagersync.workflows.defaults import create_default_workflows

UNCHECKED: Final = (
    "Nobody knows yet whether PagerTree has the default targets, since it was not asked: run "
    "`pagersync directory sync`, then `pagersync integrations default-targets {name}` with them."
)

NO_RESTART: Final = (
    "Nobody is paged when an incident is restarted. If you want that: "
    "`pagersync workflows enable {slug}`."
)


async def connect_integration(
    session: AsyncSession,
    *,
    requested_by: str,
    default_workflows: bool,
    listed: Listed | None = None,
    **columns: Any,
) -> tuple[NewSecret, list[str]]:
    """Add an account whose API key was verified before; return it, and what is left to do.

    Args:
        session: inside a transaction.
        requested_by: who connects it, for people.
        default_workflows: whether it gets its default workflows.
        listed: what PagerTree has of the kinds of its default targets; None: it was not asked.
        columns: of the account.

    Raises:
        ConflictError: the name is taken.
        ManyInvalidError: PagerTree lists no such default target.
    """
    new = await add_integration(session, **columns)
    targets, left = new.integration.default_targets, []
    if any(targets.values()) and listed is None:
        left = [UNCHECKED.format(name=quote(new.integration.name))]
    elif any(targets.values()) and listed is not None:
        new.integration.default_targets = await check_default_targets(
            session, new.integration.id, targets, listed
        )
        await session.flush()
        await session.refresh(new.integration)
    if not default_workflows:
        return new, left
    workflows = await create_default_workflows(session, new.integration, requested_by)
    return new, left + [
        f"The workflow {workflow.name!r} is off: {workflow.off_reason}."
        for workflow in workflows
        if workflow.off_reason and not workflow.enabled
    ] + [
        NO_RESTART.format(slug=workflow.slug)
        for workflow in workflows
        if "incident_restarted" in workflow.triggers and not workflow.enabled
    ]
