"""What people do to alerts through the API: make, change, acknowledge, resolve, escalate.

An alert that lives in PagerTree is changed there, by an operation, and follows when PagerTree
shows the change; one that lives here alone changes at once. Either way its row is the fold over
what happened to it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.apply import write_events
from pagersync.alerts.asked import is_asked
from pagersync.alerts.deduplication import find_duplicate
from pagersync.alerts.events import Event
from pagersync.alerts.fold import AlertState, Field, Version
from pagersync.alerts.handlers import Happening
from pagersync.alerts.models import LOCAL_PREFIX, Alert, AlertStatus
from pagersync.alerts.notes import add_note
from pagersync.alerts.store import AlertKey, lock_alerts, lock_snoozes
from pagersync.alerts.views import is_local
from pagersync.database.base import new_id
from pagersync.database.session import driver_connection
from pagersync.errors import ConflictError, ImpossibleError, InvalidError
from pagersync.events.publish import Cause
from pagersync.fitting import with_notes
from pagersync.jsonapi import iso
from pagersync.pagertree.payloads import AlertSnapshot
from pagersync.paging.models import Operation, OperationKind, OperationState, Page, PageStatus
from pagersync.paging.page_targets import paged
from pagersync.paging.service import NewPage, cancel_operation, create_page, request_operation
from pagersync.texts import few


@dataclass(frozen=True, slots=True)
class LocalEvent(Event):
    """Something that a person did here.

    Attributes:
        values: fields of the alert's state that it sets.
        times: times that it sets, where none earlier is known.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def state(self) -> AlertState:
        """What it says about the alert."""
        version = Version(round(self.received_at.timestamp() * 1000), -1, new_id().hex[:16])
        return AlertState(
            fields={name: Field(version, value) for name, value in self.values.items()},
            times=self.times,
            is_resolved=self.values.get("status") == AlertStatus.RESOLVED,
        )


