"""Whether anybody is paged when an incident starts again."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.session import driver_connection
from pagersync.events.triggers import triggers_of
from pagersync.incidents.activity import Activity, add_activity
from pagersync.incidents.models import Incident
from pagersync.integrations.models import Integration
from pagersync.threads import INTERACTIVE, run_in
from pagersync.workflows.conditions import conditions_of
from pagersync.workflows.models import Workflow, WorkflowTask
from pagersync.workflows.subjects import load_subjects

PAGING_TASKS: Final = ("create_pagertree_alert", "page_pagertree")


async def notes_on_restart(session: AsyncSession, incident: Incident, before: str) -> list[str]:
    """Return that nobody is paged by a restart, and put it on the timeline.

    Nothing is returned if a workflow that is on pages somebody.

    Args:
        session: inside the transaction of the restart.
        incident: the incident, started again.
        before: the status that it had.
    """
    change = {"status": {"from": before, "to": incident.status}}
    triggers = triggers_of("incident.updated", {"changes": change})
    listening = await _listening(session, triggers)
    reasons = await _why_not(session, incident, [each for each in listening if each.enabled])
    if any(reason is None for reason in reasons):
        return []
    note = _nobody(incident, [each for each in listening if not each.enabled])
    told = Activity(
        incident_id=incident.id, event=note, source="system", occurred_at=datetime.now(UTC)
    )
    await add_activity(await driver_connection(session), [told])
    return [note]


async def _listening(session: AsyncSession, triggers: list[str]) -> list[Workflow]:
    """Return the workflows that page and have one of these triggers, on or off."""
    pages = select(WorkflowTask.workflow_id).where(
        WorkflowTask.enabled, WorkflowTask.task_params["task_type"].astext.in_(PAGING_TASKS)
    )
    can_page = select(Integration.id).where(
        Integration.id == Workflow.integration_id, Integration.removed_at.is_(None)
    )
    statement = select(Workflow).where(
        Workflow.removed_at.is_(None),
        Workflow.integration_id.is_(None) | can_page.exists(),
        Workflow.triggers.overlap(triggers),
        Workflow.id.in_(pages),
    )
    return list(await session.scalars(statement.order_by(Workflow.position, Workflow.id)))


async def _why_not(
    session: AsyncSession, incident: Incident, workflows: list[Workflow]
) -> list[str | None]:
    """Return for each workflow why it does not run for the incident as it is now, or None."""
    if not workflows:
        return []
    await session.flush()
    connection = await driver_connection(session)
    subject = (await load_subjects(connection, "incident", [incident.id]))[incident.id]
    now = datetime.now(UTC)

    def look() -> list[str | None]:
        conditions = [conditions_of(workflow.trigger_params) for workflow in workflows]
        return [each.first_failed(subject, now) for each in conditions]

    return await run_in(INTERACTIVE, look)


def _nobody(incident: Incident, switched_off: list[Workflow]) -> str:
    sentence = (
        f"Nobody is paged by this: incident {incident.number} is started again, and no workflow "
        "that is on pages for that."
    )
    restarts = [each for each in switched_off if "incident_restarted" in each.triggers]
    if not restarts:
        return f"{sentence} Page by hand, or make a workflow with the trigger incident_restarted."
    slug = restarts[0].slug
    return (
        f"{sentence} Page by hand; `pagersync workflows enable {slug}` pages the next time an "
        "incident is restarted."
    )
