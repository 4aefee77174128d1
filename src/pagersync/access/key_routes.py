"""`/v1/api_keys`: API keys, made, changed, rotated, revoked."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access import keys
from pagersync.access.account_names import NAME, AccountNames, account_names
from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import ApiKey, Scope
from pagersync.access.names import checked_name
from pagersync.database.session import SessionDep
from pagersync.errors import InvalidError
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.filters import Filters
from pagersync.jsonapi import (
    Attributes,
    Collection,
    Document,
    JsonApiResponse,
    NewDocument,
    Resource,
    Timestamp,
    errors,
)
from pagersync.pagertree.payloads import YEARS
from pagersync.pagination import PageDep, find

router = APIRouter(
    prefix="/v1",
    tags=["API keys"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(
    texts={"name": ApiKey.name, "integration_id": ApiKey.integration_id},
    lists={"scopes": ApiKey.scopes},
    times={
        "created_at": ApiKey.created_at,
        "expires_at": ApiKey.expires_at,
        "last_used_at": ApiKey.last_used_at,
    },
)

Name = Annotated[str, AfterValidator(checked_name)]
Expiry = Annotated[AwareDatetime, Field(strict=False)]


class NewApiKey(Attributes):
    """A key to make."""

    name: Name = Field(description="Who or what it is for.")
    scopes: list[Annotated[Scope, Field(strict=False)]] = Field(
        min_length=1, max_length=4, description="`admin` includes `write`, `page` and `read`."
    )
    integration_id: Annotated[UUID, Field(strict=False)] | None = Field(
        default=None, description="The only integration that it sees and acts on; null: all."
    )
    expires_at: Expiry | None = None


class ChangedApiKey(Attributes):
    """What to change; what is left out stays."""

    name: Name | None = None
    expires_at: Expiry | None = None


class KeyRotation(Attributes):
    """How to rotate a key."""

    grace_hours: float = Field(
        default=keys.GRACE_HOURS_DEFAULT,
        ge=0,
        le=keys.GRACE_HOURS_MAX,
        description="How long the old token still works.",
    )


class ApiKeyAttributes(BaseModel):
    """What is known of a key."""

    name: str
    scopes: list[Scope]
    integration_id: UUID | None
    integration_name: str | None = Field(description=NAME)
    origin: str | None = Field(
        description="`first` or `admin_key` for what `serve` made; null for what people made."
    )
    expires_at: Timestamp | None
    old_expires_at: Timestamp | None = Field(
        description="Until when the token from before the last rotation works."
    )
    last_used_at: Timestamp | None = Field(description="To the minute.")
    created_at: Timestamp
    updated_at: Timestamp


class ApiKeyWithToken(ApiKeyAttributes):
    """A key with its new token."""

    token: str = Field(description="Shown here and nowhere else.")


@router.post(
    "/api_keys",
    summary="Make an API key",
    description="The answer holds its token, shown only here.",
    status_code=201,
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(400, 409, 422),
)
async def create_api_key(
    response: Response, session: SessionDep, body: NewDocument[Literal["api_keys"], NewApiKey]
) -> Document[ApiKeyWithToken]:
    new = body.data.attributes
    key = await keys.create_key(
        session,
        new.name,
        list(dict.fromkeys(new.scopes)),
        expires_at=_checked_expiry(new.expires_at),
        integration_id=new.integration_id,
    )
    return await _with_token(session, response, key)


@router.get(
    "/api_keys",
    summary="List API keys",
    dependencies=[needs(Scope.ADMIN)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_api_keys(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
) -> Collection[ApiKeyAttributes]:
    found = await find(session, keys.working_keys().where(*where), ApiKey.id, page)
    accounts = await account_names(session, found.rows)
    data = [_resource(row, accounts) for row in found.rows]
    return Collection(data=data, links=found.links, meta=found.meta)


@router.get(
    "/api_keys/current",
    summary="Show the API key that asks",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(),
)
async def get_current_api_key(request: Request, session: SessionDep) -> Document[ApiKeyAttributes]:
    key = await keys.get_key(session, request.state.api_key.id)
    return Document(data=_resource(key, await account_names(session, [key])))


@router.get(
    "/api_keys/{id}",
    summary="Show an API key",
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(404, 422),
)
async def get_api_key(
    response: Response, session: SessionDep, id: UUID
) -> Document[ApiKeyAttributes]:
    return await _shown(session, response, await keys.get_key(session, id))


@router.put(
    "/api_keys/{id}",
    name="replace_api_key",
    summary="Change an API key",
    description="As PATCH: what is left out stays.",
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(400, 404, 412, 422),
)
@router.patch(
    "/api_keys/{id}",
    summary="Change an API key",
    description="Its name and when it expires. Other scopes need another key.",
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(400, 404, 412, 422),
)
async def change_api_key(
    response: Response,
    session: SessionDep,
    id: UUID,
    body: NewDocument[Literal["api_keys"], ChangedApiKey],
    if_match: IfMatch = None,
) -> Document[ApiKeyAttributes]:
    values = _changed_values(body.data.attributes)
    key = await keys.get_key(session, id, lock=True)
    check_if_match(if_match, key.version)
    return await _shown(session, response, await keys.change_key(session, key, values))


@router.delete(
    "/api_keys/{id}",
    summary="Revoke an API key",
    description="It ends at once, its old token too. The audit log keeps what it did.",
    status_code=204,
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(404, 412, 422),
)
async def revoke_api_key(session: SessionDep, id: UUID, if_match: IfMatch = None) -> None:
    key = await keys.get_key(session, id, lock=True)
    check_if_match(if_match, key.version)
    await keys.revoke_key(session, id)


@router.post(
    "/api_keys/{id}/rotate",
    summary="Give an API key a new token",
    description="The new one works at once, the old one for the grace period too; one that is "
    "older still ends.",
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(400, 404, 409, 412, 422),
)
async def rotate_api_key(
    response: Response,
    session: SessionDep,
    id: UUID,
    body: NewDocument[Literal["api_keys"], KeyRotation] | None = None,
    if_match: IfMatch = None,
) -> Document[ApiKeyWithToken]:
    hours = body.data.attributes.grace_hours if body else keys.GRACE_HOURS_DEFAULT
    key = await keys.get_key(session, id, lock=True)
    check_if_match(if_match, key.version)
    return await _with_token(
        session, response, await keys.rotate_key(session, key, grace=timedelta(hours=hours))
    )


def _changed_values(changed: ChangedApiKey) -> dict[str, Any]:
    """Return the columns that a request changes.

    Raises:
        ManyInvalidError: a null that cannot be.
        InvalidError: a time that cannot be stored.
    """
    _checked_expiry(changed.expires_at)
    return changed.changes(never_null=("name",))


def _checked_expiry(expires_at: datetime | None) -> datetime | None:
    """Return the time as it was given.

    Raises:
        InvalidError: PostgreSQL or Python cannot keep it.
    """
    if expires_at is not None and expires_at.year not in YEARS:
        raise InvalidError(
            f"expires_at: must lie in the years {YEARS.start} to {YEARS.stop - 1}",
            pointer="/data/attributes/expires_at",
        )
    return expires_at


async def _shown(
    session: AsyncSession, response: Response, key: ApiKey
) -> Document[ApiKeyAttributes]:
    response.headers["ETag"] = etag(key.version)
    return Document(data=_resource(key, await account_names(session, [key])))


async def _with_token(
    session: AsyncSession, response: Response, new: keys.NewKey
) -> Document[ApiKeyWithToken]:
    response.headers["ETag"] = etag(new.key.version)
    shown = _attributes(new.key, await account_names(session, [new.key]))
    attributes = ApiKeyWithToken(**shown.model_dump(), token=new.token)
    return Document(data=Resource(id=str(new.key.id), type="api_keys", attributes=attributes))


def _resource(key: ApiKey, accounts: AccountNames) -> Resource[ApiKeyAttributes]:
    return Resource(id=str(key.id), type="api_keys", attributes=_attributes(key, accounts))


def _attributes(key: ApiKey, accounts: AccountNames) -> ApiKeyAttributes:
    own = {n: getattr(key, n) for n in ApiKeyAttributes.model_fields if n != "integration_name"}
    return ApiKeyAttributes(**own, integration_name=accounts.get(key.integration_id))