def local_event(
    key: AlertKey,
    action: str,
    details: str,
    *,
    cause: Cause,
    values: Mapping[str, Any],
    times: Mapping[str, datetime] | None = None,
) -> LocalEvent:
    """Return what a person did to an alert, as of now.

    Args:
        key: the alert.
        action: Rootly's action of alert event.
        details: one sentence for people.
        cause: who did it.
        values: what it sets.
        times: the times that it sets, where none earlier is known.
    """
    now = datetime.now(UTC)
    snapshot = AlertSnapshot(
        event_type=f"api.{action}",
        alert_id=key.external_id,
        content_sha256=hashlib.sha256(new_id().bytes).digest(),
        data=None,
        updated_at=now,
        created_at=None,
        acknowledged_at=None,
        resolved_at=None,
        acknowledged_by=None,
        resolved_by=None,
        status=None,
        fields={},
    )
    kind = "status_update" if "status" in values else "informational"
    return LocalEvent(
        delivery_id=None,
        integration_id=key.integration_id,
        received_at=now,
        snapshot=snapshot,
        happening=Happening(None, kind, action, details),
        cause=cause,
        values=values,
        times=times or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLocalAlert:
    """An alert that is made here.

    Attributes:
        status: what it is until PagerTree says otherwise; None for `open`.
        urgency: one of PagerTree's, if it was asked for.
        client_id: what its maker calls it.
        started_at: when it began, if not now.
        notes: what of the request was cut or left out, for its history.
    """

    integration_id: UUID
    summary: str
    description: str | None
    labels: dict[str, Any]
    data: dict[str, Any]
    cause: Cause
    status: AlertStatus | None = None
    urgency: str | None = None
    source: str = "api"
    client_id: str | None = None
    external_url: str | None = None
    deduplication_key: str | None = None
    started_at: datetime | None = None
    notes: Sequence[str] = ()


async def count_duplicate(session: AsyncSession, alert: Alert, cause: Cause) -> Alert:
    """Note that somebody asked for an alert that there is already."""
    details = f"Asked for again, with the same deduplication key, by {cause.requested_by}."
    return await happened_to(session, alert, "ignored_alert_request", details, cause, values={})


async def create_alert(session: AsyncSession, new: NewLocalAlert) -> Alert:
    """Make an alert that lives here; it moves to PagerTree when a page of it is sent.

    The limit of new alerts a day is for what PagerTree sends: who asks may need a page.
    """
    key = AlertKey(new.integration_id, f"{LOCAL_PREFIX}{new_id()}")
    event = local_event(
        key,
        "created",
        with_notes(f"Created by {new.cause.requested_by}.", few(new.notes)),
        cause=new.cause,
        values={
            "title": new.summary,
            "description": new.description,
            "labels": new.labels,
            "data": json.dumps(new.data),
            **({"status": new.status} if new.status else {}),
            **({"urgency": new.urgency} if new.urgency else {}),
        },
        times={"started_at": new.started_at or datetime.now(UTC)},
    )
    connection = await driver_connection(session)
    await write_events(connection, {key: [event]}, {}, is_limited=False)
    alert = await get_by_key(session, key)
    alert.source = new.source
    alert.client_id = new.client_id
    alert.deduplication_key = new.deduplication_key
    alert.external_url = new.external_url or ""
    return await _kept(session, alert)


async def _kept(session: AsyncSession, alert: Alert) -> Alert:
    await session.flush()
    await session.refresh(alert)
    return alert


async def lock_alert(session: AsyncSession, alert: Alert) -> None:
    """Keep everybody else from changing an alert until the transaction ends, as webhooks do."""
    key = AlertKey(alert.integration_id, alert.external_id)
    await lock_alerts(await driver_connection(session), [key])
    await session.refresh(alert)


async def change_alert(
    session: AsyncSession,
    alert: Alert,
    values: dict[str, Any],
    cause: Cause,
    notes: Sequence[str] = (),
) -> Alert:
    """Change an alert's texts and labels here, and its texts in PagerTree if it lives there.

    Args:
        session: inside a transaction.
        alert: the alert.
        values: `title`, `description`, `urgency`, `severity`, `labels`, `data`, `source`,
            `deduplication_key`, each optional.
        cause: who does it.
        notes: what of the request was cut or left out, for its history.

    Raises:
        InvalidError: an urgency or a severity of an alert that lives here alone.
        ConflictError: another alert that is not resolved has the deduplication key.
    """
    here = {name: value for name, value in values.items() if name in FOLDED}
    if "data" in here:
        here["data"] = json.dumps(here["data"])
    there = {name: value for name, value in values.items() if name in KEPT_THERE}
    is_there = there and await ask(session, alert, OperationKind.UPDATE_ALERT, cause, there)
    for name in () if is_there else ("urgency", "severity"):
        if name in values:
            raise InvalidError(
                "the alert is not in PagerTree, which is what this is for",
                pointer=f"/data/attributes/{name}",
            )
    other = await find_duplicate(session, alert.integration_id, values.get("deduplication_key"))
    if other is not None and other.id != alert.id:
        raise ConflictError(f"alert {other.short_id} has this deduplication key")
    details = with_notes(f"Changed by {cause.requested_by}.", few(notes))
    changed = await happened_to(session, alert, "updated", details, cause, values=here)
    for name in values.keys() & {"source", "deduplication_key"}:
        setattr(changed, name, values[name])
    return await _kept(session, changed)


async def acknowledge_alert(session: AsyncSession, alert: Alert, cause: Cause) -> Alert:
    """Acknowledge an alert: in PagerTree if it lives there, else here.

    Raises:
        ImpossibleError: it is resolved.
    """
    _check_not_resolved(alert)
    if alert.status == AlertStatus.ACKNOWLEDGED:
        return alert
    if await ask(session, alert, OperationKind.ACKNOWLEDGE_ALERT, cause):
        return alert
    return await happened_to(
        session,
        alert,
        "acknowledged",
        f"Acknowledged by {cause.requested_by}.",
        cause,
        values={"status": AlertStatus.ACKNOWLEDGED},
        times={"acknowledged_at": datetime.now(UTC)},
    )


async def resolve_alert(
    session: AsyncSession, alert: Alert, cause: Cause, message: str | None = None
) -> Alert:
    """Resolve an alert: in PagerTree if it lives there, else here. Resolved twice is resolved."""
    if message:
        await add_note(session, alert, message, cause)
    if alert.status == AlertStatus.RESOLVED:
        return alert
    if await ask(session, alert, OperationKind.RESOLVE_ALERT, cause):
        return alert
    return await happened_to(
        session,
        alert,
        "resolved",
        f"Resolved by {cause.requested_by}.",
        cause,
        values={"status": AlertStatus.RESOLVED},
        times={"ended_at": datetime.now(UTC)},
    )


async def escalate_alert(session: AsyncSession, alert: Alert, page: NewPage) -> Alert:
    """Page more people about an alert. PagerTree's API hands nothing off, so this is a new page.

    Raises:
        ImpossibleError: it is resolved.
    """
    _check_not_resolved(alert)
    await create_page(session, page)
    names = ", ".join(target["name"] for target in paged(page.targets))
    details = f"Escalated to {names} by {page.requested_by}."
    cause = Cause(page.requested_by, "api", page.workflow_run_id, page.depth)
    return await happened_to(session, alert, "escalated", details, cause, values={})


async def snooze_alert(session: AsyncSession, alert: Alert, page: NewPage) -> Alert:
    """Acknowledge an alert, and page again at `page.send_at` unless it is resolved by then.

    Snoozed once more, it is paged again at the new time only.

    Raises:
        ImpossibleError: it is resolved.
    """
    cause = Cause(page.requested_by, "api")
    await lock_snoozes(await driver_connection(session), alert.id)
    is_later = Page.send_at.is_not(None) & (Page.status == PageStatus.QUEUED)
    about = (Page.alert_id == alert.id) & is_later
    locked = select(Page.id).where(about).order_by(Page.id).with_for_update()
    page_ids = (await session.scalars(locked)).all()
    await lock_alert(session, alert)  # after its pages, as everybody does
    alert = await acknowledge_alert(session, alert, cause)
    waiting = await session.scalars(
        select(Operation.id)
        .join(Page, Page.id == Operation.page_id)
        .where(Page.id.in_(page_ids), Operation.kind == OperationKind.CREATE_ALERT)
        .where(Operation.state == OperationState.QUEUED)
    )
    for operation_id in waiting.all():
        await cancel_operation(session, operation_id, reason="the alert was snoozed once more")
    await create_page(session, page)
    assert page.send_at is not None  # noqa: S101 - that is what a snooze is
    details = f"Snoozed by {page.requested_by} until {iso(page.send_at)}."
    return await happened_to(session, alert, "snoozed", details, cause, values={})


async def find_home(session: AsyncSession, alert: Alert) -> Page | None:
    """Return the page that an alert lives in PagerTree by, or will, if there is one from here."""
    return await session.scalar(select(Page).where(*_is_home(alert)).order_by(Page.id).limit(1))


def _check_not_resolved(alert: Alert) -> None:
    if alert.status == AlertStatus.RESOLVED:
        raise ImpossibleError(f"alert {alert.short_id} is resolved already")


async def get_by_key(session: AsyncSession, key: AlertKey) -> Alert:
    """Return an alert that exists, as its row is now."""
    statement = (
        select(Alert)
        .where(Alert.integration_id == key.integration_id, Alert.external_id == key.external_id)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one()


async def happened_to(  # noqa: PLR0913 - what an event is made of
    session: AsyncSession,
    alert: Alert,
    action: str,
    details: str,
    cause: Cause,
    *,
    values: Mapping[str, Any],
    times: Mapping[str, datetime] | None = None,
) -> Alert:
    """Fold what a person did into an alert, under the name that it has by now."""
    for _ in range(MOVES_MAX):
        key = AlertKey(alert.integration_id, alert.external_id)
        event = local_event(key, action, details, cause=cause, values=values, times=times)
        connection = await driver_connection(session)
        if not await write_events(connection, {key: [event]}, {}, creates=False):
            return await get_by_key(session, key)
        await session.refresh(alert)  # it has just got PagerTree's name for it
    raise ConflictError(f"alert {alert.short_id} is changed by others: try again")


async def ask(
    session: AsyncSession,
    alert: Alert,
    kind: OperationKind,
    cause: Cause,
    params: dict[str, Any] | None = None,
) -> bool:
    """Ask PagerTree to act on an alert that is there, or on its way; tell whether it is."""
    page = await find_home(session, alert)
    if page is not None and page.send_at is not None and page.status == PageStatus.QUEUED:
        page = None  # it waits for a snooze's end: until then the alert is not there
    if page is None and is_local(alert):
        return False
    if params is None and await is_asked(session, alert, kind, page):
        return True
    await request_operation(
        session,
        kind,
        integration_id=alert.integration_id,
        requested_by=cause.requested_by,
        workflow_run_id=cause.workflow_run_id,
        page=page,
        alert_id=alert.id,
        pagertree_alert_id=None if is_local(alert) else alert.external_id,
        params=params,
    )
    return True


MOVES_MAX: Final = 3
FOLDED: Final = ("title", "description", "labels", "data")
KEPT_THERE: Final = ("title", "description", "urgency", "severity")
GONE: Final = ("failed", "canceled", "expired")


def _is_home(alert: Alert) -> tuple[Any, ...]:
    """Return what is true of the page that an alert lives in PagerTree by."""
    about = (Page.integration_id == alert.integration_id, Page.alert_id == alert.id)
    if is_local(alert):
        return (*about, Page.status.not_in(GONE))
    return (*about, Page.pagertree_alert_id == alert.external_id)
