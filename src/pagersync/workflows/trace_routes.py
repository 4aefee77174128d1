"""`/v1/incidents|alerts|pages/{id}/trace`: why somebody was paged, or was not."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from pagersync.access.guard import needs
from pagersync.access.models import Scope
from pagersync.alerts.routes import find_alert
from pagersync.database.session import SessionDep
from pagersync.incidents.service import get_incident
from pagersync.jsonapi import Document, JsonApiResponse, Resource, errors
from pagersync.paging.service import get_page
from pagersync.shape import ShapedRoute
from pagersync.workflows.explain import Explanation, explain_alert, explain_incident, explain_page
from pagersync.workflows.trace_tree import TraceNode

router = APIRouter(
    prefix="/v1",
    tags=["Traces"],
    dependencies=[needs(Scope.READ)],
    default_response_class=JsonApiResponse,
    route_class=ShapedRoute,
)

HOW: Final = (
    "Roots are what people and PagerTree did; below each is what it led to: workflow runs and the "
    "workflows that did not match, their tasks, pages, calls to PagerTree and how it answered."
)


class TraceAttributes(BaseModel):
    """A causal chain, and what it comes to."""

    summary: str = Field(description="Why somebody was paged, or why nobody was.")
    note: str | None = Field(description="What is missing in the tree, if anything is.")
    nodes: int
    roots: list[TraceNode]


@router.get(
    "/incidents/{id}/trace",
    summary="Show why somebody was paged for an incident, or why nobody was",
    description=f"`id` is a UUID or a number. {HOW}",
    responses=errors(404),
)
async def get_incident_trace(
    request: Request, session: SessionDep, id: str
) -> Document[TraceAttributes]:
    incident, settings = await get_incident(session, id), request.state.settings
    return _document(await explain_incident(session, incident, settings))


@router.get(
    "/alerts/{id}/trace",
    summary="Show what led to an alert, and whether somebody was paged about it",
    description=f"`id` is a UUID or a short id. {HOW}",
    responses=errors(404),
)
async def get_alert_trace(
    request: Request, session: SessionDep, id: str
) -> Document[TraceAttributes]:
    alert, settings = await find_alert(session, id), request.state.settings
    return _document(await explain_alert(session, alert, settings))


@router.get(
    "/pages/{id}/trace",
    summary="Show why somebody was paged, and what became of the page",
    description=HOW,
    responses=errors(404, 422),
)
async def get_page_trace(
    request: Request, session: SessionDep, id: UUID
) -> Document[TraceAttributes]:
    page, settings = await get_page(session, id), request.state.settings
    return _document(await explain_page(session, page, settings))


def _document(explained: Explanation) -> Document[TraceAttributes]:
    attributes = TraceAttributes(
        summary=explained.summary,
        note=explained.note,
        nodes=explained.nodes,
        roots=explained.roots,
    )
    return Document(data=Resource(id=str(explained.id), type="traces", attributes=attributes))
