"""`/v1/integrations`: connected PagerTree accounts."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import SecretStr
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.errors import ForbiddenError, InvalidError
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.filters import Filters
from pagersync.integrations import service
from pagersync.integrations.connect import take_api_key
from pagersync.integrations.models import Integration
from pagersync.integrations.views import (
    REQUIRED,
    ChangedIntegration,
    IntegrationAttributes,
    IntegrationWithSecret,
    Rotation,
    integration_resources,
    with_secret,
)
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find

router = APIRouter(
    prefix="/v1",
    tags=["Integrations"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(texts={})


@router.get(
    "/integrations",
    summary="List integrations",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(422),
)
async def list_integrations(
    request: Request,
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
) -> Collection[IntegrationAttributes]:
    statement = select(Integration).where(Integration.removed_at.is_(None), *where)
    found = await find(session, statement, Integration.id, page)
    return Collection(
        data=await integration_resources(request, session, found.rows),
        links=found.links,
        meta=found.meta,
    )


@router.get(
    "/integrations/{id}",
    summary="Show an integration",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(404, 422),
)
async def get_integration(
    request: Request, response: Response, session: SessionDep, id: UUID
) -> Document[IntegrationAttributes]:
    integration = await service.get_integration(session, id)
    response.headers["ETag"] = etag(await service.integration_version(session, integration))
    return Document(data=(await integration_resources(request, session, [integration]))[0])


@router.post(
    "/integrations/{id}/rotate_secret",
    summary="Make a new webhook secret",
    description="The old ones keep working for the grace period.",
    dependencies=[needs(Scope.ADMIN, bound=True)],
    responses=errors(400, 404, 412, 422),
)
async def rotate_secret(
    request: Request,
    response: Response,
    session: SessionDep,
    id: UUID,
    body: NewDocument[Literal["integrations"], Rotation] | None = None,
    if_match: IfMatch = None,
) -> Document[IntegrationWithSecret]:
    asked = body.data.attributes.grace_hours if body else None
    hours = request.state.settings.secret_grace_hours if asked is None else asked
    await checked_version(session, id, if_match, lock=True)
    new = await service.rotate_secret(session, id, grace=timedelta(hours=hours))
    response.headers["ETag"] = etag(await service.integration_version(session, new.integration))
    return with_secret(request, new)


async def checked_version(
    session: AsyncSession, integration_id: UUID, if_match: str | None, *, lock: bool = False
) -> Integration:
    """Return an integration that is at the version that a change was made of.

    Raises:
        NotFoundError: there is no such integration.
        PreconditionFailedError: it has changed since.
    """
    integration = await service.get_integration(session, integration_id, lock=lock)
    check_if_match(if_match, await service.integration_version(session, integration))
    return integration


async def changed_columns(
    request: Request, before: Integration, changes: ChangedIntegration
) -> dict[str, Any]:
    """Return the columns to set. A key and its address change together or not at all.

    Raises:
        InvalidError: a null that cannot be, or a new address without the key to send there.
        ForbiddenError: the change is not for a key that is bound to the integration.
        PagerTreeError: PagerTree did not accept the new key.
    """
    columns = changes.model_dump(exclude_unset=True, exclude={"api_key", "verify_api_key"})
    nulls = [name for name, value in columns.items() if value is None and name in REQUIRED]
    if nulls:
        raise InvalidError("it cannot be null", pointer=f"/data/attributes/{nulls[0]}")
    if request.state.api_key.integration_id is not None:
        _check_bound(before, columns)
    url = columns.pop("pagertree_url", before.pagertree_url)
    if changes.api_key is not None:
        key_columns = await new_api_key(request, changes.api_key, url, changes.verify_api_key)
        return columns | {"pagertree_url": url} | key_columns
    if url != before.pagertree_url:
        raise InvalidError(
            "enter the API key again with a new address", pointer="/data/attributes/api_key"
        )
    return columns


def _check_bound(before: Integration, columns: dict[str, Any]) -> None:
    """Check that a change is one that a key bound to this integration may make.

    Whose hosts can be reached from here is for those who run the installation, and a name that is
    taken would tell of others.

    Raises:
        ForbiddenError: it is not.
    """
    for name in ("pagertree_url", "name"):
        if columns.get(name, getattr(before, name)) != getattr(before, name):
            raise ForbiddenError(f"{name} needs an API key that is not bound to one integration")


async def new_api_key(
    request: Request, api_key: SecretStr, pagertree_url: str, verify: bool
) -> dict[str, Any]:
    """Return the columns that a new API key sets.

    Raises:
        PagerTreeError: PagerTree did not accept it.
    """
    return await take_api_key(
        request.state.http,
        request.state.vault,
        api_key=api_key.get_secret_value(),
        pagertree_url=pagertree_url,
        verify=verify,
    )
