"""Default workflows of accounts that an earlier version connected: what they lack, and adding it.

What somebody decided stays: a workflow that was removed is not made again, and a task that sets
`skip_if_alert_pages`, to true or to false, is not changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations.models import Integration
from pagersync.workflows.defaults import (
    CREATE,
    RESTART,
    add_restart_workflow,
    default_key,
    find_default_workflow,
)
from pagersync.workflows.models import Workflow, WorkflowTask
from pagersync.workflows.service import get_workflow, note_change

SKIPS: Final = {"skip_if_alert_pages": True}


@dataclass(frozen=True, slots=True)
class Lacking:
    """What the default workflows of an account lack.

    Attributes:
        paging_twice: those that page the same people again for an incident made of an alert.
        restart: whether there is none for incidents that are restarted.
    """

    paging_twice: Sequence[Workflow] = ()
    restart: bool = False

    def __bool__(self) -> bool:
        """Tell whether anything is lacking."""
        return self.restart or bool(self.paging_twice)


async def find_lacking(session: AsyncSession, account: Integration) -> Lacking:
    """Return what an account's default workflows lack: nothing, if it has none that pages."""
    if await find_default_workflow(session, account.id, CREATE) is None:
        return Lacking()
    restart = select(Workflow.id).where(Workflow.default_key == default_key(account.id, RESTART))
    return Lacking(
        paging_twice=(await session.scalars(_paging_twice(account))).unique().all(),
        restart=await session.scalar(restart) is None,
    )


async def add_lacking(session: AsyncSession, account: Integration, requested_by: str) -> list[str]:
    """Give an account's default workflows what they lack; return what was done, for people."""
    lacking = await find_lacking(session, account)
    done = []
    for each in lacking.paging_twice:
        workflow = await get_workflow(session, each.id, lock=True)
        await _set_skips(session, workflow)
        done.append(
            f"The workflow {workflow.slug} waits while the alert that an incident was made of "
            "pages the same people (skip_if_alert_pages: true)."
        )
    if lacking.restart:
        workflow = await add_restart_workflow(session, account, requested_by)
        done.append(
            f"The workflow {workflow.slug} is added. It is off; if it shall page when an incident "
            f"is restarted: `pagersync workflows enable {workflow.slug}`."
        )
    return done


def _paging_twice(account: Integration) -> Select[Workflow]:
    keys = [default_key(account.id, which) for which in (CREATE, RESTART)]
    return (
        select(Workflow)
        .join(WorkflowTask, WorkflowTask.workflow_id == Workflow.id)
        .where(Workflow.default_key.in_(keys), Workflow.removed_at.is_(None), _undecided())
        .order_by(Workflow.id)
    )


def _undecided() -> ColumnElement[bool]:
    """Tell of tasks that page and do not say whether they wait for an alert that pages."""
    params = WorkflowTask.task_params
    return and_(
        params["task_type"].astext == "create_pagertree_alert",
        params["skip_if_alert_pages"].is_(None),
    )


async def _set_skips(session: AsyncSession, workflow: Workflow) -> None:
    own = select(WorkflowTask).where(WorkflowTask.workflow_id == workflow.id, _undecided())
    for task in (await session.scalars(own)).all():
        task.task_params = task.task_params | SKIPS
    await note_change(session, workflow)
