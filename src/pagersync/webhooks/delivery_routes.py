"""`/v1/webhooks/deliveries`: what was sent to endpoints, how that went, and replay."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import ColumnElement, select

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.cut_columns import Wide
from pagersync.database.session import SessionDep
from pagersync.filters import Filters
from pagersync.jsonapi import Collection, Document, JsonApiResponse, errors
from pagersync.pagination import PageDep, find
from pagersync.shape import Wanted
from pagersync.webhooks import service
from pagersync.webhooks.models import STATUSES, WebhookDelivery, WebhookState
from pagersync.webhooks.views import (
    DELIVERY_SHAPE,
    DeliveryAttributes,
    DeliveryWithAttempts,
    delivery_resource,
    delivery_with_attempts,
)

router = APIRouter(
    prefix="/v1/webhooks",
    tags=["Webhook deliveries"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)


def _has_status(names: Sequence[str]) -> ColumnElement[bool]:
    return WebhookDelivery.state.in_([state for name in names for state in STATUSES.get(name, ())])


FILTERS = Filters(
    texts={
        "state": WebhookDelivery.state,
        "event_type": WebhookDelivery.event_type,
        "event_id": WebhookDelivery.event_id,
    },
    choices={"state": list(WebhookState)},
    times={
        "created_at": WebhookDelivery.created_at,
        "delivered_at": WebhookDelivery.delivered_at,
    },
    related={"status": _has_status},
    shape=DELIVERY_SHAPE,
)


@router.get(
    "/endpoints/{endpoint_id}/deliveries",
    summary="List an endpoint's deliveries",
    dependencies=[needs(Scope.READ)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(404, 422),
)
async def list_webhooks_deliveries(
    session: SessionDep,
    page: PageDep,
    endpoint_id: str,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    wanted: Annotated[Wanted, Depends(DELIVERY_SHAPE)],
) -> Collection[DeliveryAttributes]:
    endpoint = await service.get_endpoint(session, endpoint_id)
    statement = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id, *where)
    wide = [WebhookDelivery.payload]
    found = await find(session, statement, WebhookDelivery.id, page, wide=Wide(wide, wanted.fields))
    return await wanted.collection(session, found, [delivery_resource(row) for row in found.rows])


@router.get(
    "/deliveries/{id}",
    summary="Show a delivery with its attempts",
    dependencies=[needs(Scope.READ)],
    responses=errors(404, 422),
)
async def get_webhooks_delivery(session: SessionDep, id: UUID) -> Document[DeliveryWithAttempts]:
    delivery = await service.get_delivery(session, id)
    attempts = await service.list_attempts(session, delivery.id)
    return Document(data=delivery_with_attempts(delivery, attempts))


@router.post(
    "/deliveries/{id}/deliver",
    summary="Deliver once more",
    description="The same body with the same event id is sent again, at once and with all its "
    "retries. One that is being sent at this moment is 409.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 409, 422),
)
async def deliver_webhooks_delivery(
    session: SessionDep, id: UUID
) -> Document[DeliveryWithAttempts]:
    delivery = await service.deliver_again(session, id)
    attempts = await service.list_attempts(session, delivery.id)
    return Document(data=delivery_with_attempts(delivery, attempts))
