"""What is wrong with workflows that page."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.findings import Finding, Level
from pagersync.settings import Settings
from pagersync.workflows.models import Workflow


async def find_workflow_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return the workflows that pagersync itself switched off, or made switched off."""
    del settings
    off = select(Workflow).where(
        Workflow.enabled.is_(False), Workflow.off_reason.is_not(None), Workflow.removed_at.is_(None)
    )
    return [
        Finding(
            "workflow_off",
            Level.WARNING,
            f"The workflow {workflow.name!r} is off: {workflow.off_reason}",
            f"pagersync workflows show {workflow.slug}",
            workflow.integration_id,
        )
        for workflow in await session.scalars(off.order_by(Workflow.id))
    ]
