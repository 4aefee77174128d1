"""`POST /v1/integrations`: an account connected, with its default workflows."""

from typing import Literal

from fastapi import APIRouter, Request

from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.integrations.default_targets import list_named_kinds
from pagersync.integrations.routes import new_api_key
from pagersync.integrations.views import IntegrationWithSecret, NewIntegration, with_secret
from pagersync.jsonapi import Document, JsonApiResponse, NewDocument, errors
from pagersync.workflows.connect import connect_integration

router = APIRouter(
    prefix="/v1",
    tags=["Integrations"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)


@router.post(
    "/integrations",
    summary="Connect a PagerTree account",
    description="The answer holds the webhook's secret, shown only here, and what is left to do. "
    "Three workflows come with it: `GET /v1/workflows` shows them.",
    status_code=201,
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(400, 409, 422, 502),
)
async def create_integration(
    request: Request,
    session: SessionDep,
    body: NewDocument[Literal["integrations"], NewIntegration],
) -> Document[IntegrationWithSecret]:
    new = body.data.attributes
    columns = new.model_dump(exclude={"api_key", "verify_api_key"})
    columns |= await new_api_key(request, new.api_key, new.pagertree_url, new.verify_api_key)
    listed = await list_named_kinds(
        request.state.http, columns, api_key=new.api_key, verify=new.verify_api_key
    )
    added, left = await connect_integration(
        session, requested_by=requester(request), listed=listed, **columns
    )
    return with_secret(request, added, left)
