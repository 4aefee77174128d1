"""`/v1/severities`: how bad incidents can be, as Rootly has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from sqlalchemy import ColumnElement, func, select

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.filters import Filters
from pagersync.incidents import requests, severities
from pagersync.incidents.models import Severity, SeverityLevel
from pagersync.incidents.views import SeverityAttributes, severity_resource
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find
from pagersync.shape import Shape, Wanted

router = APIRouter(
    prefix="/v1",
    tags=["Severities"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

SHAPE = Shape("severities")

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
    shape=SHAPE,
)


@dataclass(frozen=True, slots=True)
class SeverityToChange:
    """The severity that a request is to change."""

    session: SessionDep
    id: str
    if_match: IfMatch = None

    async def lock(self) -> Severity:
        """Return it; nobody else changes it until the request is answered.

        Raises:
            NotFoundError: there is none.
            PreconditionFailedError: it has changed since the request was made up.
        """
        severity = await severities.get_severity(self.session, self.id, lock=True)
        check_if_match(self.if_match, severity.version)
        return severity


SeverityToChangeDep = Annotated[SeverityToChange, Depends()]


def shown(
    response: Response, severity: Severity, notes: Sequence[str] = ()
) -> Document[SeverityAttributes]:
    """Return the answer about one severity, with its `ETag` and notes about the request."""
    response.headers["ETag"] = etag(severity.version)
    return Document(data=severity_resource(severity)).noting(notes)


@router.post(
    "/severities",
    summary="Add a severity",
    status_code=201,
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 409, 422),
)
async def create_severity(
    response: Response,
    session: SessionDep,
    body: NewDocument[Literal["severities"], requests.NewSeverity],
) -> Document[SeverityAttributes]:
    values = body.data.attributes.kept(exclude_none=True)
    made = await severities.create_severity(session, values)
    return shown(response, made, body.data.attributes.notes)


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
    shape: Annotated[Wanted, Depends(SHAPE)],
) -> Collection[SeverityAttributes]:
    order = order or [Severity.position.asc()]
    found = await find(session, select(Severity).where(*where), Severity.id, page, order=order)
    return await shape.collection(session, found, [severity_resource(row) for row in found.rows])


@router.get(
    "/severities/{id}",
    summary="Show a severity",
    description="By its id or its slug.",
    dependencies=[needs(Scope.READ)],
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def get_severity(
    response: Response, session: SessionDep, id: str
) -> Document[SeverityAttributes]:
    return shown(response, await severities.get_severity(session, id))


@router.put(
    "/severities/{id}",
    summary="Change a severity",
    description="Its slug stays as it is.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(400, 404, 409, 412, 422),
)
async def update_severity(
    response: Response,
    session: SessionDep,
    wanted: SeverityToChangeDep,
    body: NewDocument[Literal["severities"], requests.ChangedSeverity],
) -> Document[SeverityAttributes]:
    never_null = ("name", "severity", "position")
    values = body.data.attributes.changes(never_null=never_null)
    changed = await severities.change_severity(session, await wanted.lock(), values)
    return shown(response, changed, body.data.attributes.notes)


@router.delete(
    "/severities/{id}",
    summary="Remove a severity",
    description="Answers with the severity. One that incidents have stays.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 409, 412, 422),
)
async def delete_severity(
    session: SessionDep, wanted: SeverityToChangeDep
) -> Document[SeverityAttributes]:
    severity = await wanted.lock()
    removed = severity_resource(severity)
    await severities.remove_severity(session, severity)
    return Document(data=removed)
