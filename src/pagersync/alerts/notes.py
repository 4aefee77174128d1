"""People's notes about alerts: events of their histories that can be changed and removed."""

import hashlib
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert, AlertEvent
from pagersync.database.base import new_id
from pagersync.errors import ConflictError, NotFoundError
from pagersync.events.publish import Cause

NOTE: Final = "note"


async def add_note(session: AsyncSession, alert: Alert, details: str, cause: Cause) -> AlertEvent:
    """Add a note to an alert's history. Each is a new one, even if it says the same."""
    note_id = new_id()
    note = AlertEvent(
        id=note_id,
        integration_id=alert.integration_id,
        alert_id=alert.id,
        content_sha256=hashlib.sha256(note_id.bytes).digest(),
        kind=NOTE,
        action="added",
        event_type="api.note",
        source=cause.requested_by,
        details=details,
        occurred_at=datetime.now(UTC),
    )
    session.add(note)
    await session.flush()
    await session.refresh(note)
    return note


async def get_event(session: AsyncSession, event_id: UUID, *, lock: bool = False) -> AlertEvent:
    """Return what happened to some alert.

    Raises:
        NotFoundError: there is no such event.
    """
    statement = select(AlertEvent).where(AlertEvent.id == event_id)
    event = await session.scalar(statement.with_for_update() if lock else statement)
    if event is None:
        raise NotFoundError(f"there is no alert event {event_id}", noun="alert event", id_=event_id)
    return event


async def get_note(session: AsyncSession, event_id: UUID) -> AlertEvent:
    """Return a note, to be changed: nobody else does until the transaction ends.

    Raises:
        NotFoundError: there is no such event.
        ConflictError: it is no note.
    """
    event = await get_event(session, event_id, lock=True)
    if event.kind != NOTE:
        raise ConflictError(f"alert event {event_id} was written by the system: it stays")
    return event
