"""`/v1/alerts`: what is known of alerts, with Rootly's attribute names."""

import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from pagersync.access.account_names import account_names
from pagersync.access.guard import needs
from pagersync.access.models import Scope
from pagersync.alerts.models import Alert, AlertStatus
from pagersync.alerts.views import SHAPE, WIDE, AlertAttributes, alert_resource
from pagersync.cut_columns import Wide
from pagersync.database.session import SessionDep
from pagersync.errors import NotFoundError
from pagersync.etag import etag_of
from pagersync.filters import Filters
from pagersync.jsonapi import Collection, Document, JsonApiResponse, errors
from pagersync.pagination import PageDep, find
from pagersync.shape import ShapedRoute, Wanted

router = APIRouter(
    prefix="/v1",
    tags=["Alerts"],
    dependencies=[needs(Scope.READ, bound=True)],
    default_response_class=JsonApiResponse,
    route_class=ShapedRoute,
)

SHORT_ID: Final = re.compile(r"[A-Za-z0-9]{6}")

FILTERS = Filters(
    texts={"status": Alert.status, "source": Alert.source},
    choices={"status": [*AlertStatus, "deferred"]},
    times={
        "started_at": Alert.started_at,
        "ended_at": Alert.ended_at,
        "created_at": Alert.created_at,
        "updated_at": Alert.updated_at,
    },
    labels=Alert.labels,
    nothing=("services", "environments", "groups"),
    shape=SHAPE,
)

WantedDep = Annotated[Wanted, Depends(SHAPE)]


@router.get(
    "/alerts",
    summary="List alerts",
    description="Newest first. `data` over 16 KiB is left out here; the alert itself shows it.",
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_alerts(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    wanted: WantedDep,
) -> Collection[AlertAttributes]:
    statement = select(Alert).where(*where).options(defer(Alert.fold))
    found = await find(session, statement, Alert.id, page, wide=Wide(WIDE, wanted.fields))
    accounts = await account_names(session, found.rows)
    shown = [alert_resource(row, accounts) for row in found.rows]
    return await wanted.collection(session, found, shown)


@router.get(
    "/alerts/{id}",
    summary="Show an alert",
    description="By its id or its short id.",
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def get_alert(
    response: Response, session: SessionDep, id: str, wanted: WantedDep
) -> Document[AlertAttributes]:
    alert = await find_alert(session, id)
    response.headers["ETag"] = etag_of(alert.updated_at)
    return await wanted.document(
        session, alert_resource(alert, await account_names(session, [alert]))
    )


async def find_alert(session: AsyncSession, reference: str) -> Alert:
    """Return an alert by its UUID or its short id.

    Raises:
        NotFoundError: there is none.
    """
    alert = await session.scalar(select(Alert).where(_is_called(reference)))
    if alert is None:
        raise NotFoundError(f"there is no alert {reference}", noun="alert", id_=reference)
    return alert


def _is_called(reference: str) -> ColumnElement[bool]:
    if SHORT_ID.fullmatch(reference):
        return Alert.short_id == reference.upper()
    try:
        return Alert.id == UUID(reference)
    except ValueError:
        raise NotFoundError(f"{reference!r} is neither a UUID nor a short id") from None
