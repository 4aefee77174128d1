"""`/v1/routers`, and the sync that brings teams, users and routers here."""

from dataclasses import asdict
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select

from pagersync.access.account_names import account_names
from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.filters import Filters
from pagersync.integrations import service
from pagersync.integrations.connect import blaming_pagertree
from pagersync.integrations.directory import sync_integration
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_store import find_entry, is_shown
from pagersync.integrations.directory_views import EntryAttributes, router_resource
from pagersync.jsonapi import Collection, Document, JsonApiResponse, Resource, errors
from pagersync.pagination import PageDep, find

router = APIRouter(
    prefix="/v1",
    tags=["Directory"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS: Final = Filters(
    texts={"integration_id": DirectoryEntry.integration_id, "name": DirectoryEntry.name}
)
BY_ID: Final = "By our id, PagerTree's id, or its prefix id."


class SyncAttributes(BaseModel):
    """What PagerTree listed, and what that changed."""

    teams: int
    users: int
    routers: int
    added: int = Field(description="Entries that were never seen before.")
    missing: int = Field(description="Entries that PagerTree listed until now.")
    doubt: str | None = Field(
        description="Why some of it is not believed yet: too much is gone. The old listing stays."
    )


@router.get(
    "/routers",
    summary="List routers",
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_routers(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
) -> Collection[EntryAttributes]:
    is_router = DirectoryEntry.kind == DirectoryKind.ROUTER
    statement = select(DirectoryEntry).where(is_router, is_shown(), *where)
    found = await find(session, statement, DirectoryEntry.id, page)
    accounts = await account_names(session, found.rows)
    data = [router_resource(row, accounts) for row in found.rows]
    return Collection(data=data, links=found.links, meta=found.meta)


@router.get(
    "/routers/{id}",
    summary="Show a router",
    description=BY_ID,
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(404, 422),
)
async def get_router(session: SessionDep, id: str) -> Document[EntryAttributes]:
    router = await find_entry(session, DirectoryKind.ROUTER, id)
    return Document(data=router_resource(router, await account_names(session, [router])))


@router.post(
    "/integrations/{id}/sync",
    summary="List an account's teams, users and routers anew",
    description="PagerTree is asked at once. This also happens by itself, every few minutes.",
    dependencies=[needs(Scope.WRITE, bound=True)],
    responses=errors(404, 422, 502),
)
async def sync_directory(
    request: Request,
    id: UUID,
    *,
    believe: Annotated[bool, Query(description="Believe at once that so much is missing.")] = False,
) -> Document[SyncAttributes]:
    state = request.state
    async with state.sessions() as session:
        integration = await service.get_integration(session, id)
    timeout_s = state.settings.pagertree_timeout_s
    with blaming_pagertree():
        result = await sync_integration(
            state.sessions,
            state.http,
            state.vault,
            integration,
            timeout_s=timeout_s,
            believe=believe,
        )
    attributes = SyncAttributes(**asdict(result))
    return Document(data=Resource(id=str(id), type="directory_syncs", attributes=attributes))
