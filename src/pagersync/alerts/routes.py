"""`/v1/alerts`: what is known of alerts, with Rootly's attribute names."""

import re
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.guard import needs
from pagersync.access.models import Scope
from pagersync.alerts.models import LOCAL_PREFIX, Alert, AlertEvent, AlertStatus
from pagersync.database.session import SessionDep
from pagersync.errors import NotFoundError
from pagersync.filters import Filters
from pagersync.jsonapi import Collection, Document, JsonApiResponse, Resource, errors
from pagersync.pagination import PageDep, find

router = APIRouter(
    prefix="/v1",
    tags=["Alerts"],
    dependencies=[needs(Scope.READ, bound=True)],
    default_response_class=JsonApiResponse,
)

SHORT_ID: Final = re.compile(r"[A-Za-z0-9]{6}")

ALERT_FILTERS = Filters(
    texts={"status": Alert.status, "source": Alert.source},
    choices={"status": [*AlertStatus, "deferred"]},
    times={
        "started_at": Alert.started_at,
        "ended_at": Alert.ended_at,
        "created_at": Alert.created_at,
        "updated_at": Alert.updated_at,
    },
    labels=Alert.labels,
)
EVENT_FILTERS = Filters(texts={"kind": AlertEvent.kind, "action": AlertEvent.action})


class Label(BaseModel):
    """A label of an alert."""

    key: str
    value: str | int | float | bool


class AlertAttributes(BaseModel):
    """What is known of an alert."""

    short_id: str
    source: str
    status: AlertStatus
    summary: str
    description: str | None
    external_id: str | None = Field(description="PagerTree's id; null while it is not there.")
    external_url: str | None
    labels: list[Label]
    data: dict[str, Any]
    integration_id: UUID
    thirdparty_id: str | None
    started_at: datetime
    acknowledged_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    updated_at: datetime


class AlertEventAttributes(BaseModel):
    """One thing that happened to an alert; `event_type` is PagerTree's name for it."""

    alert_id: UUID
    kind: str
    action: str
    source: str
    details: str
    event_type: str
    delivery_id: UUID | None
    occurred_at: datetime
    created_at: datetime
    updated_at: datetime


@router.get(
    "/alerts", summary="List alerts", openapi_extra=ALERT_FILTERS.openapi(), responses=errors(422)
)
async def list_alerts(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(ALERT_FILTERS)],
) -> Collection[AlertAttributes]:
    found = await find(session, select(Alert).where(*where), Alert.id, page)
    return Collection(
        data=[alert_resource(row) for row in found.rows], links=found.links, meta=found.meta
    )


@router.get("/alerts/{id}", summary="Show an alert", responses=errors(404))
async def get_alert(session: SessionDep, id: str) -> Document[AlertAttributes]:
    return Document(data=alert_resource(await find_alert(session, id)))


@router.get(
    "/alerts/{alert_id}/events",
    summary="List what happened to an alert",
    openapi_extra=EVENT_FILTERS.openapi(),
    responses=errors(404, 422),
)
async def list_alert_events(
    session: SessionDep,
    page: PageDep,
    alert_id: str,
    where: Annotated[list[ColumnElement[bool]], Depends(EVENT_FILTERS)],
) -> Collection[AlertEventAttributes]:
    alert = await find_alert(session, alert_id)
    statement = select(AlertEvent).where(
        AlertEvent.integration_id == alert.integration_id, AlertEvent.alert_id == alert.id, *where
    )
    found = await find(session, statement, AlertEvent.id, page)
    return Collection(data=[_event(row) for row in found.rows], links=found.links, meta=found.meta)


async def find_alert(session: AsyncSession, reference: str) -> Alert:
    """Return an alert by its UUID or its short id.

    Raises:
        NotFoundError: there is none.
    """
    alert = await session.scalar(select(Alert).where(_is_called(reference)))
    if alert is None:
        raise NotFoundError(f"there is no alert {reference}")
    return alert


def _is_called(reference: str) -> ColumnElement[bool]:
    if SHORT_ID.fullmatch(reference):
        return Alert.short_id == reference.upper()
    try:
        return Alert.id == UUID(reference)
    except ValueError:
        raise NotFoundError(f"{reference!r} is neither a UUID nor a short id") from None


def alert_resource(row: Alert) -> Resource[AlertAttributes]:
    """Return an alert as the API shows it."""
    is_local = row.external_id.startswith(LOCAL_PREFIX)
    attributes = AlertAttributes(
        short_id=row.short_id,
        source=row.source,
        status=AlertStatus(row.status),
        summary=row.summary,
        description=row.description,
        external_id=None if is_local else row.external_id,
        external_url=row.external_url or None,
        labels=[Label(key=key, value=value) for key, value in row.labels.items()],
        data=row.data,
        integration_id=row.integration_id,
        thirdparty_id=row.thirdparty_id,
        started_at=row.started_at,
        acknowledged_at=row.acknowledged_at,
        ended_at=row.ended_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
    return Resource(id=str(row.id), type="alerts", attributes=attributes)


def _event(row: AlertEvent) -> Resource[AlertEventAttributes]:
    attributes = AlertEventAttributes(
        alert_id=row.alert_id,
        kind=row.kind,
        action=row.action,
        source=row.source,
        details=row.details,
        event_type=row.event_type,
        delivery_id=row.delivery_id,
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        updated_at=row.created_at,
    )
    return Resource(id=str(row.id), type="alert_events", attributes=attributes)
