"""`/v1/incidents`: made, found, changed, moved through their lifecycle, as Rootly has it."""

from collections.abc import Collection as AnyOf
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import ColumnElement, or_, select

from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.cut_columns import Wide
from pagersync.database.session import SessionDep
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.events.publish import Cause
from pagersync.filters import Filters
from pagersync.incidents import requests, service
from pagersync.incidents.attach import attach_alerts, notes_on_open
from pagersync.incidents.hooks import HOOKS
from pagersync.incidents.lifecycle import TIMES, is_over, is_restart
from pagersync.incidents.models import (
    MAINTENANCE_KINDS,
    MAINTENANCE_STATUSES,
    Incident,
    IncidentKind,
    IncidentStatus,
    Severity,
)
from pagersync.incidents.views import WIDE, IncidentAttributes, incident_resources, load_entries
from pagersync.jsonapi import (
    Collection,
    Document,
    JsonApiResponse,
    NewDocument,
    Resource,
    errors,
)
from pagersync.pagination import PageDep, find
from pagersync.shape import Shape, Wanted

router = APIRouter(
    prefix="/v1",
    tags=["Incidents"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)


def _has_severity(names: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that an incident's severity is called so, or means it."""
    is_called = or_(Severity.slug.in_(names), Severity.severity.in_(names))
    return select(Severity.id).where(Severity.id == Incident.severity_id, is_called).exists()


_TIMES = {name: getattr(Incident, name) for name in ("created_at", "updated_at", *TIMES)}

SHAPE = Shape(
    "incidents",
    loaders={"events": load_entries},
    nothing=(
        "alerts",  # `app.py` adds their loader: this part does not know alerts
        *("sub_statuses", "causes", "subscribers", "roles", "slack_messages", "environments"),
        *("incident_types", "services", "functionalities", "groups", "action_items"),
        *("custom_field_selections", "feedbacks", "incident_post_mortem"),
    ),
)
"""What `include` can name."""

FILTERS = Filters(
    texts={
        "status": Incident.status,
        "kind": Incident.kind,
        "private": Incident.private,
        "severity_id": Incident.severity_id,
        "sequential_id": Incident.number,
    },
    choices={
        "status": [*IncidentStatus, *MAINTENANCE_STATUSES],
        "kind": [*IncidentKind, *MAINTENANCE_KINDS],
        "private": ["true", "false"],
    },
    times=_TIMES,
    labels=Incident.labels,
    related={"severity": _has_severity},
    search=Incident.search,
    sorts={**_TIMES, "sequential_id": Incident.number},
    nothing=(
        *("user_id", "types", "type_ids", "environments", "environment_ids", "functionalities"),
        *("functionality_ids", "functionality_names", "services", "service_ids", "service_names"),
        *("teams", "team_ids", "team_names", "cause", "causes", "cause_ids"),
        *("custom_field_selected_option_ids", "slack_channel_id", "zendesk_ticket_id"),
    ),
    shape=SHAPE,
)


NOTHING_MORE: Final = Wanted()


def cause_of(request: Request) -> Cause:
    """Return who makes a request that passed the guard, as the cause of what it does."""
    return Cause(requester(request), "api")


CauseDep = Annotated[Cause, Depends(cause_of)]


@dataclass(frozen=True, slots=True)
class ToChange:
    """The incident that a request is to change, as it names it."""

    session: SessionDep
    id: str
    if_match: IfMatch = None

    async def lock(self) -> Incident:
        """Return it; nobody else changes it until the request is answered.

        Raises:
            NotFoundError: there is none.
            PreconditionFailedError: it has changed since the request was made up.
        """
        incident = await service.get_incident(self.session, self.id, lock=True)
        check_if_match(self.if_match, incident.version)
        return incident


ToChangeDep = Annotated[ToChange, Depends()]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request is answered with incidents."""

    request: Request
    response: Response
    session: SessionDep

    async def one(
        self, incident: Incident, shape: Wanted = NOTHING_MORE, *, notes: AnyOf[str] = ()
    ) -> Document[IncidentAttributes]:
        """Return the answer about one incident, with its `ETag` and what there is to note."""
        self.response.headers["ETag"] = etag(incident.version)
        (resource,) = await self.resources([incident])
        return (await shape.document(self.session, resource)).noting(notes)

    async def moved(
        self, incident: Incident, before: str, notes: Sequence[str] = ()
    ) -> Document[IncidentAttributes]:
        """Return the answer about an incident that had the status `before`."""
        more = await self.notes_on_move(incident, before)
        return await self.one(incident, notes=[*notes, *more])

    async def notes_on_move(self, incident: Incident, before: str) -> list[str]:
        """Return what to note about an incident that had the status `before`."""
        if not is_restart(before, incident.status):
            return []
        return await HOOKS.notes_on_restart(self.session, incident, before)

    async def resources(self, rows: Sequence[Incident]) -> list[Resource[IncidentAttributes]]:
        """Return incidents as they are shown at the service's address, if it has one."""
        settings = self.request.state.settings
        base_url = settings.base_url if settings.public_url else None
        return await incident_resources(self.session, rows, base_url=base_url)


AnswerDep = Annotated[Answer, Depends()]


@router.post(
    "/incidents",
    summary="Create an incident",
    description="Its number follows the newest one. Alerts that are named are attached.",
    status_code=201,
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 409, 422),
)
async def create_incident(
    session: SessionDep,
    cause: CauseDep,
    answer: AnswerDep,
    body: NewDocument[Literal["incidents"], requests.NewIncidentAttributes],
) -> Document[IncidentAttributes]:
    new = requests.to_new_incident(body.data.attributes)
    incident = await service.create_incident(session, new, cause)
    return await answer.one(incident, notes=new.notes)


@router.get(
    "/incidents",
    summary="List incidents",
    description="Newest first, or by `sort`, for example `-started_at`.",
    dependencies=[needs(Scope.READ)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_incidents(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    order: Annotated[list[ColumnElement[Any]], Depends(FILTERS.order)],
    shape: Annotated[Wanted, Depends(SHAPE)],
    answer: AnswerDep,
) -> Collection[IncidentAttributes]:
    statement = select(Incident).where(Incident.removed_at.is_(None), *where)
    found = await find(
        session, statement, Incident.id, page, order=order, wide=Wide(WIDE, shape.fields)
    )
    return await shape.collection(session, found, await answer.resources(found.rows))


@router.get(
    "/incidents/{id}",
    summary="Show an incident",
    description="By its id, its number or its slug.",
    dependencies=[needs(Scope.READ)],
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def get_incident(
    session: SessionDep, answer: AnswerDep, shape: Annotated[Wanted, Depends(SHAPE)], id: str
) -> Document[IncidentAttributes]:
    return await answer.one(await service.get_incident(session, id), shape)


@router.put(
    "/incidents/{id}",
    summary="Change an incident",
    description="Only what is named is set. What changes nothing has no effect.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 412, 422),
)
async def update_incident(
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    answer: AnswerDep,
    body: NewDocument[Literal["incidents"], requests.ChangedIncident],
) -> Document[IncidentAttributes]:
    values, notes = requests.changed_values(body.data.attributes), body.data.attributes.notes
    alert_ids = values.pop("alert_ids", None) or []
    resolve_open = bool(values.pop("resolve_open_alerts", False))
    incident = await wanted.lock()
    before = incident.status
    if not is_over(before):  # what this change resolves takes the alerts along
        await attach_alerts(session, incident, alert_ids, cause)
    incident = await service.change_incident(session, incident, values, cause, notes)
    notes = [*notes, *await answer.notes_on_move(incident, before)]
    if is_over(before):  # unless this change starts it again
        attached = await attach_alerts(
            session, incident, alert_ids, cause, resolve_open=resolve_open
        )
        notes += attached.notes
    return await answer.one(incident, notes=notes)


@router.delete(
    "/incidents/{id}",
    summary="Remove an incident",
    description="Only one that is over; answers with it. Its number is not given again. Attached "
    "alerts that are still open are named in `meta.notes`.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 409, 412, 422),
)
async def delete_incident(
    session: SessionDep, cause: CauseDep, wanted: ToChangeDep, answer: AnswerDep
) -> Document[IncidentAttributes]:
    incident = await service.remove_incident(session, await wanted.lock(), cause)
    return await answer.one(incident, notes=await notes_on_open(session, incident))
