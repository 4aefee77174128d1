"""What is wrong with workflows that page."""

from shlex import quote

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.findings import Finding, Level
from pagersync.integrations.models import Integration
from pagersync.integrations.service import list_integrations
from pagersync.settings import Settings
from pagersync.workflows.account_workflows import (
    NOBODY_PAGES,
    OTHER_ACCOUNT,
    find_default_at_work,
    list_that_page,
)
from pagersync.workflows.earlier_defaults import Lacking, find_lacking
from pagersync.workflows.models import Workflow


async def find_workflow_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return workflows that are off, or cannot page, and whether nobody pages new incidents."""
    del settings
    return [
        *await _nobody_pages(session),
        *await _off(session),
        *await _without_account(session),
        *await _twice(session),
        *await _of_earlier_versions(session),
    ]


async def _nobody_pages(session: AsyncSession) -> list[Finding]:
    if await list_that_page(session):
        return []
    return [Finding("nobody_pages", Level.CRITICAL, NOBODY_PAGES, "pagersync workflows list")]


async def _off(session: AsyncSession) -> list[Finding]:
    """Return the workflows that pagersync itself switched off, or made switched off."""
    off = select(Workflow).where(
        Workflow.enabled.is_(False),
        Workflow.off_reason.is_not(None),
        Workflow.removed_at.is_(None),
        func.coalesce(Workflow.off_by, "") != OTHER_ACCOUNT,
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


async def _without_account(session: AsyncSession) -> list[Finding]:
    """Return the workflows that somebody switched on although their account cannot page."""
    statement = (
        select(Workflow, Integration)
        .join(Integration, Integration.id == Workflow.integration_id)
        .where(
            Workflow.enabled,
            Workflow.removed_at.is_(None),
            or_(Integration.enabled.is_(False), Integration.removed_at.is_not(None)),
        )
        .order_by(Workflow.id)
    )
    return [
        Finding(
            "workflow_without_account",
            Level.WARNING,
            f"The workflow {workflow.name!r} is on, and its account {account.name!r} "
            f"{'was removed' if account.removed_at else 'is disabled'}.",
            f"pagersync workflows show {workflow.slug}",
            account.id,
        )
        for workflow, account in await session.execute(statement)
    ]


async def _twice(session: AsyncSession) -> list[Finding]:
    """Return the default workflows that page for what another account's pages for already."""
    creating = select(Workflow).where(
        Workflow.enabled, Workflow.removed_at.is_(None), Workflow.default_key.like("%:create")
    )
    found = []
    for workflow in (await session.scalars(creating.order_by(Workflow.id))).all():
        other = await find_default_at_work(session, workflow)
        if other is not None and other.id < workflow.id:
            detail = (
                f"An incident is paged twice: by the workflows {other.slug!r} and "
                f"{workflow.slug!r} of two accounts."
            )
            remedy = f"pagersync workflows disable {workflow.slug}"
            found.append(Finding("paged_twice", Level.WARNING, detail, remedy))
    return found


async def _of_earlier_versions(session: AsyncSession) -> list[Finding]:
    """Return the accounts whose default workflows lack what those of new accounts have."""
    accounts = [each for each in await list_integrations(session) if each.enabled]
    return [
        Finding(
            "default_workflows_outdated",
            Level.WARNING,
            f"An earlier version made the default workflows of the account {account.name!r}: "
            f"{_lacks(lacking)}.",
            f"pagersync workflows update-defaults {quote(account.name)}",
            account.id,
        )
        for account in accounts
        if (lacking := await find_lacking(session, account))
    ]


def _lacks(lacking: Lacking) -> str:
    slugs = " and ".join(each.slug for each in lacking.paging_twice)
    parts = [f"{slugs} pages people again whom the incident's alert pages already"] if slugs else []
    if lacking.restart:
        parts.append("there is none, not even a switched-off one, that pages on a restart")
    return "; ".join(parts)
