"""The tasks there are: what each can be told, and what executes it."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from pagersync.fitting import fit
from pagersync.incidents.lifecycle import is_over, is_restart
from pagersync.incidents.requests import TEXT_CHARACTERS_MAX, TITLE_CHARACTERS_MAX
from pagersync.incidents.service import NewIncident, move_incident
from pagersync.incidents.service import create_incident as create_incident_once
from pagersync.incidents.timeline import add_entry
from pagersync.workflows import paging_tasks as paging
from pagersync.workflows.context import TaskContext, TaskResult
from pagersync.workflows.incident_severity import choose_severity
from pagersync.workflows.page_texts import title_of
from pagersync.workflows.restart import notes_on_restart
from pagersync.workflows.task_params import (
    AddToTimelineParams,
    CreateIncidentParams,
    PrintParams,
    UpdateStatusParams,
)

Execute: TypeAlias = Callable[[TaskContext, Any], Awaitable[TaskResult]]
"""Executes a task in the transaction that also records it, so it is done once or not at all."""


async def update_status(context: TaskContext, params: UpdateStatusParams) -> TaskResult:
    """Move the incident to the status that the task names."""
    incident = await context.incident()
    before = incident.status
    moved = await move_incident(
        context.session, incident, params.status, context.cause, params.message, [*context.notes]
    )
    if is_restart(before, moved.status):
        context.notes.extend(await notes_on_restart(context.session, moved, before))
    return TaskResult({"incident_id": str(moved.id), "status": moved.status})


async def add_to_timeline(context: TaskContext, params: AddToTimelineParams) -> TaskResult:
    """Add an entry to the incident's timeline."""
    incident = await context.incident()
    text = f"{params.event} {params.url}" if params.url else params.event
    if not text.strip():
        context.notes.append("the event is empty, so nothing was added to the timeline")
        return TaskResult({"skipped": "the event is empty"})
    entry = await add_entry(context.session, incident, text, context.cause)
    return TaskResult({"event_id": str(entry.id)})


async def _title(context: TaskContext, said: str) -> str:
    title = await title_of(context, said)
    return fit("title", title, TITLE_CHARACTERS_MAX, context.notes)


async def create_incident(context: TaskContext, params: CreateIncidentParams) -> TaskResult:
    """Declare an incident; if the alert was made one before, that is the one."""
    session = context.session
    alert = await context.alert()
    severity_id = await choose_severity(context, params, alert)
    new = NewIncident(
        title=await _title(context, params.title),
        summary=fit("summary", params.summary, TEXT_CHARACTERS_MAX, context.notes),
        severity_id=severity_id,
        private=params.private,
        source_alert_id=alert.id if alert else None,
        notes=context.notes,
    )
    incident = await create_incident_once(session, new, context.cause)
    if is_over(incident.status):
        context.notes.append(
            f"the alert became incident {incident.number} before, which is {incident.status}: no "
            "other is made"
        )
    result = {"incident_id": str(incident.id), "number": incident.number}
    return TaskResult(result, incident_id=incident.id)


async def print_message(_: TaskContext, params: PrintParams) -> TaskResult:
    """Keep the text on the run."""
    return TaskResult({"message": params.message})


EXECUTE: Final[Mapping[str, Execute]] = MappingProxyType(
    {
        "create_pagertree_alert": paging.create_pagertree_alert,
        "update_pagertree_alert": paging.update_pagertree_alert,
        "page_pagertree": paging.create_pagertree_alert,
        "acknowledge_pagertree_alert": paging.acknowledge_pagertree_alert,
        "resolve_pagertree_alert": paging.resolve_pagertree_alert,
        "update_status": update_status,
        "add_to_timeline": add_to_timeline,
        "create_incident": create_incident,
        "print": print_message,
    }
)
