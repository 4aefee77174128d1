"""What PagerTree's API shows of an alert, folded into it like any event."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from pagersync.alerts.apply import write_events
from pagersync.alerts.events import Event
from pagersync.alerts.handlers import Happening
from pagersync.alerts.store import AlertKey
from pagersync.database.engine import Connection
from pagersync.pagertree.payloads import AlertSnapshot
from pagersync.pagertree.resources import RemoteAlert
from pagersync.paging.record import Shown
from pagersync.paging.store import LockedPage

EVENT_TYPE = "api.read_back"


async def read_back(connection: Connection, shown: Sequence[Shown]) -> None:
    """Fold alerts as PagerTree showed them into those that are kept here.

    Args:
        connection: inside a transaction that holds the locks of the pages.
        shown: the alerts.
    """
    now = datetime.now(UTC)
    events: defaultdict[AlertKey, list[Event]] = defaultdict(list)
    pages: dict[AlertKey, LockedPage] = {}
    for each in shown:
        event = _event(each.integration_id, each.external_id, each.remote, now)
        events[event.key].append(event)
        if each.page is not None:
            pages[event.key] = each.page
    await write_events(connection, events, pages)


def _event(integration_id: UUID, external_id: str, remote: RemoteAlert, now: datetime) -> Event:
    """Return what PagerTree showed as an event; one status stands once in an alert's history."""
    texts = {
        "title": remote.title,
        "description": remote.description,
        "urgency": remote.urgency,
        "thirdparty_id": remote.thirdparty_id,
    }
    status = remote.status or "of unknown status"
    snapshot = AlertSnapshot(
        event_type=EVENT_TYPE,
        alert_id=external_id,
        content_sha256=hashlib.sha256(f"{EVENT_TYPE}\n{status}".encode()).digest(),
        data=None,
        updated_at=remote.updated_at,
        created_at=remote.created_at,
        acknowledged_at=remote.acknowledged_at,
        resolved_at=remote.resolved_at,
        acknowledged_by=None,
        resolved_by=None,
        status=remote.status,
        fields={name: text for name, text in texts.items() if text is not None},
    )
    happening = Happening(None, "informational", "updated", f"{status.capitalize()} in PagerTree.")
    return Event(None, integration_id, now, snapshot, happening, is_read_back=True)
