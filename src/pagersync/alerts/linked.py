"""Alerts of incidents: what happens to them in PagerTree is activity on the incident.

An alert belongs to an incident when pagersync made it in PagerTree for a page of the incident, or
when it is attached to one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pagersync.alerts.events import Event, Events
from pagersync.alerts.store import AlertKey, load_attached
from pagersync.database.engine import Connection
from pagersync.incidents.activity import Activity, add_activity
from pagersync.integrations.directory_names import Named, load_names
from pagersync.pagertree.payloads import EventType
from pagersync.paging.status import see
from pagersync.paging.store import LockedPage


@dataclass(frozen=True, slots=True)
class _Link:
    """An event, and an incident that its alert belongs to: by a page, or attached."""

    event: Event
    incident_id: UUID
    about: str
    page_id: UUID | None = None
    alert_id: UUID | None = None


async def tell_incidents(
    connection: Connection,
    events: Events,
    pages: Mapping[AlertKey, LockedPage],
    alerts: Mapping[UUID, AlertKey],
    moved: Collection[UUID],
) -> None:
    """Add events to the timelines of the incidents that their alerts belong to.

    Args:
        connection: inside the transaction that applies the events.
        events: by alert.
        pages: those that began alerts among these, as they were before the events.
        alerts: those that existed before: only these can be attached.
        moved: those whose status the events have changed.
    """
    links = [
        _Link(event, page.incident_id, f"page {page.title!r}", page_id=page.id)
        for key, page in pages.items()
        if page.incident_id is not None
        for event in events.get(key, ())
        if not event.is_read_back or _is_news(event, page)
    ]
    for row in await load_attached(connection, list(alerts)) if alerts else ():
        alert_id = row["alert_id"]
        links += [
            _Link(event, row["incident_id"], f"alert {row['short_id']}", alert_id=alert_id)
            for event in events[alerts[alert_id]]
            if not event.is_read_back or alert_id in moved
        ]
    names = await names_in(connection, [link.event for link in links])
    await add_activity(connection, [_activity(link, names) for link in links])


async def names_in(connection: Connection, events: Collection[Event]) -> dict[Named, str]:
    """Return what those are called whom events name, as far as the directory knows them."""
    named = {who for event in events if (who := _named(event))}
    return await load_names(connection, named) if named else {}


def details_of(event: Event, names: Mapping[Named, str]) -> str:
    """Return the sentence of an event, with a name for PagerTree's id. Pure."""
    details = event.happening.details
    who = _named(event)
    return details.replace(who.id, names[who]) if who is not None and who in names else details


def _is_news(event: Event, page: LockedPage) -> bool:
    """Tell whether PagerTree showed a status that a page did not have yet."""
    return see(page.state, event.sighting.seen).remote_status != page.state.remote_status


def _activity(link: _Link, names: Mapping[Named, str]) -> Activity:
    event = link.event
    key, lesser = _keys(event)
    details = details_of(event, names).removesuffix(".")
    return Activity(
        incident_id=link.incident_id,
        event=f"{details} ({link.about}).",
        source="pagertree" if event.is_read_back or event.delivery_id else "system",
        occurred_at=_time_of(event),
        delivery_id=event.delivery_id,
        alert_id=link.alert_id,
        page_id=link.page_id,
        dedupe_key=key,
        replaces=lesser,
    )


def _named(event: Event) -> Named | None:
    """Return who did it, or who got the alert by a hand-off, as PagerTree names them."""
    snapshot = event.snapshot
    names = {"acknowledged": snapshot.acknowledged_by, "resolved": snapshot.resolved_by}
    name = names.get(_status_of(event) or "")
    if snapshot.event_type == EventType.HANDOFF:
        name = snapshot.handed_off_to
    return Named(event.integration_id, name) if name else None


def _keys(event: Event) -> tuple[str, str | None]:
    """Return what an event is known by, and what the same is known by when it is read back.

    A webhook says more than PagerTree's API about the same change of status, for example who
    acknowledged. They agree about its time, which webhooks write in whole seconds. A second
    acknowledgement, after a hand-off, has the time of the first.
    """
    alert, snapshot, status = event.snapshot.alert_id, event.snapshot, _status_of(event)
    moment = _named_time(event) or snapshot.updated_at
    if status == "queued":  # it is so once, and its time is that of whatever was done last
        known = f"{alert} queued"
    elif status is None or moment is None:
        return f"{alert} {snapshot.content_sha256.hex()}", None
    else:
        known = f"{alert} {status} {int(moment.timestamp())}"
    if event.is_read_back:
        return known, None
    who = _named(event)
    return f"{known} by {who and who.id}", known


def _status_of(event: Event) -> str | None:
    """Return PagerTree's status that an event is about; None where it is about something else."""
    return event.snapshot.status if event.is_read_back else event.happening.implied_status


def _named_time(event: Event) -> datetime | None:
    snapshot = event.snapshot
    times = {"acknowledged": snapshot.acknowledged_at, "resolved": snapshot.resolved_at}
    return times.get(_status_of(event) or "")


def _time_of(event: Event) -> datetime:
    """Return when it happened: an alert that was read back may have been updated since."""
    if event.is_read_back and (moment := _named_time(event)):
        return moment
    return event.snapshot.updated_at or _named_time(event) or event.received_at
