"""What people do to alerts through the API: make, change, acknowledge, resolve, escalate.

An alert that lives in PagerTree is changed there, by an operation, and follows when PagerTree
shows the change; one that lives here alone changes at once. Either way its row is the fold over
what happened to it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.apply import write_events
from pagersync.alerts.events import Event
from pagersync.alerts.fold import AlertState, Field, Version
from pagersync.alerts.handlers import Happening
from pagersync.alerts.models import LOCAL_PREFIX, Alert, AlertStatus
from pagersync.alerts.store import AlertKey
from pagersync.database.base import new_id
from pagersync.database.session import driver_connection
from pagersync.errors import ConflictError, InvalidError
from pagersync.events.publish import Cause
from pagersync.pagertree.payloads import AlertSnapshot
from pagersync.paging.models import OperationKind, Page
from pagersync.paging.service import NewPage, create_page, request_operation


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
    time: str | None = None,
) -> LocalEvent:
    """Return what a person did to an alert, as of now.

    Args:
        key: the alert.
        action: Rootly's action of alert event.
        details: one sentence for people.
        cause: who did it.
        values: what it sets.
        time: the time of the alert that it sets, if any.
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
        times={time: now} if time else {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLocalAlert:
    """An alert that is made here."""

    integration_id: UUID
    summary: str
    description: str | None
    labels: dict[str, str]
    data: dict[str, Any]
    cause: Cause


async def create_alert(session: AsyncSession, new: NewLocalAlert) -> Alert:
    """Make an alert that lives here; it moves to PagerTree when a page of it is sent.

    Raises:
        ConflictError: the integration's limit of new alerts per day is reached.
    """
    key = AlertKey(new.integration_id, f"{LOCAL_PREFIX}{new_id()}")
    event = local_event(
        key,
        "created",
        f"Created by {new.cause.requested_by}.",
        cause=new.cause,
        values={
            "title": new.summary,
            "description": new.description,
            "labels": new.labels,
            "data": json.dumps(new.data),
        },
        time="started_at",
    )
    limited = await write_events(await driver_connection(session), {key: [event]}, {})
    if limited:
        raise ConflictError("the integration's limit of new alerts per day is reached")
    return await get_by_key(session, key)


async def change_alert(
    session: AsyncSession, alert: Alert, values: dict[str, Any], cause: Cause
) -> Alert:
    """Change an alert's texts and labels here, and its texts in PagerTree if it lives there.

    Args:
        session: inside a transaction.
        alert: the alert.
        values: `title`, `description`, `labels`, `urgency`, `severity`, each optional.
        cause: who does it.

    Raises:
        InvalidError: an urgency or a severity of an alert that lives here alone.
    """
    here = {name: value for name, value in values.items() if name in KEPT_HERE}
    there = {name: value for name, value in values.items() if name != "labels"}
    is_there = there and await _ask(session, alert, OperationKind.UPDATE_ALERT, cause, there)
    for name in () if is_there else ("urgency", "severity"):
        if name in values:
            raise InvalidError(
                "the alert is not in PagerTree, which is what this is for",
                pointer=f"/data/attributes/{name}",
            )
    return await _happened(
        session, alert, "updated", f"Changed by {cause.requested_by}.", cause, values=here
    )


async def acknowledge_alert(session: AsyncSession, alert: Alert, cause: Cause) -> Alert:
    """Acknowledge an alert: in PagerTree if it lives there, else here.

    Raises:
        ConflictError: it is resolved.
    """
    if alert.status == AlertStatus.RESOLVED:
        raise ConflictError(f"alert {alert.short_id} is resolved already")
    if alert.status == AlertStatus.ACKNOWLEDGED:
        return alert
    if await _ask(session, alert, OperationKind.ACKNOWLEDGE_ALERT, cause):
        return alert
    return await _happened(
        session,
        alert,
        "acknowledged",
        f"Acknowledged by {cause.requested_by}.",
        cause,
        values={"status": AlertStatus.ACKNOWLEDGED},
        time="acknowledged_at",
    )


async def resolve_alert(session: AsyncSession, alert: Alert, cause: Cause) -> Alert:
    """Resolve an alert: in PagerTree if it lives there, else here. Resolved twice is resolved."""
    if alert.status == AlertStatus.RESOLVED:
        return alert
    if await _ask(session, alert, OperationKind.RESOLVE_ALERT, cause):
        return alert
    return await _happened(
        session,
        alert,
        "resolved",
        f"Resolved by {cause.requested_by}.",
        cause,
        values={"status": AlertStatus.RESOLVED},
        time="ended_at",
    )


async def escalate_alert(session: AsyncSession, alert: Alert, page: NewPage) -> Alert:
    """Page more people about an alert. PagerTree's API hands nothing off, so this is a new page.

    Raises:
        ConflictError: it is resolved.
    """
    if alert.status == AlertStatus.RESOLVED:
        raise ConflictError(f"alert {alert.short_id} is resolved already")
    await create_page(session, page)
    names = ", ".join(target["name"] for target in page.targets)
    details = f"Escalated to {names} by {page.requested_by}."
    cause = Cause(page.requested_by, "api", page.workflow_run_id, page.depth)
    return await _happened(session, alert, "escalated", details, cause, values={})


async def get_by_key(session: AsyncSession, key: AlertKey) -> Alert:
    """Return an alert that exists, as its row is now."""
    statement = (
        select(Alert)
        .where(Alert.integration_id == key.integration_id, Alert.external_id == key.external_id)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one()


async def _happened(  # noqa: PLR0913 - what an event is made of
    session: AsyncSession,
    alert: Alert,
    action: str,
    details: str,
    cause: Cause,
    *,
    values: Mapping[str, Any],
    time: str | None = None,
) -> Alert:
    """Fold what a person did into an alert, under the name that it has by now."""
    for _ in range(MOVES_MAX):
        key = AlertKey(alert.integration_id, alert.external_id)
        event = local_event(key, action, details, cause=cause, values=values, time=time)
        connection = await driver_connection(session)
        if not await write_events(connection, {key: [event]}, {}, creates=False):
            return await get_by_key(session, key)
        await session.refresh(alert)  # it has just got PagerTree's name for it
    raise ConflictError(f"alert {alert.short_id} is changed by others: try again")


async def _ask(
    session: AsyncSession,
    alert: Alert,
    kind: OperationKind,
    cause: Cause,
    params: dict[str, Any] | None = None,
) -> bool:
    """Ask PagerTree to act on an alert that is there, or on its way; tell whether it is."""
    page = await session.scalar(select(Page).where(*_is_home(alert)).order_by(Page.id).limit(1))
    if page is None and is_local(alert):
        return False
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


def is_local(alert: Alert) -> bool:
    """Tell whether an alert has no counterpart in PagerTree, or none that is known yet."""
    return alert.external_id.startswith(LOCAL_PREFIX)


MOVES_MAX: Final = 3
KEPT_HERE: Final = ("title", "description", "labels")
GONE: Final = ("failed", "canceled", "expired")


def _is_home(alert: Alert) -> tuple[Any, ...]:
    """Return what is true of the page that an alert lives in PagerTree by."""
    about = (Page.integration_id == alert.integration_id, Page.alert_id == alert.id)
    if is_local(alert):
        return (*about, Page.status.not_in(GONE))
    return (*about, Page.pagertree_alert_id == alert.external_id)
