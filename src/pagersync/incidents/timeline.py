"""Timelines: what people put on them, and the trail of what was done to an incident."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.base import new_id
from pagersync.database.session import driver_connection
from pagersync.errors import ConflictError, NotFoundError
from pagersync.events.publish import Cause, happened, publish
from pagersync.incidents.models import EventKind, Incident, IncidentEvent, Visibility
from pagersync.integrations.values import to_uuid


async def add_entry(
    session: AsyncSession,
    incident: Incident,
    text: str,
    cause: Cause,
    *,
    visibility: str = Visibility.INTERNAL,
    occurred_at: datetime | None = None,
) -> IncidentEvent:
    """Put something on an incident's timeline, and publish it.

    Args:
        session: inside a transaction.
        incident: whose timeline.
        text: what happened, for people.
        cause: who says so.
        visibility: whom it is for.
        occurred_at: when it happened, if not now.
    """
    entry = IncidentEvent(
        incident_id=incident.id,
        event=text,
        kind=EventKind.EVENT.value,
        visibility=Visibility(visibility).value,
        occurred_at=occurred_at or datetime.now(UTC),
        **_origin(cause),
    )
    session.add(entry)
    await session.flush()
    await _publish(session, entry, cause, "created")
    await session.refresh(entry)
    return entry


async def get_entry(session: AsyncSession, reference: str, *, lock: bool = False) -> IncidentEvent:
    """Return one entry of a timeline; with `lock`, nobody else changes it meanwhile.

    Raises:
        NotFoundError: there is none, or its incident was removed.
    """
    statement = select(IncidentEvent).join(Incident, Incident.id == IncidentEvent.incident_id)
    entry_id = to_uuid(reference)
    statement = statement.where(IncidentEvent.id == entry_id, Incident.removed_at.is_(None))
    if lock:
        statement = statement.with_for_update(of=IncidentEvent).execution_options(
            populate_existing=True
        )
    entry = await session.scalar(statement)
    if entry is None:
        raise NotFoundError(
            f"there is no timeline event {reference!r}", noun="timeline event", id_=reference
        )
    return entry


async def change_entry(
    session: AsyncSession, entry: IncidentEvent, values: Mapping[str, Any], cause: Cause
) -> IncidentEvent:
    """Change an entry that people made, and publish it; no change is no event.

    Args:
        session: inside a transaction.
        entry: the entry, locked.
        values: `event` and `visibility`, each optional.
        cause: who changes it.

    Raises:
        ConflictError: the system wrote it.
    """
    _check_own(entry)
    changes = {name: value for name, value in values.items() if getattr(entry, name) != value}
    if not changes:
        return entry
    for name, value in changes.items():
        setattr(entry, name, value)
    entry.version += 1
    add_trail(session, entry.incident_id, f"Timeline event changed by {cause.requested_by}.", cause)
    await session.flush()
    await _publish(session, entry, cause, "updated")
    await session.refresh(entry)
    return entry


async def remove_entry(session: AsyncSession, entry: IncidentEvent, cause: Cause) -> None:
    """Remove an entry that people made. That it was removed stays on the timeline.

    Raises:
        ConflictError: the system wrote it.
    """
    _check_own(entry)
    add_trail(session, entry.incident_id, f"Timeline event removed by {cause.requested_by}.", cause)
    await session.delete(entry)
    await session.flush()
    await _publish(session, entry, cause, "deleted")


def add_trail(
    session: AsyncSession,
    incident_id: UUID,
    sentence: str,
    cause: Cause,
    *,
    occurred_at: datetime | None = None,
    alert_id: UUID | None = None,
) -> None:
    """Note on an incident's timeline what was done to it."""
    entry = IncidentEvent(
        id=new_id(),  # now, so that entries of one moment stand in the order of their making
        incident_id=incident_id,
        event=sentence,
        kind=EventKind.TRAIL.value,
        occurred_at=occurred_at or datetime.now(UTC),
        alert_id=alert_id,
        **_origin(cause),
    )
    session.add(entry)


def _origin(cause: Cause) -> dict[str, Any]:
    return {
        "source": cause.source,
        "user_display_name": cause.requested_by,
        "workflow_run_id": cause.workflow_run_id,
    }


def _check_own(entry: IncidentEvent) -> None:
    if entry.kind != EventKind.EVENT:
        raise ConflictError(
            "the system wrote this timeline event: it says what happened, and stays as it is"
        )


async def _publish(session: AsyncSession, entry: IncidentEvent, cause: Cause, action: str) -> None:
    """Publish what was done to an entry; no workflow listens for what is gone."""
    type_ = "incident_event.deleted" if action == "deleted" else "incident.timeline_updated"
    data = {"event_id": str(entry.id), "event": entry.event, "action": action}
    fact = happened(type_, entry.incident_id, data, cause=cause, subject_type="incident")
    await publish(await driver_connection(session), [fact])
