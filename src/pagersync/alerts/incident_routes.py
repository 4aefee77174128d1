"""`/v1/incidents/{incident_id}/alerts`: the alerts that are attached to an incident."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from pagersync.access.account_names import account_names
from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.alerts.models import Alert
from pagersync.alerts.views import SHAPE, WIDE, AlertAttributes, alert_resource
from pagersync.cut_columns import Wide
from pagersync.database.session import SessionDep
from pagersync.incidents.attach import attach_alerts
from pagersync.incidents.models import Incident, IncidentAlert
from pagersync.incidents.requests import AlertAttachment
from pagersync.incidents.routes import CauseDep
from pagersync.incidents.service import get_incident
from pagersync.jsonapi import Collection, JsonApiResponse, NewDocument, errors
from pagersync.pagination import Page, PageDep, find
from pagersync.shape import Wanted

router = APIRouter(
    prefix="/v1",
    tags=["Incidents"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)


@router.post(
    "/incidents/{incident_id}/alerts",
    summary="Attach alerts to an incident",
    description="Answers with the newest of all that are attached. An alert that is open while "
    "the incident is over stays open, and is named in `meta.notes`, unless "
    "`resolve_open_alerts` is true.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 422),
)
async def attach_alert(
    session: SessionDep,
    cause: CauseDep,
    page: PageDep,
    incident_id: str,
    body: NewDocument[Literal["alerts"], AlertAttachment],
) -> Collection[AlertAttributes]:
    incident = await get_incident(session, incident_id)
    said = body.data.attributes
    attached = await attach_alerts(
        session, incident, said.alert_ids, cause, resolve_open=said.resolve_open_alerts
    )
    answer = await _attached(session, incident, page, Wanted())
    answer.meta.notes = [*attached.notes] or None
    return answer


@router.get(
    "/incidents/{incident_id}/alerts",
    summary="List the alerts that are attached to an incident",
    dependencies=[needs(Scope.READ)],
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def list_incident_alerts(
    session: SessionDep,
    page: PageDep,
    incident_id: str,
    wanted: Annotated[Wanted, Depends(SHAPE)],
) -> Collection[AlertAttributes]:
    return await _attached(session, await get_incident(session, incident_id), page, wanted)


async def _attached(
    session: AsyncSession, incident: Incident, page: Page, wanted: Wanted
) -> Collection[AlertAttributes]:
    ids = select(IncidentAlert.alert_id).where(IncidentAlert.incident_id == incident.id)
    statement = select(Alert).where(Alert.id.in_(ids)).options(defer(Alert.fold))
    found = await find(session, statement, Alert.id, page, wide=Wide(WIDE, wanted.fields))
    accounts = await account_names(session, found.rows)
    shown = [alert_resource(row, accounts) for row in found.rows]
    return await wanted.collection(session, found, shown)
