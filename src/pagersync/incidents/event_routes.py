"""`/v1/incidents/{id}/events`, `/v1/events`: timelines, as Rootly has them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import ColumnElement, select

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.filters import Filters
from pagersync.incidents import requests, timeline
from pagersync.incidents.models import EventKind, IncidentEvent, Visibility
from pagersync.incidents.routes import CauseDep
from pagersync.incidents.service import get_incident
from pagersync.incidents.views import EntryAttributes, entry_resource
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find

router = APIRouter(
    prefix="/v1",
    tags=["Incident events"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

_TIMES = {"occurred_at": IncidentEvent.occurred_at, "created_at": IncidentEvent.created_at}

FILTERS = Filters(
    texts={
        "kind": IncidentEvent.kind,
        "source": IncidentEvent.source,
        "visibility": IncidentEvent.visibility,
    },
    choices={"kind": list(EventKind), "visibility": list(Visibility)},
    times=_TIMES,
    sorts=_TIMES,
)


@router.post(
    "/incidents/{incident_id}/events",
    summary="Put something on an incident's timeline",
    status_code=201,
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 422),
)
async def create_incident_event(
    session: SessionDep,
    cause: CauseDep,
    incident_id: str,
    body: NewDocument[Literal["incident_events"], requests.NewEntry],
) -> Document[EntryAttributes]:
    new = body.data.attributes
    entry = await timeline.add_entry(
        session,
        await get_incident(session, incident_id),
        new.event,
        cause,
        visibility=new.visibility,
        occurred_at=new.occurred_at,
    )
    return Document(data=entry_resource(entry))


@router.get(
    "/incidents/{incident_id}/events",
    summary="List an incident's timeline",
    description="In the order in which it happened; `sort=-occurred_at` turns it around.",
    dependencies=[needs(Scope.READ)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(404, 422),
)
async def list_incident_events(
    session: SessionDep,
    page: PageDep,
    incident_id: str,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    order: Annotated[list[ColumnElement[Any]], Depends(FILTERS.order)],
) -> Collection[EntryAttributes]:
    incident = await get_incident(session, incident_id)
    statement = select(IncidentEvent).where(IncidentEvent.incident_id == incident.id, *where)
    order = order or [IncidentEvent.occurred_at.asc(), IncidentEvent.id.asc()]
    found = await find(session, statement, IncidentEvent.id, page, order=order)
    return Collection(
        data=[entry_resource(row) for row in found.rows], links=found.links, meta=found.meta
    )


@router.get(
    "/events/{id}",
    summary="Show an entry of a timeline",
    dependencies=[needs(Scope.READ)],
    responses=errors(404, 422),
)
async def get_incident_events(session: SessionDep, id: UUID) -> Document[EntryAttributes]:
    return Document(data=entry_resource(await timeline.get_entry(session, id)))


@router.put(
    "/events/{id}",
    summary="Change an entry of a timeline",
    description="Those that the system wrote stay as they are.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 422),
)
async def update_incident_event(
    session: SessionDep,
    cause: CauseDep,
    id: UUID,
    body: NewDocument[Literal["incident_events"], requests.ChangedEntry],
) -> Document[EntryAttributes]:
    values = body.data.attributes.changes(never_null=("event", "visibility"))
    entry = await timeline.get_entry(session, id, lock=True)
    return Document(data=entry_resource(await timeline.change_entry(session, entry, values, cause)))


@router.delete(
    "/events/{id}",
    summary="Remove an entry of a timeline",
    description="Answers with the entry. Those that the system wrote stay.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 409, 422),
)
async def delete_incident_event(
    session: SessionDep, cause: CauseDep, id: UUID
) -> Document[EntryAttributes]:
    entry = await timeline.get_entry(session, id, lock=True)
    removed = entry_resource(entry)
    await timeline.remove_entry(session, entry, cause)
    return Document(data=removed)
