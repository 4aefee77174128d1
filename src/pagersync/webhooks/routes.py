"""`/v1/webhooks/endpoints`: addresses that are told of what happens, as Rootly has them."""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import ColumnElement, select

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.filters import Filters
from pagersync.jsonapi import Collection, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagination import PageDep, find
from pagersync.shape import Wanted
from pagersync.webhooks import service
from pagersync.webhooks.models import WebhookEndpoint
from pagersync.webhooks.requests import ChangedEndpoint, NewEndpoint, problems_of
from pagersync.webhooks.views import SHAPE, EndpointAttributes, HidesSecrets, endpoint_resource

router = APIRouter(
    prefix="/v1/webhooks",
    tags=["Webhook endpoints"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(texts={"slug": WebhookEndpoint.slug, "name": WebhookEndpoint.name}, shape=SHAPE)
REQUIRED: Final = ("name", "event_types", "enabled", "custom_headers")


@router.post(
    "/endpoints",
    summary="Add a webhook endpoint",
    description="What happens from now on is sent to it. The answer is the only one that shows the "
    "secret.",
    status_code=201,
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(409, 422),
)
async def create_webhooks_endpoint(
    request: Request,
    response: Response,
    session: SessionDep,
    body: NewDocument[Literal["webhooks_endpoints"], NewEndpoint],
) -> Document[EndpointAttributes]:
    values = _checked(request, body.data.attributes)
    secret = values.pop("secret", None)
    new = await service.add_endpoint(session, request.state.vault, values, secret=secret)
    return _shown(request, response, new.endpoint, secret=new.secret)


@router.get(
    "/endpoints",
    summary="List webhook endpoints",
    dependencies=[needs(Scope.READ)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_webhooks_endpoints(
    request: Request,
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    hides_secrets: HidesSecrets,
    wanted: Annotated[Wanted, Depends(SHAPE)],
) -> Collection[EndpointAttributes]:
    statement = select(WebhookEndpoint).where(WebhookEndpoint.removed_at.is_(None), *where)
    found = await find(session, statement, WebhookEndpoint.id, page)
    vault = request.state.vault
    shown = [endpoint_resource(row, vault, hides_secrets=hides_secrets) for row in found.rows]
    return await wanted.collection(session, found, shown)


@router.get(
    "/endpoints/{id}",
    summary="Show a webhook endpoint",
    description="By its id or its slug.",
    dependencies=[needs(Scope.READ)],
    responses=errors(404, 422),
)
async def get_webhooks_endpoint(
    request: Request, response: Response, session: SessionDep, id: str, hides_secrets: HidesSecrets
) -> Document[EndpointAttributes]:
    endpoint = await service.get_endpoint(session, id)
    return _shown(request, response, endpoint, hides_secrets=hides_secrets)


@router.put(
    "/endpoints/{id}",
    summary="Change a webhook endpoint",
    description="What is left out stays. The URL cannot be changed; the secret is rotated. An "
    "endpoint that is enabled again is sent what waited for it.",
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(404, 412, 422),
)
async def update_webhooks_endpoint(
    request: Request,
    response: Response,
    session: SessionDep,
    id: str,
    body: NewDocument[Literal["webhooks_endpoints"], ChangedEndpoint],
    if_match: IfMatch = None,
) -> Document[EndpointAttributes]:
    values = _checked(request, body.data.attributes)
    endpoint = await service.get_endpoint(session, id, lock=True)
    check_if_match(if_match, endpoint.version)
    if values:
        endpoint = await service.change_endpoint(session, request.state.vault, endpoint, values)
    return _shown(request, response, endpoint)


@router.delete(
    "/endpoints/{id}",
    summary="Remove a webhook endpoint",
    description="Answers with the endpoint. What waited to be sent to it is canceled.",
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(404, 412, 422),
)
async def delete_webhooks_endpoint(
    request: Request, response: Response, session: SessionDep, id: str, if_match: IfMatch = None
) -> Document[EndpointAttributes]:
    endpoint = await service.get_endpoint(session, id, lock=True)
    check_if_match(if_match, endpoint.version)
    removed = await service.remove_endpoint(session, endpoint)
    return _shown(request, response, removed)


@router.post(
    "/endpoints/{id}/rotate_secret",
    summary="Rotate a webhook endpoint's secret",
    description="The answer is the only one that shows the new secret. For "
    "`PAGERSYNC_SECRET_GRACE_HOURS`, deliveries are signed with the old one too.",
    dependencies=[needs(Scope.ADMIN)],
    responses=errors(404, 412, 422),
)
async def rotate_webhooks_endpoint_secret(
    request: Request, response: Response, session: SessionDep, id: str, if_match: IfMatch = None
) -> Document[EndpointAttributes]:
    endpoint = await service.get_endpoint(session, id, lock=True)
    check_if_match(if_match, endpoint.version)
    grace = timedelta(hours=request.state.settings.secret_grace_hours)
    new = await service.rotate_secret(session, request.state.vault, endpoint, grace=grace)
    return _shown(request, response, new.endpoint, secret=new.secret)


def _checked(request: Request, attributes: NewEndpoint | ChangedEndpoint) -> dict[str, Any]:
    """Return the values that a request sets; in a new endpoint, null is as good as nothing.

    Raises:
        ManyInvalidError: some cannot be.
    """
    allows_private = request.state.settings.webhook_private_addresses
    problems = problems_of(attributes, allows_private=allows_private)
    values = attributes.kept(exclude_unset=True)
    if isinstance(attributes, NewEndpoint):
        values = {name: value for name, value in values.items() if value is not None}
    problems += [
        InvalidError(f"{name}: cannot be null", pointer=f"/data/attributes/{name}")
        for name in REQUIRED
        if name in values and values[name] is None
    ]
    if problems:
        raise ManyInvalidError(problems)
    return values


def _shown(
    request: Request, response: Response, endpoint: WebhookEndpoint, **shown: Any
) -> Document[EndpointAttributes]:
    response.headers["ETag"] = etag(endpoint.version)
    return Document(data=endpoint_resource(endpoint, request.state.vault, **shown))
