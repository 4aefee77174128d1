"""`/v1/severities`: how bad incidents can be, as Rootly has it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import ColumnElement, func, select

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.filters import Filters
from pagersync.incidents import requests, severities
from pagersync.incidents.models import Severity, SeverityLevel
from pagersync.incidents.views import SeverityAttributes, severity_resource
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find

router = APIRouter(
    prefix="/v1",
    tags=["Severities"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(
    texts={
        "slug": Severity.slug,
        "name": Severity.name,
        "severity": Severity.severity,
        "color": Severity.color,
    },
    choices={"severity": list(SeverityLevel)},
    times={"created_at": Severity.created_at},
    search=func.to_tsvector(
        "simple", Severity.name + " " + func.coalesce(Severity.description, "")
    ),
    sorts={
        "position": Severity.position,
        "name": Severity.name,
        "created_at": Severity.created_at,
        "updated_at": Severity.updated_at,
    },
)


@router.post(
    "/severities",
    summary="Add a severity",
    status_code=201,
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 409, 422),
)
async def create_severity(
    session: SessionDep, body: NewDocument[Literal["severities"], requests.NewSeverity]
) -> Document[SeverityAttributes]:
    values = body.data.attributes.kept(exclude_none=True)
    return Document(data=severity_resource(await severities.create_severity(session, values)))


@router.get(
    "/severities",
    summary="List severities",
    description="By their position, the worst first.",
    dependencies=[needs(Scope.READ)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_severities(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    order: Annotated[list[ColumnElement[Any]], Depends(FILTERS.order)],
) -> Collection[SeverityAttributes]:
    order = order or [Severity.position.asc()]
    found = await find(session, select(Severity).where(*where), Severity.id, page, order=order)
    return Collection(
        data=[severity_resource(row) for row in found.rows], links=found.links, meta=found.meta
    )


@router.get(
    "/severities/{id}",
    summary="Show a severity",
    dependencies=[needs(Scope.READ)],
    responses=errors(404, 422),
)
async def get_severity(session: SessionDep, id: UUID) -> Document[SeverityAttributes]:
    return Document(data=severity_resource(await severities.get_severity(session, id)))


@router.put(
    "/severities/{id}",
    summary="Change a severity",
    description="Its slug stays as it is.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 422),
)
async def update_severity(
    session: SessionDep,
    id: UUID,
    body: NewDocument[Literal["severities"], requests.ChangedSeverity],
) -> Document[SeverityAttributes]:
    never_null = ("name", "severity", "position")
    values = body.data.attributes.changes(never_null=never_null)
    severity = await severities.get_severity(session, id, lock=True)
    changed = await severities.change_severity(session, severity, values)
    return Document(data=severity_resource(changed))


@router.delete(
    "/severities/{id}",
    summary="Remove a severity",
    description="Answers with the severity. One that incidents have stays.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 409, 422),
)
async def delete_severity(session: SessionDep, id: UUID) -> Document[SeverityAttributes]:
    severity = await severities.get_severity(session, id, lock=True)
    removed = severity_resource(severity)
    await severities.remove_severity(session, severity)
    return Document(data=removed)
