"""`/v1/incidents/{id}/events`, `/v1/events`: timelines, as Rootly has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from sqlalchemy import ColumnElement, select

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.cut_columns import Wide
from pagersync.database.session import SessionDep
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.filters import Filters
from pagersync.incidents import requests, timeline
from pagersync.incidents.models import EventKind, IncidentEvent, Visibility
from pagersync.incidents.routes import CauseDep
from pagersync.incidents.service import get_incident
from pagersync.incidents.views import EntryAttributes, entry_resource
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find
from pagersync.shape import Shape, Wanted

router = APIRouter(
    prefix="/v1",
    tags=["Incident events"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

SHAPE = Shape("incident_events")
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
    shape=SHAPE,
)


@dataclass(frozen=True, slots=True)
class EntryToChange:
    """The entry of a timeline that a request is to change."""

    session: SessionDep
    id: str
    if_match: IfMatch = None

    async def lock(self) -> IncidentEvent:
        """Return it; nobody else changes it until the request is answered.

        Raises:
            NotFoundError: there is none.
            PreconditionFailedError: it has changed since the request was made up.
        """
        entry = await timeline.get_entry(self.session, self.id, lock=True)
        check_if_match(self.if_match, entry.version)
        return entry


EntryToChangeDep = Annotated[EntryToChange, Depends()]


def shown(
    response: Response, entry: IncidentEvent, notes: Sequence[str] = ()
) -> Document[EntryAttributes]:
    """Return the answer about one entry, with its `ETag` and notes about the request."""
    response.headers["ETag"] = etag(entry.version)
    return Document(data=entry_resource(entry)).noting(notes)


@router.post(
    "/incidents/{incident_id}/events",
    summary="Put something on an incident's timeline",
    status_code=201,
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 422),
)
async def create_incident_event(
    response: Response,
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
    return shown(response, entry, new.notes)


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
    shape: Annotated[Wanted, Depends(SHAPE)],
) -> Collection[EntryAttributes]:
    incident = await get_incident(session, incident_id)
    statement = select(IncidentEvent).where(IncidentEvent.incident_id == incident.id, *where)
    order = order or [IncidentEvent.occurred_at.asc(), IncidentEvent.id.asc()]
    wide = [IncidentEvent.event]
    found = await find(
        session, statement, IncidentEvent.id, page, order=order, wide=Wide(wide, shape.fields)
    )
    return await shape.collection(session, found, [entry_resource(row) for row in found.rows])


@router.get(
    "/events/{id}",
    summary="Show an entry of a timeline",
    dependencies=[needs(Scope.READ)],
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def get_incident_events(
    response: Response, session: SessionDep, id: str
) -> Document[EntryAttributes]:
    return shown(response, await timeline.get_entry(session, id))


@router.put(
    "/events/{id}",
    summary="Change an entry of a timeline",
    description="Those that the system wrote stay as they are.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 412, 422),
)
async def update_incident_event(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    wanted: EntryToChangeDep,
    body: NewDocument[Literal["incident_events"], requests.ChangedEntry],
) -> Document[EntryAttributes]:
    values = body.data.attributes.changes(never_null=("event", "visibility"))
    entry = await wanted.lock()
    changed = await timeline.change_entry(session, entry, values, cause)
    return shown(response, changed, body.data.attributes.notes)


@router.delete(
    "/events/{id}",
    summary="Remove an entry of a timeline",
    description="Answers with the entry. Those that the system wrote stay.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 409, 412, 422),
)
async def delete_incident_event(
    session: SessionDep, cause: CauseDep, wanted: EntryToChangeDep
) -> Document[EntryAttributes]:
    entry = await wanted.lock()
    removed = entry_resource(entry)
    await timeline.remove_entry(session, entry, cause)
    return Document(data=removed)
