"""Which workflows stop, and which begin again, when an account is disabled, enabled or removed.

A workflow that pagersync itself switched off keeps why in `off_by`. Only such a workflow is ever
switched on again by pagersync: what a person switched off stays off.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from pagersync.integrations.models import Integration
from pagersync.integrations.service import list_integrations
from pagersync.workflows.models import Workflow, WorkflowTask

BY_ACCOUNT: Final = "account "
"""Begins the `off_by` of a workflow that is off because its account is disabled or removed."""

OTHER_ACCOUNT: Final = "another account"
"""`off_by` of a default workflow: that of another account does its work."""

NOBODY_PAGES: Final = (
    "No workflow that is on pages anybody when an incident is created: nobody is paged for new "
    "incidents. Switch one on: `pagersync workflows list`."
)

_Condition: TypeAlias = ColumnElement[bool] | InstrumentedAttribute[bool]

PAGING_TASKS: Final = ("create_pagertree_alert", "page_pagertree")


def off_by_account(integration_id: UUID | None) -> str:
    """Return the `off_by` of workflows that are off because an account is disabled or removed."""
    return f"{BY_ACCOUNT}{integration_id}"


async def switch_off_workflows(
    session: AsyncSession, account: Integration, *, reason: str
) -> Sequence[Workflow]:
    """Switch off what can no longer do its work without an account; return those workflows.

    These are the account's own workflows, and, if no other account can page, those whose tasks
    name it.
    """
    others = [one for one in await list_integrations(session) if one.enabled and one != account]
    is_of: ColumnElement[bool] = Workflow.integration_id == account.id
    if not others:
        is_of = or_(is_of, Workflow.id.in_(_naming(account)))
    found = await _locked(session, is_of, Workflow.enabled)
    for workflow in found:
        await switch(session, workflow, off_by=off_by_account(account.id), reason=reason)
    return found


async def list_naming(session: AsyncSession, account: Integration) -> Sequence[Workflow]:
    """Return the workflows that are on and page through an account because a task names it."""
    statement = select(Workflow).where(
        Workflow.removed_at.is_(None), Workflow.enabled, Workflow.id.in_(_naming(account))
    )
    return (await session.scalars(statement.order_by(Workflow.id))).all()


async def switch_on_workflows(session: AsyncSession, account: Integration) -> Sequence[Workflow]:
    """Switch on again what was off because of an account; return what is on now.

    A default workflow whose work another account's does meanwhile stays off, and says so.
    """
    found = await _locked(session, Workflow.off_by == off_by_account(account.id))
    switched = []
    for workflow in found:
        other = await find_default_at_work(session, workflow)
        if other is None:
            await switch(session, workflow, off_by=None)
            switched.append(workflow)
        else:
            await switch(session, workflow, off_by=OTHER_ACCOUNT, reason=other_pages(other))
    return switched


async def switch_on_spare_defaults(session: AsyncSession) -> Sequence[Workflow]:
    """Let other accounts' default workflows do the work that nobody's does any more.

    Of each kind the oldest account's that can do it; return those that are on now. The others say
    why they stay off: the workflow that did their work may be off by now, too.
    """
    accounts = {one.id: one for one in await list_integrations(session) if one.enabled}
    found = await _locked(session, Workflow.off_by == OTHER_ACCOUNT)
    switched = []
    for workflow in found:
        account = accounts.get(workflow.integration_id) if workflow.integration_id else None
        off_by, reason = await _why_off(session, workflow, account)
        if (off_by, reason) != (workflow.off_by, workflow.off_reason):
            await switch(session, workflow, off_by=off_by, reason=reason)
        if off_by is None:
            switched.append(workflow)
    return switched


async def _why_off(
    session: AsyncSession, workflow: Workflow, account: Integration | None
) -> tuple[str | None, str | None]:
    """Return `off_by` and the reason of a spare default workflow; None: it can be on.

    Args:
        session: a session.
        workflow: is off because another account's does its work, or did.
        account: its account; None if that is disabled or removed.
    """
    if (other := await find_default_at_work(session, workflow)) is not None:
        return OTHER_ACCOUNT, other_pages(other)
    if account is None:
        return off_by_account(workflow.integration_id), "its account is disabled or was removed"
    if is_creating(workflow) and not any(account.default_targets.values()):
        return OTHER_ACCOUNT, f"the account {account.name!r} has no default targets"
    return None, None


async def find_default_at_work(session: AsyncSession, workflow: Workflow) -> Workflow | None:
    """Return another enabled account's default workflow of the same kind that is on."""
    if workflow.default_key is None:
        return None
    kind = workflow.default_key.rpartition(":")[2]
    statement = (
        select(Workflow)
        .join(Integration, Integration.id == Workflow.integration_id)
        .where(
            Workflow.default_key.like(f"%:{kind}"),
            Workflow.id != workflow.id,
            Workflow.enabled,
            Workflow.removed_at.is_(None),
            Integration.enabled,
        )
        .order_by(Workflow.id)
        .limit(1)
    )
    return await session.scalar(statement)


def other_pages(other: Workflow) -> str:
    """Return why a default workflow is off whose work that of another account does."""
    does = "pages" if is_creating(other) else "resolves"
    return f"another account's default workflow {does} already: {other.slug}"


def is_creating(workflow: Workflow) -> bool:
    """Tell whether a default workflow is the one that pages."""
    return str(workflow.default_key).endswith(":create")


async def switch(
    session: AsyncSession, workflow: Workflow, *, off_by: str | None, reason: str | None = None
) -> None:
    """Switch a locked workflow off, or, without a cause, on."""
    workflow.enabled = off_by is None
    workflow.off_by = off_by
    workflow.off_reason = reason
    workflow.version += 1
    await session.flush()


async def list_that_page(session: AsyncSession) -> Sequence[Workflow]:
    """Return the workflows that page somebody when an incident is created, and can."""
    pages = WorkflowTask.task_params["task_type"].astext.in_(PAGING_TASKS)
    with_paging_task = select(WorkflowTask.workflow_id).where(pages, WorkflowTask.enabled)
    usable = select(Integration.id).where(Integration.enabled, Integration.removed_at.is_(None))
    statement = select(Workflow).where(
        Workflow.removed_at.is_(None),
        Workflow.enabled,
        Workflow.triggers.overlap(["incident_created", "incident_started", "incident_in_triage"]),
        Workflow.id.in_(with_paging_task),
        or_(Workflow.integration_id.is_(None), Workflow.integration_id.in_(usable)),
    )
    return (await session.scalars(statement.order_by(Workflow.id))).all()


async def alarm(session: AsyncSession) -> list[str]:
    """Return the warning that nobody is paged for new incidents, if that is so."""
    return [] if await list_that_page(session) else [NOBODY_PAGES]


def _naming(account: Integration) -> Any:
    """Return SQL: the workflows of which an enabled task names an account."""
    named = WorkflowTask.task_params["integration"].astext
    return select(WorkflowTask.workflow_id).where(
        named.in_([account.name, str(account.id)]), WorkflowTask.enabled
    )


async def _locked(session: AsyncSession, *conditions: _Condition) -> Sequence[Workflow]:
    statement = (
        select(Workflow)
        .where(Workflow.removed_at.is_(None), *conditions)
        .order_by(Workflow.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()
