"""The workflows that come with an integration, to be reviewed, changed and switched on or off."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations.models import Integration
from pagersync.workflows.account_workflows import (
    BY_ACCOUNT,
    OTHER_ACCOUNT,
    find_default_at_work,
    off_by_account,
    other_pages,
    switch,
    switch_on_workflows,
)
from pagersync.workflows.definition import RUNS_PER_MINUTE_MAX
from pagersync.workflows.models import Workflow, WorkflowTask
from pagersync.workflows.slugs import unique_slug
from pagersync.workflows.trigger_params import parse_trigger_params, to_json

NO_TARGET: Final = (
    "the integration has no default targets, so there is nobody to page: set some, with "
    "`pagersync integrations default-targets`, or name teams or users in the task, and switch it on"
)

CREATE: Final = "create"
RESOLVE: Final = "resolve"
RESTART: Final = "restart"
KEYS: Final = (CREATE, RESOLVE, RESTART)


async def create_default_workflows(
    session: AsyncSession, integration: Integration, requested_by: str
) -> list[Workflow]:
    """Give an integration its default workflows.

    If an account of the same name was connected before and removed since, its workflows go over to
    the new one, as people have changed them meanwhile: there are never two of a kind.

    A workflow stays off while another account's does the same: nobody is paged twice.
    """
    taken_over = await _take_over(session, integration)
    if taken_over:
        return taken_over
    made = [
        await _add(session, integration, _page_on_creation(integration), requested_by),
        await _add(session, integration, _resolve_on_resolution(), requested_by),
        await add_restart_workflow(session, integration, requested_by),
    ]
    for workflow in made:
        await _yield_to_others(session, workflow)
    return made


async def add_restart_workflow(
    session: AsyncSession, integration: Integration, requested_by: str
) -> Workflow:
    """Add the workflow that pages when an incident is restarted; it is off."""
    return await _add(session, integration, _page_on_restart(), requested_by)


async def _yield_to_others(session: AsyncSession, workflow: Workflow) -> None:
    other = await find_default_at_work(session, workflow) if workflow.enabled else None
    if other is not None:
        await switch(session, workflow, off_by=OTHER_ACCOUNT, reason=other_pages(other))
        await session.refresh(workflow)


async def _take_over(session: AsyncSession, integration: Integration) -> list[Workflow]:
    keys = [default_key(integration.id, which) for which in KEYS]
    own = select(Workflow).where(Workflow.default_key.in_(keys))
    existing = list(await session.scalars(own))
    if existing:
        return existing
    former = (
        select(Workflow)
        .join(Integration, Integration.id == Workflow.integration_id)
        .where(
            or_(Workflow.default_key.is_not(None), Workflow.off_by.startswith(BY_ACCOUNT)),
            Integration.removed_at.is_not(None),
            Integration.name == integration.name,
        )
        .with_for_update(of=Workflow)
    )
    workflows = list(await session.scalars(former))
    for workflow in workflows:
        if workflow.default_key is not None:
            which = workflow.default_key.rpartition(":")[2]
            workflow.default_key = default_key(integration.id, which)
        if workflow.off_by == off_by_account(workflow.integration_id):
            workflow.off_by = off_by_account(integration.id)
        workflow.integration_id = integration.id
        workflow.version += 1
    await session.flush()
    await switch_on_workflows(session, integration)
    return [workflow for workflow in workflows if workflow.default_key is not None]


async def find_default_workflow(
    session: AsyncSession, integration_id: UUID, which: str
) -> Workflow | None:
    """Return one of an integration's default workflows, if it was made and not removed."""
    statement = select(Workflow).where(
        Workflow.default_key == default_key(integration_id, which), Workflow.removed_at.is_(None)
    )
    return await session.scalar(statement)


def default_key(integration_id: UUID, which: str) -> str:
    """Return what makes a default workflow the only one of its kind."""
    return f"{integration_id}:{which}"


def _page_on_creation(integration: Integration) -> dict[str, Any]:
    has_target = any(integration.default_targets.values())
    return {
        "which": CREATE,
        "name": "Create a PagerTree alert when an incident is created",
        "description": "Pages the integration's default targets, once for each incident. Tests and "
        "examples page nobody.",
        "runs_per_minute_max": 60,
        "enabled": has_target,
        "off_reason": None if has_target else NO_TARGET,
        "trigger_params": {
            "trigger_type": "incident",
            "triggers": ["incident_created"],
            "incident_condition_kind": "IS",
            "incident_kinds": ["normal"],
        },
        "task": _page_task(),
    }


def _page_on_restart() -> dict[str, Any]:
    return {
        "which": RESTART,
        "name": "Create a PagerTree alert when an incident is restarted",
        "description": "Pages the integration's default targets each time an incident that had "
        "ended is started again. Off unless you switch it on.",
        "runs_per_minute_max": 60,
        "enabled": False,
        "off_reason": None,
        "trigger_params": {
            "trigger_type": "incident",
            "triggers": ["incident_restarted"],
            "incident_condition_kind": "IS",
            "incident_kinds": ["normal"],
        },
        "task": _page_task(),
    }


def _page_task() -> dict[str, Any]:
    return {
        "task_type": "create_pagertree_alert",
        "title": "{{ incident.title }}",
        "description": "{{ incident.summary }}",
        "urgency": "auto",
        "severity": "auto",
        "incident": True,
        "skip_if_alert_pages": True,
    }


def _resolve_on_resolution() -> dict[str, Any]:
    return {
        "which": RESOLVE,
        "name": "Resolve linked PagerTree alerts when the incident is resolved",
        "description": "Resolves what was paged for the incident and the alerts attached to it; a "
        "page that was not sent yet is not sent any more.",
        "runs_per_minute_max": RUNS_PER_MINUTE_MAX,  # what is not resolved goes on paging people
        "enabled": True,
        "off_reason": None,
        "trigger_params": {
            "trigger_type": "incident",
            "triggers": ["status_updated"],
            "incident_condition_status": "IS",
            "incident_statuses": ["resolved", "cancelled"],
        },
        "task": {"task_type": "resolve_pagertree_alert"},
    }


async def _add(
    session: AsyncSession, integration: Integration, default: dict[str, Any], requested_by: str
) -> Workflow:
    params = parse_trigger_params(default["trigger_params"])
    name = default["name"]
    workflow = Workflow(
        integration_id=integration.id,
        name=name,
        slug=await unique_slug(session, f"{name} {integration.name}"),
        description=default["description"],
        enabled=default["enabled"],
        off_reason=default["off_reason"],
        trigger_params=to_json(params),
        triggers=list(params.triggers),
        default_key=default_key(integration.id, default["which"]),
        created_by=requested_by,
        runs_per_minute_max=default["runs_per_minute_max"],
    )
    session.add(workflow)
    await session.flush()
    task_type = default["task"]["task_type"]
    session.add(
        WorkflowTask(
            workflow_id=workflow.id,
            position=1,
            name=task_type.replace("_", " ").capitalize(),
            task_params=default["task"],
        )
    )
    await session.flush()
    await session.refresh(workflow)
    return workflow
