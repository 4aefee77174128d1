"""`PATCH` and `DELETE /v1/integrations/{id}`: an account changed or removed, and what follows."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.errors import ForbiddenError
from pagersync.etag import IfMatch, etag
from pagersync.integrations.default_targets import check_default_targets, list_named_kinds
from pagersync.integrations.routes import changed_columns, checked_version
from pagersync.integrations.service import get_integration, integration_version
from pagersync.integrations.views import (
    ChangedIntegration,
    IntegrationAttributes,
    integration_resources,
)
from pagersync.jsonapi import Document, JsonApiResponse, NewDocument, errors, notes_of
from pagersync.workflows.accounts import change_account, remove_account

router = APIRouter(
    prefix="/v1",
    tags=["Integrations"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)


@router.patch(
    "/integrations/{id}",
    summary="Change an integration",
    description="A new API key is asked of PagerTree before it is stored; a new address needs one. "
    "Disabling an account switches off its workflows and cancels its pages that wait; enabling it "
    "switches those workflows on again. `meta.notes` tells what followed.",
    dependencies=[needs(Scope.ADMIN, bound=True)],
    responses=errors(400, 404, 409, 412, 422, 502),
)
async def change_integration(
    request: Request,
    response: Response,
    id: UUID,
    body: NewDocument[Literal["integrations"], ChangedIntegration],
    if_match: IfMatch = None,
) -> Document[IntegrationAttributes]:
    changes = body.data.attributes
    if changes.is_default and request.state.api_key.integration_id is not None:
        raise ForbiddenError("is_default needs an API key that is not bound to one integration")
    async with request.state.sessions() as session:
        before = await checked_version(session, id, if_match)
    columns = await changed_columns(request, before, changes)
    listed = await list_named_kinds(
        request.state.http, columns, api_key=changes.api_key, verify=changes.verify_api_key
    )
    async with request.state.sessions.begin() as session:
        before = await checked_version(session, id, if_match, lock=True)
        is_known = listed is not None or (before.directory_synced_at and not changes.api_key)
        if changes.default_targets and is_known:
            columns["default_targets"] = await check_default_targets(
                session, id, columns["default_targets"], listed
            )
        notes = await change_account(session, id, columns)
        integration = await get_integration(session, id)
        response.headers["ETag"] = etag(await integration_version(session, integration))
        (shown,) = await integration_resources(request, session, [integration])
        return Document(data=shown, meta=notes_of(notes))


@router.delete(
    "/integrations/{id}",
    summary="Disconnect an account",
    description="Its secrets and API key are erased; its alerts and deliveries stay. Its workflows "
    "are switched off and its pages that wait are canceled: `meta.notes` tells what followed.",
    dependencies=[needs(Scope.ADMIN, bound=True)],
    responses=errors(404, 412, 422),
)
async def remove_integration(
    request: Request, session: SessionDep, id: UUID, if_match: IfMatch = None
) -> Document[IntegrationAttributes]:
    integration = await checked_version(session, id, if_match, lock=True)
    notes = await remove_account(session, id)
    await session.refresh(integration)
    (shown,) = await integration_resources(request, session, [integration])
    return Document(data=shown, meta=notes_of(notes))
