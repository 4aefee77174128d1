"""`/v1/teams`: the teams of PagerTree's, as Rootly shows teams, and who is on call in them."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel
from sqlalchemy import ColumnElement, false, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import account_names
from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.etag import etag
from pagersync.filters import Filters
from pagersync.integrations import directory_changes as changes
from pagersync.integrations import directory_requests as requests
from pagersync.integrations import service
from pagersync.integrations.connect import blaming_pagertree, open_pagertree
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_related import load_members
from pagersync.integrations.directory_store import find_entry, is_shown
from pagersync.integrations.directory_views import TeamAttributes, team_resource
from pagersync.integrations.oncall import OnCallLayer, ask_current_oncall
from pagersync.integrations.reachability import telling_rate_limiter
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
    tags=["Teams"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)


def _is_off(values: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition on a switch of Rootly's that is off for every team here."""
    return true() if "false" in values else false()


SHAPE: Final = Shape(
    "groups", {"users": load_members}, nothing=("schedules", "escalation_policies")
)
FILTERS: Final = Filters(
    texts={
        "integration_id": DirectoryEntry.integration_id,
        "name": DirectoryEntry.name,
        "slug": DirectoryEntry.slug,
        "color": DirectoryEntry.color,
        "external_id": DirectoryEntry.external_id,
    },
    related={"alert_broadcast_enabled": _is_off, "incident_broadcast_enabled": _is_off},
    times={"created_at": DirectoryEntry.created_at},
    search=func.to_tsvector(
        "simple", DirectoryEntry.name + " " + func.coalesce(DirectoryEntry.description, "")
    ),
    sorts={
        "name": DirectoryEntry.name_key,
        "position": DirectoryEntry.position,
        "created_at": DirectoryEntry.created_at,
        "updated_at": DirectoryEntry.updated_at,
    },
    nothing=("backstage_id", "cortex_id", "opslevel_id"),
    shape=SHAPE,
)
BY_ID: Final = "By our id, its slug, PagerTree's id, or its prefix id, as in `tem_K22OuvPYNmCyvJ`."

WantedDep = Annotated[Wanted, Depends(SHAPE)]


class OnCallAttributes(BaseModel):
    """Who is on call in a team at the moment of the request."""

    team: str
    layers: list[OnCallLayer]


async def _shown(
    session: AsyncSession, response: Response, team: DirectoryEntry
) -> Resource[TeamAttributes]:
    response.headers["ETag"] = etag(team.version)
    return team_resource(team, await account_names(session, [team]))


@router.post(
    "/teams",
    summary="Take in a team of PagerTree's",
    description="Teams are made in PagerTree. The one with this `pagertree_id`, or else this "
    "`name`, gets the attributes that only pagersync keeps: `description`, `color`, `position` "
    "and `external_id`.",
    status_code=201,
    dependencies=[needs(Scope.WRITE, bound=True)],
    responses=errors(400, 409, 422),
)
async def create_team(
    response: Response,
    session: SessionDep,
    body: NewDocument[Literal["groups"], requests.NewTeam],
) -> Document[TeamAttributes]:
    team = await changes.take_team(session, body.data.attributes.kept(exclude_none=True))
    return Document(data=await _shown(session, response, team))


@router.get(
    "/teams",
    summary="List teams",
    description="Newest first, or by `sort`, for example `name`.",
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_teams(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    order: Annotated[list[ColumnElement[Any]], Depends(FILTERS.order)],
    wanted: WantedDep,
) -> Collection[TeamAttributes]:
    is_team = DirectoryEntry.kind == DirectoryKind.TEAM
    statement = select(DirectoryEntry).where(is_team, is_shown(), *where)
    found = await find(session, statement, DirectoryEntry.id, page, order=order)
    accounts = await account_names(session, found.rows)
    shown = [team_resource(row, accounts) for row in found.rows]
    return await wanted.collection(session, found, shown)


@router.get(
    "/teams/{id}",
    summary="Show a team",
    description=BY_ID,
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def get_team(
    response: Response, session: SessionDep, id: str, wanted: WantedDep
) -> Document[TeamAttributes]:
    team = await find_entry(session, DirectoryKind.TEAM, id)
    return await wanted.document(session, await _shown(session, response, team))


@router.put(
    "/teams/{id}",
    summary="Change a team",
    description="Only what is named is set, and what PagerTree decides must be as it is. No sync "
    f"changes what is set here. {BY_ID}",
    dependencies=[needs(Scope.WRITE, bound=True)],
    responses=errors(400, 404, 412, 422),
)
async def update_team(
    response: Response,
    session: SessionDep,
    wanted: changes.ToChangeDep,
    body: NewDocument[Literal["groups"], requests.ChangedTeam],
) -> Document[TeamAttributes]:
    values = body.data.attributes.changes(never_null=("name",))
    team = await wanted.lock(DirectoryKind.TEAM)
    changed = await changes.change_team(session, team, values)
    return Document(data=await _shown(session, response, changed))


@router.delete(
    "/teams/{id}",
    summary="Remove a team",
    description="Answers with the team. One that PagerTree lists stays, and what happened goes on "
    f"naming the others. If PagerTree lists it again, it is back. {BY_ID}",
    dependencies=[needs(Scope.WRITE, bound=True)],
    responses=errors(404, 409, 412, 422),
)
async def delete_team(session: SessionDep, wanted: changes.ToChangeDep) -> Document[TeamAttributes]:
    team = await wanted.lock(DirectoryKind.TEAM)
    removed = await changes.remove_entry(session, team)
    return Document(data=team_resource(removed, await account_names(session, [removed])))


@router.get(
    "/teams/{id}/current_oncall",
    summary="Show who is on call in a team",
    description=f"PagerTree is asked at once. {BY_ID}",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(404, 422, 502),
)
async def get_current_oncall(request: Request, id: str) -> Document[OnCallAttributes]:
    state = request.state
    async with state.sessions() as session:
        team = await find_entry(session, DirectoryKind.TEAM, id)
        integration = await service.get_integration(session, team.integration_id)
    timeout_s = state.settings.pagertree_timeout_s
    pagertree = open_pagertree(state.http, state.vault, integration, timeout_s=timeout_s)
    with blaming_pagertree():
        async with telling_rate_limiter(state.sessions, integration):
            layers = await ask_current_oncall(state.sessions, pagertree, team)
    attributes = OnCallAttributes(team=team.name, layers=layers)
    return Document(data=Resource(id=str(team.id), type="current_oncalls", attributes=attributes))
