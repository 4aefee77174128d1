"""`/v1/incidents/{id}/...`: what moves an incident through its lifecycle, as Rootly has it.

Each answers with the incident. What has happened already changes nothing; what the lifecycle does
not allow is refused with the rule.
"""

from typing import Literal

from fastapi import APIRouter, Response

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.incidents import requests
from pagersync.incidents.models import IncidentStatus
from pagersync.incidents.routes import CauseDep, ToChangeDep, shown
from pagersync.incidents.service import mark_duplicate, move_incident
from pagersync.incidents.views import IncidentAttributes
from pagersync.jsonapi import Document, JsonApiResponse, NewDocument, errors

router = APIRouter(
    prefix="/v1",
    tags=["Incidents"],
    dependencies=[needs(Scope.WRITE)],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)
ERRORS = errors(400, 404, 412, 422)


@router.put("/incidents/{id}/mitigate", summary="Mitigate an incident", responses=ERRORS)
async def mitigate_incident(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    body: requests.ActionDocument[requests.Mitigation] | None = None,
) -> Document[IncidentAttributes]:
    message = body.message if body else None
    moved = await move_incident(
        session, await wanted.lock(), IncidentStatus.MITIGATED, cause, message
    )
    return await shown(session, response, moved)


@router.put(
    "/incidents/{id}/resolve",
    summary="Resolve an incident",
    description="One that was not mitigated is so at the same time.",
    responses=ERRORS,
)
async def resolve_incident(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    body: requests.ActionDocument[requests.Resolution] | None = None,
) -> Document[IncidentAttributes]:
    message = body.message if body else None
    moved = await move_incident(
        session, await wanted.lock(), IncidentStatus.RESOLVED, cause, message
    )
    return await shown(session, response, moved)


@router.put(
    "/incidents/{id}/cancel",
    summary="Cancel an incident",
    description="Only one in triage can be cancelled.",
    responses=ERRORS,
)
async def cancel_incident(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    body: requests.ActionDocument[requests.Cancellation] | None = None,
) -> Document[IncidentAttributes]:
    message = body.message if body else None
    moved = await move_incident(
        session, await wanted.lock(), IncidentStatus.CANCELLED, cause, message
    )
    return await shown(session, response, moved)


@router.put("/incidents/{id}/in_triage", summary="Put an incident into triage", responses=ERRORS)
async def triage_incident(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    body: requests.ActionDocument[requests.NoAttributes] | None = None,
) -> Document[IncidentAttributes]:
    del body  # it has nothing to say
    moved = await move_incident(session, await wanted.lock(), IncidentStatus.IN_TRIAGE, cause)
    return await shown(session, response, moved)


@router.put(
    "/incidents/{id}/restart",
    summary="Restart an incident",
    description="It is started again; its timeline keeps what it was meanwhile.",
    responses=ERRORS,
)
async def restart_incident(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    body: requests.ActionDocument[requests.NoAttributes] | None = None,
) -> Document[IncidentAttributes]:
    del body  # it has nothing to say
    moved = await move_incident(session, await wanted.lock(), IncidentStatus.STARTED, cause)
    return await shown(session, response, moved)


@router.put(
    "/incidents/{id}/duplicate",
    summary="Mark an incident as a duplicate of another",
    description="Cancels it, unless it is over or `auto_cancel_incident` is false.",
    responses=ERRORS,
)
async def mark_as_duplicate_incident(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    body: NewDocument[Literal["incidents"], requests.Duplication],
) -> Document[IncidentAttributes]:
    said = body.data.attributes
    marked = await mark_duplicate(
        session,
        await wanted.lock(),
        said.duplicate_incident_id,
        cause,
        auto_cancel=said.auto_cancel_incident,
        reason=said.reason_for_cancellation,
    )
    return await shown(session, response, marked)
