"""`/v1/users`: the people that PagerTree can page, as Rootly shows users; and who is asking."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import account_names
from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.keys import get_key
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.etag import etag
from pagersync.filters import Filters
from pagersync.integrations import directory_changes as changes
from pagersync.integrations import directory_requests as requests
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_related import load_teams
from pagersync.integrations.directory_store import find_entry, is_shown
from pagersync.integrations.directory_views import (
    Person,
    UserAttributes,
    person_resource,
    user_resource,
)
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
    tags=["Users"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

SHAPE: Final = Shape(
    "users",
    {"teams": load_teams},
    nothing=(
        *("email_addresses", "phone_numbers", "devices", "role", "on_call_role"),
        *("schedules", "notification_rules"),
    ),
)
FILTERS: Final = Filters(
    texts={"integration_id": DirectoryEntry.integration_id, "name": DirectoryEntry.name},
    lists={"email": DirectoryEntry.emails},
    times={"created_at": DirectoryEntry.created_at},
    search=func.to_tsvector(
        "simple", DirectoryEntry.name + " " + func.array_to_string(DirectoryEntry.emails, " ")
    ),
    sorts={
        "name": DirectoryEntry.name_key,
        "created_at": DirectoryEntry.created_at,
        "updated_at": DirectoryEntry.updated_at,
    },
    shape=SHAPE,
)
BY_ID: Final = "By our id, PagerTree's id, or its prefix id."

WantedDep = Annotated[Wanted, Depends(SHAPE)]


async def _shown(
    session: AsyncSession, response: Response, user: DirectoryEntry
) -> Resource[UserAttributes]:
    response.headers["ETag"] = etag(user.version)
    return user_resource(user, await account_names(session, [user]))


@router.get(
    "/users",
    summary="List users",
    description="PagerTree's account users: the people that it can page. Newest first, or by "
    "`sort`.",
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_users(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    order: Annotated[list[ColumnElement[Any]], Depends(FILTERS.order)],
    wanted: WantedDep,
) -> Collection[UserAttributes]:
    is_user = DirectoryEntry.kind == DirectoryKind.USER
    statement = select(DirectoryEntry).where(is_user, is_shown(), *where)
    found = await find(session, statement, DirectoryEntry.id, page, order=order)
    accounts = await account_names(session, found.rows)
    shown = [user_resource(row, accounts) for row in found.rows]
    return await wanted.collection(session, found, shown)


@router.get(
    "/users/me",
    summary="Show who is asking",
    description="The API key of the request, as if it were a user.",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(),
)
async def get_current_user(request: Request, session: SessionDep) -> Document[Person]:
    key = await get_key(session, request.state.api_key.id)
    attributes = Person(
        email="", full_name=key.name, created_at=key.created_at, updated_at=key.created_at
    )
    return Document(data=person_resource(key.id, attributes))


@router.get(
    "/users/{id}",
    summary="Show a user",
    description=BY_ID,
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=SHAPE.openapi(),
    responses=errors(404, 422),
)
async def get_user(
    response: Response, session: SessionDep, id: str, wanted: WantedDep
) -> Document[UserAttributes]:
    user = await find_entry(session, DirectoryKind.USER, id)
    return await wanted.document(session, await _shown(session, response, user))


@router.put(
    "/users/{id}",
    summary="Change a user",
    description="`first_name` and `last_name` are kept here only; `full_name` is PagerTree's. No "
    f"sync changes what is set here. {BY_ID}",
    dependencies=[needs(Scope.WRITE, bound=True)],
    responses=errors(400, 404, 412, 422),
)
async def update_user(
    response: Response,
    session: SessionDep,
    wanted: changes.ToChangeDep,
    body: NewDocument[Literal["users"], requests.ChangedUser],
) -> Document[UserAttributes]:
    values = body.data.attributes.changes(never_null=())
    user = await wanted.lock(DirectoryKind.USER)
    changed = await changes.change_entry(session, user, values)
    return Document(data=await _shown(session, response, changed))


@router.delete(
    "/users/{id}",
    summary="Remove a user",
    description="Answers with the user. One that PagerTree lists stays, and what happened goes on "
    f"naming the others. If PagerTree lists them again, they are back. {BY_ID}",
    dependencies=[needs(Scope.WRITE, bound=True)],
    responses=errors(404, 409, 412, 422),
)
async def delete_user(session: SessionDep, wanted: changes.ToChangeDep) -> Document[UserAttributes]:
    user = await wanted.lock(DirectoryKind.USER)
    removed = await changes.remove_entry(session, user)
    return Document(data=user_resource(removed, await account_names(session, [removed])))
