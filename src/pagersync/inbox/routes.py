"""`/v1/deliveries`: every webhook body that was let in, and replay."""

import base64
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import defer

from pagersync.access.account_names import NAME, AccountNames, account_names
from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.filters import Filters
from pagersync.inbox import service
from pagersync.inbox.models import Delivery, DeliveryState
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
from pagersync.pagination import PageDep, find

router = APIRouter(
    prefix="/v1",
    tags=["Deliveries"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(
    texts={
        "state": Delivery.state,
        "event_type": Delivery.event_type,
        "pagertree_alert_id": Delivery.pagertree_alert_id,
        "integration_id": Delivery.integration_id,
    },
    choices={"state": list(DeliveryState)},
    times={"received_at": Delivery.received_at, "last_received_at": Delivery.last_received_at},
)

Where = Annotated[list[ColumnElement[bool]], Depends(FILTERS)]


class DeliveryAttributes(BaseModel):
    """What is known of a delivery."""

    integration_id: UUID
    integration_name: str | None = Field(description=NAME)
    state: DeliveryState
    event_type: str | None
    pagertree_alert_id: str | None
    times_received: int
    received_at: Timestamp
    last_received_at: Timestamp
    attempt: int
    last_error: str | None
    finished_at: Timestamp | None
    body_sha256: str


class DeliveryWithBody(DeliveryAttributes):
    """A delivery and its bytes."""

    body: str | None = Field(description="The body as text; null when it is not UTF-8.")
    body_base64: str = Field(description="The body, byte for byte.")


class ReplayRequest(Attributes):
    """How to replay all deliveries that the filters match."""

    dry_run: bool = Field(default=True, description="Only say how many it would touch.")


class ReplayResult(BaseModel):
    """How many deliveries a replay touches; one call touches at most 10,000."""

    dry_run: bool
    matched: int
    replayed: int


@router.get(
    "/deliveries",
    summary="List deliveries",
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_deliveries(
    session: SessionDep, page: PageDep, where: Where
) -> Collection[DeliveryAttributes]:
    statement = select(Delivery).where(*where).options(defer(Delivery.body))
    found = await find(session, statement, Delivery.id, page)
    accounts = await account_names(session, found.rows)
    data = [_resource(row, accounts) for row in found.rows]
    return Collection(data=data, links=found.links, meta=found.meta)


@router.get(
    "/deliveries/{id}",
    summary="Show a delivery with its body",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(404, 422),
)
async def get_delivery(session: SessionDep, id: UUID) -> Document[DeliveryWithBody]:
    delivery = await service.get_delivery(session, id)
    attributes = DeliveryWithBody(
        **_attributes(delivery, await account_names(session, [delivery])).model_dump(),
        body=_text(delivery.body),
        body_base64=base64.b64encode(delivery.body).decode(),
    )
    return Document(data=Resource(id=str(delivery.id), type="deliveries", attributes=attributes))


@router.post(
    "/deliveries/{id}/replay",
    summary="Apply a delivery once more",
    status_code=202,
    dependencies=[needs(Scope.WRITE, bound=True)],
    responses=errors(404, 409, 422),
)
async def replay_delivery(session: SessionDep, id: UUID) -> Document[DeliveryAttributes]:
    delivery = await service.replay_delivery(session, id)
    return Document(data=_resource(delivery, await account_names(session, [delivery])))


@router.post(
    "/deliveries/replay",
    summary="Apply all deliveries that match once more",
    description="Answers how many it would touch; does it when `dry_run` is false.",
    dependencies=[needs(Scope.WRITE, bound=True)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(400, 422),
)
async def replay_deliveries(
    session: SessionDep,
    where: Where,
    body: NewDocument[Literal["replays"], ReplayRequest] | None = None,
) -> Document[ReplayResult]:
    dry_run = body.data.attributes.dry_run if body else True
    replay = await (service.count_replay if dry_run else service.replay_deliveries)(session, where)
    result = ReplayResult(dry_run=dry_run, matched=replay.matched, replayed=replay.replayed)
    return Document(data=Resource(id="replay", type="replays", attributes=result))


def _resource(delivery: Delivery, accounts: AccountNames) -> Resource[DeliveryAttributes]:
    attributes = _attributes(delivery, accounts)
    return Resource(id=str(delivery.id), type="deliveries", attributes=attributes)


def _attributes(delivery: Delivery, accounts: AccountNames) -> DeliveryAttributes:
    return DeliveryAttributes(
        integration_id=delivery.integration_id,
        integration_name=accounts.get(delivery.integration_id),
        state=DeliveryState(delivery.state),
        event_type=delivery.event_type,
        pagertree_alert_id=delivery.pagertree_alert_id,
        times_received=delivery.times_received,
        received_at=delivery.received_at,
        last_received_at=delivery.last_received_at,
        attempt=delivery.attempt,
        last_error=delivery.last_error,
        finished_at=delivery.finished_at,
        body_sha256=delivery.body_sha256.hex(),
    )


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
