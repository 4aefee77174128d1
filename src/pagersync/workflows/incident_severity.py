"""Which severity an incident gets that a workflow declares. No severity ever fails a task."""

from contextlib import suppress
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.actions import find_home
from pagersync.alerts.models import Alert
from pagersync.errors import NotFoundError
from pagersync.incidents.models import Severity
from pagersync.incidents.severities import find_severity, get_severity
from pagersync.pagertree.severity import AUTO, read_severity
from pagersync.workflows.already_paged import pager_of
from pagersync.workflows.context import TaskContext
from pagersync.workflows.task_params import CreateIncidentParams

LEVELS: Final = ("critical", "high", "medium", "low")


async def choose_severity(
    context: TaskContext, params: CreateIncidentParams, alert: Alert | None
) -> UUID | None:
    """Return the severity of a new incident; what cannot be found is noted, and left out.

    Args:
        context: of the task; gets the notes.
        params: `severity_id`, or else `severity`: an id, a slug, a name, a level or `SEV-1` to
            `SEV-4`; `auto` for that of the alert, or for its urgency if it has none.
        alert: what the incident is made of.
    """
    wanted = (params.severity_id or "").strip() or params.severity
    if wanted is None:
        return None
    if wanted.strip().lower() in ("", AUTO):
        return await _of_alert(context, alert)
    if severity_id := await _find(context.session, wanted.strip()):
        return severity_id
    context.notes.append(f"there is no severity {wanted!r}: the incident has none")
    return None


async def _of_alert(context: TaskContext, alert: Alert | None) -> UUID | None:
    if alert is None:
        return None
    pager = pager_of(alert, await find_home(context.session, alert))
    level = pager.severity or (pager.urgency if pager.urgency in LEVELS else None)
    if level is None:
        if pager.urgency is not None:
            context.notes.append(f"the alert has the urgency {pager.urgency} and no severity")
        return None
    severity_id = await _of_level(context.session, level)
    if severity_id is None:
        context.notes.append(f"no severity means {level}: the incident has none")
    elif pager.severity is None:
        context.notes.append(f"the alert has no severity: its urgency {level} was taken")
    return severity_id


async def _find(session: AsyncSession, wanted: str) -> UUID | None:
    """Return the severity that a text means: a level first, then a name, then PagerTree's names."""
    if wanted.lower() in LEVELS and (severity_id := await _of_level(session, wanted.lower())):
        return severity_id
    with suppress(NotFoundError):
        return await _kept(session, (await find_severity(session, wanted)).id)
    level = read_severity(wanted)
    return await _of_level(session, level.value) if level else None


async def _of_level(session: AsyncSession, level: str) -> UUID | None:
    own = select(Severity.id).where(Severity.severity == level).order_by(Severity.position)
    severity_id = await session.scalar(own.limit(1))
    with suppress(NotFoundError):
        return await _kept(session, severity_id) if severity_id else None
    return None


async def _kept(session: AsyncSession, severity_id: UUID) -> UUID:
    """Keep a severity from being removed until the incident has it."""
    return (await get_severity(session, severity_id, keep=True)).id
