"""Applying deliveries: claimed rows in, alerts and their histories out, in one transaction.

A batch is grouped by alert, folded, and written with a handful of statements. If it fails, its
rows are tried one by one, so that one bad row cannot hold up the others.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from pagersync.alerts.events import Event, Events
from pagersync.alerts.fold import AlertState, fold, has_settled, status_of
from pagersync.alerts.handlers import handle
from pagersync.alerts.linked import details_of, names_in, tell_incidents
from pagersync.alerts.models import AlertStatus
from pagersync.alerts.store import (
    AlertKey,
    NewEvent,
    StoredAlert,
    adopt_alerts,
    insert_alerts,
    insert_events,
    link_pages,
    lock_alerts,
    lock_names,
    update_alerts,
)
from pagersync.database.batch import LeaseLostError, work_batch
from pagersync.database.engine import Connection
from pagersync.database.queue import Batch, Outcome, Queue
from pagersync.events.publish import Fact, publish
from pagersync.inbox.models import DeliveryState
from pagersync.integrations.directory_names import Named
from pagersync.integrations.limits import load_accounts, take_from_limits
from pagersync.pagertree.payloads import OtherEventError, UnreadableError, read_snapshot
from pagersync.paging import standby
from pagersync.paging.confirm import note_sightings
from pagersync.paging.store import LockedPage

CLAIMED_COLUMNS = ("integration_id", "body", "received_at")
"""What `apply_batch` needs of each delivery."""


async def apply_batch(connection: Connection, queue: Queue, batch: Batch) -> None:
    """Apply claimed deliveries and finish them.

    Every row ends `done`, `invalid`, `limited`, `dead`, or queued for its next attempt.

    Raises:
        Exception: the database is away; the rows come back when their lease runs out.
    """
    await work_batch(connection, queue, batch, _apply)


async def _apply(
    connection: Connection, queue: Queue, token: UUID, rows: Sequence[asyncpg.Record]
) -> None:
    events, outcomes = _read(rows)
    async with connection.transaction():
        told = await note_sightings(connection, [event.sighting for event in _each(events)])
        pages = {AlertKey(*key): page for key, page in told.items()}
        limited = await write_events(connection, events, pages)
        outcomes += [
            Outcome(event.delivery_id, DeliveryState.LIMITED, _LIMITED)
            if key in limited
            else Outcome.done(event.delivery_id)
            for key, group in events.items()
            for event in group
            if event.delivery_id is not None
        ]
        if len(await queue.finish(connection, token, outcomes)) < len(rows):
            raise LeaseLostError


_LIMITED = (
    "over the integration's limit of new alerts per day: raise it or wait for tomorrow (UTC), "
    "then replay this delivery"
)


def _read(rows: Sequence[asyncpg.Record]) -> tuple[Events, list[Outcome]]:
    """Decode each body; return the events by alert, and the ends of what cannot be read."""
    events: defaultdict[AlertKey, list[Event]] = defaultdict(list)
    unreadable = []
    for row in rows:
        try:
            snapshot = read_snapshot(row["body"])
        except OtherEventError:
            unreadable.append(Outcome(row["id"], DeliveryState.IGNORED))
            continue
        except UnreadableError as error:
            unreadable.append(Outcome(row["id"], DeliveryState.INVALID, str(error)))
            continue
        event = Event(
            row["id"], row["integration_id"], row["received_at"], snapshot, handle(snapshot)
        )
        events[event.key].append(event)
    return events, unreadable


def _each(events: Events) -> list[Event]:
    return [event for group in events.values() for event in group]


async def write_events(
    connection: Connection,
    events: Events,
    pages: Mapping[AlertKey, LockedPage],
    *,
    creates: bool = True,
    is_limited: bool = True,
) -> set[AlertKey]:
    """Fold events into their alerts; return the alerts that a limit kept from being made.

    Args:
        connection: inside a transaction.
        events: by alert.
        pages: those that began alerts among these. They have been told; an alert that is a page's
            for an incident, or about another alert, gets no row of its own.
        creates: whether alerts are made that do not exist; else those are returned.
        is_limited: whether new alerts count against their integration's limit a day.
    """
    if not events:
        return set()
    accounts = await load_accounts(connection, {key.integration_id for key in events})
    templates = {account.id: account.alert_url_template for account in accounts.values()}
    homes = {key: page.alert_id for key in events if (page := pages.get(key)) and page.alert_id}
    if homes:
        await lock_names(connection, events, homes.values())
        await adopt_alerts(connection, homes, templates)
    heard = {key: fold(event.state for event in group) for key, group in events.items()}
    stored = await lock_alerts(connection, heard)
    homeless = {
        key for key in events if key not in stored and (page := pages.get(key)) and _has_home(page)
    }
    new = [key for key in heard if key not in stored and key not in homeless]
    limited = set(new)
    if creates:
        limited = await take_from_limits(connection, accounts, new) if is_limited else set()
    created = await insert_alerts(
        connection, {key: heard[key] for key in new if key not in limited}, templates
    )
    joined = {key: alert.state.join(heard[key]) for key, alert in stored.items()}
    changed = {key: state for key, state in joined.items() if state != stored[key].state}
    await update_alerts(connection, changed)
    if settled := [stored[key].id for key, state in changed.items() if has_settled(state)]:
        await standby.wake(connection, settled)
    ids = created | {key: alert.id for key, alert in stored.items()}
    names = await names_in(connection, [event for key in ids for event in events[key]])
    await insert_events(connection, _history(events, ids, names))
    facts = _facts(events, ids, stored, heard | joined, pages)
    await publish(connection, facts)
    attachable = {ids[key]: key for key in stored}
    moved = {fact.subject_id for fact in facts}
    await tell_incidents(connection, events, pages, attachable, moved)
    begun = {page.id: ids[key] for key in ids if (page := pages.get(key)) and not page.alert_id}
    if begun:
        await link_pages(connection, begun)
    return limited


def _has_home(page: LockedPage) -> bool:
    """Tell whether a page belongs to something that its alert only adds activity to."""
    return page.alert_id is not None or page.incident_id is not None


def _history(
    events: Events, ids: Mapping[AlertKey, UUID], names: Mapping[Named, str]
) -> list[NewEvent]:
    return [
        NewEvent(
            key=key,
            alert_id=alert_id,
            delivery_id=event.delivery_id,
            content_sha256=event.snapshot.content_sha256,
            kind=event.happening.kind,
            action=event.happening.action,
            event_type=event.snapshot.event_type,
            details=details_of(event, names),
            occurred_at=event.occurred_at,
        )
        for key, alert_id in ids.items()
        for event in events[key]
    ]


def _facts(
    events: Events,
    ids: Mapping[AlertKey, UUID],
    stored: Mapping[AlertKey, StoredAlert],
    states: Mapping[AlertKey, AlertState],
    pages: Mapping[AlertKey, LockedPage],
) -> list[Fact]:
    """Return what the fold changed: alerts that are new, and statuses that are.

    An alert begins `open`; when its first batch already knows more, both facts are published.
    """
    facts = []
    for key, alert_id in ids.items():
        latest = max(events[key], key=lambda event: event.occurred_at)
        before = stored[key].status if key in stored else AlertStatus.OPEN
        after = status_of(states[key])
        changes = [] if key in stored else [("alert.created", {"status": AlertStatus.OPEN.value})]
        if after != before:
            changes.append(("alert.status_updated", {"from": before.value, "to": after.value}))
        facts += [
            Fact(
                integration_id=key.integration_id,
                type=change,
                subject_type="alert",
                subject_id=alert_id,
                delivery_id=latest.delivery_id,
                data=data,
                occurred_at=latest.occurred_at,
                cause=latest.cause,
                depth=pages[key].depth if key in pages else 0,
                requester=pages[key].requester if key in pages and not latest.cause else None,
            )
            for change, data in changes
        ]
    return facts
