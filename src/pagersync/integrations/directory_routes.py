"""`/v1/teams`, `/v1/users`, `/v1/routers`: whom PagerTree can page, and who is on call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.errors import PagerTreeError, Rejected
from pagersync.filters import Filters
from pagersync.integrations import service
from pagersync.integrations.connect import open_pagertree
from pagersync.integrations.directory import sync_integration
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_store import find_entry, is_connected
from pagersync.integrations.oncall import OnCallLayer, ask_current_oncall
from pagersync.jsonapi import Collection, Document, JsonApiResponse, Resource, Timestamp, errors
from pagersync.pagination import Found, Page, PageDep, find

router = APIRouter(
    prefix="/v1",
    tags=["Directory"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

TEXTS: Final = {"integration_id": DirectoryEntry.integration_id, "name": DirectoryEntry.name}
FILTERS = Filters(texts=TEXTS)
USER_FILTERS = Filters(texts=TEXTS, lists={"email": DirectoryEntry.emails})

Where = Annotated[list[ColumnElement[bool]], Depends(FILTERS)]
WhereUsers = Annotated[list[ColumnElement[bool]], Depends(USER_FILTERS)]

MAY_READ: Final = [needs(Scope.READ, bound=True)]
BY_ID: Final = "By our id, PagerTree's id, or its prefix id, as in `tem_K22OuvPYNmCyvJ`."


class EntryAttributes(BaseModel):
    """What is known of a team or router."""

    name: str
    integration_id: UUID
    pagertree_id: str = Field(description="The id of PagerTree's REST API.")
    prefix_id: str | None = Field(description="PagerTree's other id, for example `tem_...`.")
    fetched_at: Timestamp = Field(description="When PagerTree last listed it.")
    missing_since: Timestamp | None = Field(
        description="Since when PagerTree no longer lists it: it cannot be paged."
    )
    created_at: Timestamp
    updated_at: Timestamp


class UserAttributes(EntryAttributes):
    """What is known of an account user."""

    full_name: str
    email: str | None = Field(description="The primary address.")
    emails: list[str] = Field(description="Every address, in lower case.")


class OnCallAttributes(BaseModel):
    """Who is on call in a team at the moment of the request."""

    team: str
    layers: list[OnCallLayer]


class SyncAttributes(BaseModel):
    """What PagerTree listed, and what that changed."""

    teams: int
    users: int
    routers: int
    added: int = Field(description="Entries that were never seen before.")
    missing: int = Field(description="Entries that PagerTree listed until now.")


@router.get(
    "/teams",
    summary="List teams",
    dependencies=MAY_READ,
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_teams(
    session: SessionDep, page: PageDep, where: Where
) -> Collection[EntryAttributes]:
    found = await _find(session, DirectoryKind.TEAM, page, where)
    return Collection(data=[_entry(row) for row in found.rows], links=found.links, meta=found.meta)


@router.get(
    "/teams/{id}",
    summary="Show a team",
    description=BY_ID,
    dependencies=MAY_READ,
    responses=errors(404, 422),
)
async def get_team(session: SessionDep, id: str) -> Document[EntryAttributes]:
    return Document(data=_entry(await find_entry(session, DirectoryKind.TEAM, id)))


@router.get(
    "/teams/{id}/current_oncall",
    summary="Show who is on call in a team",
    description=f"PagerTree is asked at once. {BY_ID}",
    dependencies=MAY_READ,
    responses=errors(404, 422, 502),
)
async def get_current_oncall(request: Request, id: str) -> Document[OnCallAttributes]:
    state = request.state
    async with state.sessions() as session:
        team = await find_entry(session, DirectoryKind.TEAM, id)
        integration = await service.get_integration(session, team.integration_id)
    timeout_s = state.settings.pagertree_timeout_s
    pagertree = open_pagertree(state.http, state.vault, integration, timeout_s=timeout_s)
    with _blaming_pagertree():
        layers = await ask_current_oncall(state.sessions, pagertree, team)
    attributes = OnCallAttributes(team=team.name, layers=layers)
    return Document(data=Resource(id=str(team.id), type="current_oncalls", attributes=attributes))


@router.get(
    "/users",
    summary="List users",
    description="PagerTree's account users: the people that it can page.",
    dependencies=MAY_READ,
    openapi_extra=USER_FILTERS.openapi(),
    responses=errors(422),
)
async def list_users(
    session: SessionDep, page: PageDep, where: WhereUsers
) -> Collection[UserAttributes]:
    found = await _find(session, DirectoryKind.USER, page, where)
    return Collection(data=[_user(row) for row in found.rows], links=found.links, meta=found.meta)


@router.get(
    "/users/{id}",
    summary="Show a user",
    description=BY_ID,
    dependencies=MAY_READ,
    responses=errors(404, 422),
)
async def get_user(session: SessionDep, id: str) -> Document[UserAttributes]:
    return Document(data=_user(await find_entry(session, DirectoryKind.USER, id)))


@router.get(
    "/routers",
    summary="List routers",
    dependencies=MAY_READ,
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_routers(
    session: SessionDep, page: PageDep, where: Where
) -> Collection[EntryAttributes]:
    found = await _find(session, DirectoryKind.ROUTER, page, where)
    return Collection(data=[_entry(row) for row in found.rows], links=found.links, meta=found.meta)


@router.get(
    "/routers/{id}",
    summary="Show a router",
    description=BY_ID,
    dependencies=MAY_READ,
    responses=errors(404, 422),
)
async def get_router(session: SessionDep, id: str) -> Document[EntryAttributes]:
    return Document(data=_entry(await find_entry(session, DirectoryKind.ROUTER, id)))


@router.post(
    "/integrations/{id}/sync",
    summary="List an account's teams, users and routers anew",
    description="PagerTree is asked at once. This also happens by itself, every few minutes.",
    dependencies=[needs(Scope.WRITE, bound=True)],
    responses=errors(404, 422, 502),
)
async def sync_directory(request: Request, id: UUID) -> Document[SyncAttributes]:
    state = request.state
    async with state.sessions() as session:
        integration = await service.get_integration(session, id)
    timeout_s = state.settings.pagertree_timeout_s
    with _blaming_pagertree():
        result = await sync_integration(
            state.sessions, state.http, state.vault, integration, timeout_s=timeout_s
        )
    attributes = SyncAttributes(**asdict(result))
    return Document(data=Resource(id=str(id), type="directory_syncs", attributes=attributes))


@contextmanager
def _blaming_pagertree() -> Iterator[None]:
    """Answer 502 where PagerTree refuses: nothing is wrong with the request that was made here."""
    try:
        yield
    except Rejected as error:
        raise PagerTreeError(error.detail, http_status=error.http_status) from None


async def _find(
    session: AsyncSession, kind: DirectoryKind, page: Page, where: list[ColumnElement[bool]]
) -> Found[DirectoryEntry]:
    statement = select(DirectoryEntry).where(DirectoryEntry.kind == kind, is_connected(), *where)
    return await find(session, statement, DirectoryEntry.id, page)


def _entry(row: DirectoryEntry) -> Resource[EntryAttributes]:
    attributes = EntryAttributes.model_validate(row, from_attributes=True)
    return Resource(id=str(row.id), type=f"{row.kind}s", attributes=attributes)


def _user(row: DirectoryEntry) -> Resource[UserAttributes]:
    attributes = UserAttributes(
        **_entry(row).attributes.model_dump(),
        full_name=row.name,
        email=next(iter(row.emails), None),
        emails=row.emails,
    )
    return Resource(id=str(row.id), type="users", attributes=attributes)
