"""`/v1/alert_events`: what happened to alerts, and people's notes about them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlalchemy import ColumnElement, select

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.alerts import notes
from pagersync.alerts.models import AlertEvent
from pagersync.alerts.requests import ChangedNote, NewNote
from pagersync.alerts.routes import find_alert
from pagersync.alerts.views import EVENT_SHAPE, AlertEventAttributes, event_resource
from pagersync.cut_columns import Wide
from pagersync.database.session import SessionDep
from pagersync.etag import IfMatch, check_if_match, etag_of, version_of
from pagersync.filters import Filters
from pagersync.incidents.routes import CauseDep
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find
from pagersync.shape import Wanted

router = APIRouter(
    prefix="/v1",
    tags=["Alerts"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

TEXTS = {"kind": AlertEvent.kind, "action": AlertEvent.action}
FILTERS = Filters(texts=TEXTS, shape=EVENT_SHAPE)
FEED_FILTERS = Filters(
    texts=TEXTS | {"alert_id": AlertEvent.alert_id},
    times={"created_at": AlertEvent.created_at},
    sorts={"created_at": AlertEvent.id},  # made of the time at which it is added
    shape=EVENT_SHAPE,
)

WantedDep = Annotated[Wanted, Depends(EVENT_SHAPE)]


@router.get(
    "/alerts/{alert_id}/events",
    summary="List what happened to an alert",
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(404, 422),
)
async def list_alert_events(
    session: SessionDep,
    page: PageDep,
    alert_id: str,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    wanted: WantedDep,
) -> Collection[AlertEventAttributes]:
    alert = await find_alert(session, alert_id)
    statement = select(AlertEvent).where(
        AlertEvent.integration_id == alert.integration_id, AlertEvent.alert_id == alert.id, *where
    )
    wide = [AlertEvent.details]
    found = await find(session, statement, AlertEvent.id, page, wide=Wide(wide, wanted.fields))
    return await wanted.collection(session, found, [event_resource(row) for row in found.rows])


@router.post(
    "/alerts/{alert_id}/events",
    summary="Add a note to an alert",
    status_code=201,
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(400, 404, 422),
)
async def create_alert_event(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    alert_id: str,
    body: NewDocument[Literal["alert_events"], NewNote],
) -> Document[AlertEventAttributes]:
    alert = await find_alert(session, alert_id)
    said = body.data.attributes
    note = await notes.add_note(session, alert, said.details, cause)
    return shown(response, note, said.notes)


@router.get(
    "/alert_events",
    summary="List what happened to all alerts",
    description="Newest first, or oldest first by `sort=created_at`; both have cursors.",
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=FEED_FILTERS.openapi(),
    responses=errors(422),
)
async def list_alert_events_feed(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FEED_FILTERS)],
    order: Annotated[list[ColumnElement[Any]], Depends(FEED_FILTERS.order)],
    wanted: WantedDep,
) -> Collection[AlertEventAttributes]:
    statement = select(AlertEvent).where(*where)
    found = await find(
        session,
        statement,
        AlertEvent.id,
        page,
        order=order,
        wide=Wide([AlertEvent.details], wanted.fields),
    )
    return await wanted.collection(session, found, [event_resource(row) for row in found.rows])


@router.get(
    "/alert_events/{id}",
    summary="Show what happened to an alert",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(404, 422),
)
async def get_alert_event(
    response: Response, session: SessionDep, id: UUID
) -> Document[AlertEventAttributes]:
    return shown(response, await notes.get_event(session, id))


@router.patch(
    "/alert_events/{id}",
    summary="Change a note",
    description="What the system wrote stays as it is.",
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(400, 404, 409, 412, 422),
)
async def update_alert_event(
    response: Response,
    session: SessionDep,
    id: UUID,
    body: NewDocument[Literal["alert_events"], ChangedNote],
    if_match: IfMatch = None,
) -> Document[AlertEventAttributes]:
    note = await notes.get_note(session, id)
    check_if_match(if_match, version_of(note.updated_at or note.created_at))
    note.details = body.data.attributes.details
    note.updated_at = datetime.now(UTC)
    return shown(response, note, body.data.attributes.notes)


@router.delete(
    "/alert_events/{id}",
    summary="Remove a note",
    description="Answers with the note. What the system wrote stays.",
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(404, 409, 412, 422),
)
async def delete_alert_event(
    response: Response, session: SessionDep, id: UUID, if_match: IfMatch = None
) -> Document[AlertEventAttributes]:
    note = await notes.get_note(session, id)
    check_if_match(if_match, version_of(note.updated_at or note.created_at))
    await session.delete(note)
    return shown(response, note)


def shown(
    response: Response, row: AlertEvent, remarks: Sequence[str] = ()
) -> Document[AlertEventAttributes]:
    """Return the answer about one event, with its `ETag` and notes about the request."""
    response.headers["ETag"] = etag_of(row.updated_at or row.created_at)
    return Document(data=event_resource(row)).noting(remarks)
