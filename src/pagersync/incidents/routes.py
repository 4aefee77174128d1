"""`/v1/incidents`: made, found, changed, moved through their lifecycle, as Rootly has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.events.publish import Cause
from pagersync.filters import Filters
from pagersync.incidents import requests, service
from pagersync.incidents.attach import attach_alerts
from pagersync.incidents.models import Incident, IncidentKind, IncidentStatus, Severity
from pagersync.incidents.views import IncidentAttributes, incident_resources
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find

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


_TIMES = {
    name: getattr(Incident, name)
    for name in (
        "created_at",
        "updated_at",
        "in_triage_at",
        "started_at",
        "detected_at",
        "acknowledged_at",
        "mitigated_at",
        "resolved_at",
        "closed_at",
        "cancelled_at",
    )
}

FILTERS = Filters(
    texts={
        "status": Incident.status,
        "kind": Incident.kind,
        "private": Incident.private,
        "severity_id": Incident.severity_id,
        "sequential_id": Incident.number,
    },
    choices={
        "status": list(IncidentStatus),
        "kind": list(IncidentKind),
        "private": ["true", "false"],
    },
    times=_TIMES,
    labels=Incident.labels,
    related={"severity": _has_severity},
    search=Incident.search,
    sorts={**_TIMES, "sequential_id": Incident.number},
)


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


async def shown(
    session: AsyncSession, response: Response, incident: Incident
) -> Document[IncidentAttributes]:
    """Return the answer about one incident, with its `ETag`."""
    response.headers["ETag"] = etag(incident.version)
    return Document(data=(await incident_resources(session, [incident]))[0])


@router.post(
    "/incidents",
    summary="Create an incident",
    description="Its number follows the newest one. Alerts that are named are attached.",
    status_code=201,
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 409, 422),
)
async def create_incident(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    body: NewDocument[Literal["incidents"], requests.NewIncidentAttributes],
) -> Document[IncidentAttributes]:
    new = requests.to_new_incident(body.data.attributes)
    return await shown(session, response, await service.create_incident(session, new, cause))


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
) -> Collection[IncidentAttributes]:
    found = await find(session, select(Incident).where(*where), Incident.id, page, order=order)
    return Collection(
        data=await incident_resources(session, found.rows), links=found.links, meta=found.meta
    )


@router.get(
    "/incidents/{id}",
    summary="Show an incident",
    description="By its id or its number.",
    dependencies=[needs(Scope.READ)],
    responses=errors(404),
)
async def get_incident(
    response: Response, session: SessionDep, id: str
) -> Document[IncidentAttributes]:
    return await shown(session, response, await service.get_incident(session, id))


@router.put(
    "/incidents/{id}",
    summary="Change an incident",
    description="Only what is named is set. What changes nothing has no effect.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 412, 422),
)
async def update_incident(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    body: NewDocument[Literal["incidents"], requests.ChangedIncident],
) -> Document[IncidentAttributes]:
    values = body.data.attributes.changes(never_null=requests.NEVER_NULL)
    alert_ids = values.pop("alert_ids", None) or []
    values |= {"labels": values["labels"] or {}} if "labels" in values else {}
    incident = await wanted.lock()
    await attach_alerts(session, incident, alert_ids, cause)
    changed = await service.change_incident(session, incident, values, cause)
    return await shown(session, response, changed)
