"""Incidents: made, found, changed, moved through their lifecycle.

Whoever changes an incident has locked its row, and each change is one domain event and stands on
the timeline.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.base import new_id
from pagersync.database.session import driver_connection
from pagersync.errors import ConflictError, InvalidError, ManyInvalidError, NotFoundError
from pagersync.events.publish import Cause, happened, publish
from pagersync.fitting import with_notes
from pagersync.incidents import lifecycle
from pagersync.incidents.attach import attach_quietly
from pagersync.incidents.changes import By, sentences_of, status_name, told
from pagersync.incidents.lifecycle import is_over
from pagersync.incidents.models import (
    Incident,
    IncidentKind,
    IncidentNumber,
    IncidentStatus,
    Severity,
)
from pagersync.incidents.severities import get_severity
from pagersync.incidents.timeline import add_trail
from pagersync.texts import few

NUMBER: Final = re.compile(r"[0-9]{1,18}")
SLUG: Final = re.compile(r"([0-9]{1,18})-[a-z0-9-]*")
"""An incident's number and its title, as it is or was: a changed title breaks no link."""

CLOCKS_APART: Final = timedelta(minutes=1)
"""How far another's clock may be ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIncident:
    """An incident to make.

    Attributes:
        title: None for one that is made up.
        source_alert_id: the alert that it is made of; it is attached, too.
        alert_ids: alerts to attach.
        resolve_open_alerts: whether those that are open are resolved, if it is over already.
        notes: what of the request was cut or left out, for the timeline; gets what else the caller
            should know, one sentence each.
        times: when it became what, by column, where that is not now.
    """

    title: str | None = None
    summary: str | None = None
    severity_id: UUID | None = None
    status: str = IncidentStatus.STARTED
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: str = IncidentKind.NORMAL
    private: bool = False
    duplicate_incident_id: UUID | None = None
    source_alert_id: UUID | None = None
    alert_ids: Sequence[UUID] = ()
    resolve_open_alerts: bool = False
    notes: list[str] = field(default_factory=list)
    times: Mapping[str, datetime] = field(default_factory=dict)


async def create_incident(session: AsyncSession, new: NewIncident, cause: Cause) -> Incident:
    """Make an incident; with `source_alert_id`, return the one that the alert became already.

    Its number comes from one row that stays locked until the transaction ends, so that numbers
    have no gaps: make incidents at the end of short transactions.

    Raises:
        InvalidError: values that cannot be right.
    """
    now = datetime.now(UTC)
    status = IncidentStatus(new.status)
    values = lifecycle.values_of_entering(status, new.times, by=cause.requested_by, now=now)
    values |= new.times
    values |= {_by(name): cause.requested_by for name in new.times}
    alert_ids = [*new.alert_ids, *([new.source_alert_id] if new.source_alert_id else [])]
    _check_times(status, values, new.times, now)
    await _check_severity(session, new.severity_id)
    await _check_original(session, None, new.duplicate_incident_id)
    number = await _lock_number(session)
    if made := await _find_made_of(session, new.source_alert_id):
        return made
    number.last += 1
    incident = Incident(
        id=new_id(),
        number=number.last,
        title=new.title or f"Incident {number.last}",
        summary=new.summary,
        severity_id=new.severity_id,
        labels=dict(new.labels),
        kind=IncidentKind(new.kind).value,
        private=new.private,
        duplicate_incident_id=new.duplicate_incident_id,
        source=cause.source,
        created_by=cause.requested_by,
        source_alert_id=new.source_alert_id,
        workflow_run_id=cause.workflow_run_id,
        depth=cause.depth,
        **values,
    )
    session.add(incident)
    await session.flush()
    text = f"Incident {number.last} created as {status_name(status)} by {cause.requested_by}."
    add_trail(session, incident.id, with_notes(text, few(new.notes)), cause, occurred_at=now)
    attached = await attach_quietly(
        session, incident, alert_ids, cause, resolve_open=new.resolve_open_alerts
    )
    new.notes.extend(attached.notes)
    data = {"status": incident.status, "title": incident.title, "number": incident.number}
    fact = happened("incident.created", incident.id, data, cause=cause)
    await publish(await driver_connection(session), [fact])
    await session.refresh(incident)
    return incident


async def get_incident(
    session: AsyncSession, reference: UUID | str, *, lock: bool = False
) -> Incident:
    """Return an incident by its UUID, number or slug; with `lock`, nobody changes it meanwhile.

    Raises:
        NotFoundError: there is none, or it was removed.
    """
    statement = select(Incident).where(_is_called(reference), Incident.removed_at.is_(None))
    if lock:  # those who only refer to it need not wait: timelines, attached alerts
        statement = statement.with_for_update(key_share=True)
        statement = statement.execution_options(populate_existing=True)
    incident = await session.scalar(statement)
    if incident is None:
        raise NotFoundError(f"there is no incident {reference}", noun="incident", id_=reference)
    return incident


async def change_incident(
    session: AsyncSession,
    incident: Incident,
    values: Mapping[str, Any],
    cause: Cause,
    notes: Sequence[str] = (),
) -> Incident:
    """Set columns of an incident. What changes nothing publishes nothing.

    Args:
        session: inside a transaction.
        incident: the incident, locked.
        values: by column; a status takes its times along.
        cause: who changes it.
        notes: what of the request was cut or left out, for the timeline.

    Raises:
        InvalidError: an impossible change of status, or values that cannot be right.
    """
    before, after = incident.status, values.get("status", incident.status)
    if rule := lifecycle.why_not(IncidentStatus(before), IncidentStatus(after)):
        raise InvalidError(rule, pointer="/data/attributes/status")
    return await _change(session, incident, values, cause, notes)


async def move_incident(
    session: AsyncSession,
    incident: Incident,
    status: str,
    cause: Cause,
    message: str | None = None,
    notes: Sequence[str] = (),
) -> Incident:
    """Move an incident to another status; the one that it has already changes nothing.

    Args:
        session: inside a transaction.
        incident: the incident, locked.
        status: the new one; `started` from `mitigated` on is a restart.
        cause: who moves it.
        message: why; kept for those statuses that have a message.
        notes: what of the message was cut, for the timeline.

    Raises:
        InvalidError: an impossible change of status.
    """
    if status == incident.status:
        return incident
    values: dict[str, Any] = {"status": status}
    if message is not None and (column := lifecycle.MESSAGES.get(status)):
        values[column] = message
    return await change_incident(session, incident, values, cause, notes)


async def mark_duplicate(
    session: AsyncSession,
    incident: Incident,
    original_id: UUID,
    cause: Cause,
    *,
    auto_cancel: bool = True,
    reason: str | None = None,
) -> Incident:
    """Mark an incident as a duplicate of another, and cancel it unless it is over.

    Raises:
        InvalidError: the other does not exist, or is this one.
    """
    values: dict[str, Any] = {"duplicate_incident_id": original_id}
    if auto_cancel and not is_over(incident.status):
        values["status"] = IncidentStatus.CANCELLED.value
        if reason is not None:
            values[lifecycle.MESSAGES[IncidentStatus.CANCELLED]] = reason
    return await _change(session, incident, values, cause)


async def unmark_duplicate(session: AsyncSession, incident: Incident, cause: Cause) -> Incident:
    """Take back that an incident is a duplicate; its status stays.

    Raises:
        InvalidError: it is none.
    """
    if incident.duplicate_incident_id is None:
        raise InvalidError(f"incident {incident.number} is not marked as a duplicate")
    return await _change(session, incident, {"duplicate_incident_id": None}, cause)


async def remove_incident(session: AsyncSession, incident: Incident, cause: Cause) -> Incident:
    """Remove an incident, which is locked: nobody finds it any more. Its row and number stay.

    Raises:
        ConflictError: it is not over, and people may be paged for it.
    """
    if not is_over(incident.status):
        raise ConflictError(
            f"incident {incident.number} is {incident.status}: resolve or cancel it first, so that "
            "nobody is paged for what cannot be seen any more"
        )
    incident.removed_at = datetime.now(UTC)
    incident.version += 1
    add_trail(session, incident.id, f"Incident removed by {cause.requested_by}.", cause)
    await session.flush()
    data = {"status": incident.status, "title": incident.title, "number": incident.number}
    fact = happened("incident.deleted", incident.id, data, cause=cause)
    await publish(await driver_connection(session), [fact])
    await session.refresh(incident)
    return incident


async def _change(
    session: AsyncSession,
    incident: Incident,
    values: Mapping[str, Any],
    cause: Cause,
    notes: Sequence[str] = (),
) -> Incident:
    now = datetime.now(UTC)
    status = IncidentStatus(values.get("status", incident.status))
    wanted = {name: value for name, value in values.items() if getattr(incident, name) != value}
    times = {name: value for name, value in wanted.items() if name in lifecycle.TIMES}
    wanted |= {_by(name): value and cause.requested_by for name, value in times.items()}
    if status != incident.status:
        known = {name: getattr(incident, name) for name in lifecycle.TIMES} | times
        entering = lifecycle.values_of_entering(status, known, by=cause.requested_by, now=now)
        wanted = entering | wanted
    wanted = {name: value for name, value in wanted.items() if getattr(incident, name) != value}
    if not wanted:
        return incident
    after = {name: wanted.get(name, getattr(incident, name)) for name in lifecycle.TIMES}
    if times:
        _check_times(status, after, times, now)
    if incident.private and wanted.get("private") is False:
        raise InvalidError("private: cannot be undone", pointer="/data/attributes/private")
    by = By(
        name=cause.requested_by,
        severities=await _severities(session, incident, wanted),
        original=await _check_original(session, incident, wanted.get("duplicate_incident_id")),
    )
    named = {name: (getattr(incident, name), wanted[name]) for name in values if name in wanted}
    if lifecycle.is_restart(incident.status, status):
        wanted["restarted_at"] = func.now()  # as its event has it
    for name, value in wanted.items():
        setattr(incident, name, value)
    incident.version += 1
    for name, sentence in sentences_of(named, by):
        moment = times.get(f"{status.value}_at") if name == "status" else None
        add_trail(session, incident.id, sentence, cause, occurred_at=moment or now)
    if notes:
        text = with_notes(f"The request of {cause.requested_by} was shortened", few(notes)) + "."
        add_trail(session, incident.id, text, cause, occurred_at=now)
    await session.flush()
    data = {"changes": told(named, by.severities)}
    fact = happened("incident.updated", incident.id, data, cause=cause)
    await publish(await driver_connection(session), [fact])
    await session.refresh(incident)
    return incident


def _by(time: str) -> str:
    """Return the column of who set a time."""
    return f"{time.removesuffix('_at')}_by"


def _is_called(reference: UUID | str) -> ColumnElement[bool]:
    if isinstance(reference, UUID):
        return Incident.id == reference
    if NUMBER.fullmatch(reference):
        return Incident.number == int(reference)
    with suppress(ValueError):
        return Incident.id == UUID(reference)
    if slug := SLUG.fullmatch(reference):
        return Incident.number == int(slug[1])
    raise NotFoundError(f"{reference!r} is neither a UUID nor a number nor a slug")


async def _lock_number(session: AsyncSession) -> IncidentNumber:
    """Lock the newest number until the transaction ends."""
    connection = await driver_connection(session)
    await connection.execute(_FIRST_NUMBER)
    statement = select(IncidentNumber).with_for_update()
    return (await session.scalars(statement.execution_options(populate_existing=True))).one()


_FIRST_NUMBER: Final = (
    "INSERT INTO incident_numbers (id, last) VALUES (1, 0) ON CONFLICT DO NOTHING"
)


async def _find_made_of(session: AsyncSession, alert_id: UUID | None) -> Incident | None:
    if alert_id is None:
        return None
    is_made = (Incident.source_alert_id == alert_id) & Incident.removed_at.is_(None)
    return await session.scalar(select(Incident).where(is_made))


async def _check_severity(session: AsyncSession, severity_id: UUID | None) -> Severity | None:
    if severity_id is None:
        return None
    try:
        return await get_severity(session, severity_id, keep=True)
    except NotFoundError as error:
        raise InvalidError(error.detail, pointer="/data/attributes/severity_id") from None


async def _severities(
    session: AsyncSession, incident: Incident, wanted: Mapping[str, Any]
) -> tuple[Severity | None, Severity | None]:
    """Return the severity that an incident has, and the one that it gets."""
    if "severity_id" not in wanted:
        return None, None
    before = None
    if incident.severity_id is not None:
        before = await get_severity(session, incident.severity_id)
    return before, await _check_severity(session, wanted["severity_id"])


async def _check_original(
    session: AsyncSession, incident: Incident | None, original_id: UUID | None
) -> Incident | None:
    """Return the incident that another is to be a duplicate of."""
    if original_id is None:
        return None
    pointer = "/data/attributes/duplicate_incident_id"
    try:
        original = await get_incident(session, original_id)
    except NotFoundError as error:
        raise InvalidError(error.detail, pointer=pointer) from None
    if incident is not None and incident.id in (original.id, original.duplicate_incident_id):
        raise InvalidError("an incident cannot be a duplicate of itself", pointer=pointer)
    return original


def _check_times(
    status: IncidentStatus,
    times: Mapping[str, datetime | None],
    given: Mapping[str, datetime | None],
    now: datetime,
) -> None:
    problems = [
        *lifecycle.problems_of_times(status, times),
        *(
            (name, "lies in the future")
            for name, moment in given.items()
            if moment is not None and moment > now + CLOCKS_APART
        ),
    ]
    if problems:
        raise ManyInvalidError(
            [
                InvalidError(f"{name}: {why}", pointer=f"/data/attributes/{name}")
                for name, why in problems
            ]
        )
