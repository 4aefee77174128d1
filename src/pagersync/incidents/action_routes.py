"""`/v1/incidents/{id}/...`: what moves an incident through its lifecycle, as Rootly has it.

Each answers with the incident. What has happened already changes nothing; what the lifecycle does
not allow is refused with the rule.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.incidents import requests
from pagersync.incidents.lifecycle import note_on_start
from pagersync.incidents.models import IncidentStatus
from pagersync.incidents.routes import AnswerDep, CauseDep, ToChangeDep
from pagersync.incidents.service import mark_duplicate, move_incident, unmark_duplicate
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


@dataclass(frozen=True, slots=True)
class Move:
    """A request to move an incident to another status."""

    session: SessionDep
    cause: CauseDep
    wanted: ToChangeDep
    answer: AnswerDep

    async def to(
        self, status: IncidentStatus, body: requests.ActionDocument[Any] | None
    ) -> Document[IncidentAttributes]:
        """Move it, with the message that the request has, and answer with it."""
        incident = await self.wanted.lock()
        before = incident.status
        message, notes = (body.message, body.notes) if body else (None, [])
        moved = await move_incident(self.session, incident, status, self.cause, message, notes)
        more = note_on_start(moved.number, before, moved.status)
        return await self.answer.moved(moved, before, [*notes, *more])


MoveDep = Annotated[Move, Depends()]


@router.put("/incidents/{id}/mitigate", summary="Mitigate an incident", responses=ERRORS)
async def mitigate_incident(
    move: MoveDep, body: requests.ActionDocument[requests.Mitigation] | None = None
) -> Document[IncidentAttributes]:
    return await move.to(IncidentStatus.MITIGATED, body)


@router.put(
    "/incidents/{id}/resolve",
    summary="Resolve an incident",
    description="One that was not mitigated is so at the same time.",
    responses=ERRORS,
)
async def resolve_incident(
    move: MoveDep, body: requests.ActionDocument[requests.Resolution] | None = None
) -> Document[IncidentAttributes]:
    return await move.to(IncidentStatus.RESOLVED, body)


@router.put(
    "/incidents/{id}/cancel",
    summary="Cancel an incident",
    description="Only one in triage can be cancelled.",
    responses=ERRORS,
)
async def cancel_incident(
    move: MoveDep, body: requests.ActionDocument[requests.Cancellation] | None = None
) -> Document[IncidentAttributes]:
    return await move.to(IncidentStatus.CANCELLED, body)


@router.put("/incidents/{id}/in_triage", summary="Put an incident into triage", responses=ERRORS)
async def triage_incident(
    move: MoveDep, body: requests.ActionDocument[requests.NoAttributes] | None = None
) -> Document[IncidentAttributes]:
    return await move.to(IncidentStatus.IN_TRIAGE, body)


@router.put(
    "/incidents/{id}/restart",
    summary="Restart an incident",
    description="It is started again; its timeline keeps what it was meanwhile. Nobody is paged "
    "unless a workflow does so: `meta.notes` of the answer says whether none will.",
    responses=ERRORS,
)
async def restart_incident(
    move: MoveDep, body: requests.ActionDocument[requests.NoAttributes] | None = None
) -> Document[IncidentAttributes]:
    return await move.to(IncidentStatus.STARTED, body)


@router.put(
    "/incidents/{id}/duplicate",
    summary="Mark an incident as a duplicate of another",
    description="Cancels it, unless it is over or `auto_cancel_incident` is false.",
    responses=ERRORS,
)
async def mark_as_duplicate_incident(
    session: SessionDep,
    cause: CauseDep,
    wanted: ToChangeDep,
    answer: AnswerDep,
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
    return await answer.one(marked, notes=said.notes)


@router.put(
    "/incidents/{id}/unmark_as_duplicate",
    summary="Take back that an incident is a duplicate",
    description="Its status stays: restart it, if it was cancelled.",
    responses=errors(404, 412, 422),
)
async def unmark_as_duplicate_incident(
    session: SessionDep, cause: CauseDep, wanted: ToChangeDep, answer: AnswerDep
) -> Document[IncidentAttributes]:
    return await answer.one(await unmark_duplicate(session, await wanted.lock(), cause))
