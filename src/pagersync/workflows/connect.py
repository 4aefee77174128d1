"""Connecting a PagerTree account: the account, and the workflows that come with it."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations.service import NewSecret, add_integration
from pagersync.workflows.defaults import create_default_workflows


async def connect_integration(
    session: AsyncSession, *, requested_by: str, default_workflows: bool, **columns: Any
) -> tuple[NewSecret, list[str]]:
    """Add an account whose API key was verified before; return it, and what is left to do.

    Args:
        session: inside a transaction.
        requested_by: who connects it, for people.
        default_workflows: whether it gets its two default workflows.
        columns: of the account.

    Raises:
        ConflictError: the name is taken.
    """
    new = await add_integration(session, **columns)
    if not default_workflows:
        return new, []
    workflows = await create_default_workflows(session, new.integration, requested_by)
    return new, [
        f"The workflow {workflow.name!r} is off: {workflow.off_reason}."
        for workflow in workflows
        if workflow.off_reason and not workflow.enabled
    ]
