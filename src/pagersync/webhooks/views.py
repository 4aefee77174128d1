"""Endpoints and deliveries as the API shows them: Rootly's attributes, and ours."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, Field

from pagersync.access.keys import allows
from pagersync.access.models import Scope
from pagersync.integrations.vault import Vault
from pagersync.jsonapi import Resource, Timestamp
from pagersync.shape import Shape
from pagersync.webhooks.endpoint_secrets import shown_value
from pagersync.webhooks.models import (
    STATUSES,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookState,
)
from pagersync.webhooks.service import custom_headers
from pagersync.workflows.http_task import HIDDEN, without_query

SHAPE: Final = Shape("webhooks_endpoints")
DELIVERY_SHAPE: Final = Shape("webhooks_deliveries")


class ShownHeader(BaseModel):
    """A header that is sent with each delivery."""

    name: str
    value: str = Field(
        description=f"`{HIDDEN}` if it looks like a secret, and to keys without the scope `admin`; "
        "sent back, that keeps the value."
    )


class EndpointAttributes(BaseModel):
    """What is known of an endpoint."""

    name: str
    slug: str
    url: str = Field(
        description="Secrets in it are masked; its query is for keys with the scope `admin`."
    )
    event_types: list[str] = Field(description="An empty list means all.")
    secret: str = Field(
        description=f"In full when it is made, by creating or rotating; `{HIDDEN}` ever after."
    )
    enabled: bool
    disabled_reason: str | None = Field(description="Why it was switched off by itself.")
    failing_since: Timestamp | None = Field(description="The first failure since the last success.")
    custom_headers: list[ShownHeader]
    version: int = Field(description="Counts changes; the `ETag` names it.")
    created_at: Timestamp
    updated_at: Timestamp


class AttemptAttributes(BaseModel):
    """One call of the endpoint."""

    started_at: Timestamp
    duration_ms: int
    http_status: int | None = Field(description="Null: no answer came.")
    error: str | None


class DeliveryAttributes(BaseModel):
    """One event for one endpoint."""

    endpoint_id: UUID
    event_id: UUID = Field(description="What the receiver knows it by.")
    event_type: str
    domain_event_id: UUID
    payload: str = Field(
        description="The body, as it was or will be sent; empty until the first attempt."
    )
    status: Literal["pending", "success", "failed"] = Field(description="The state, as Rootly's.")
    response_status: int | None
    state: WebhookState
    attempt: int = Field(description="Attempts since it was made or last replayed.")
    next_attempt_at: Timestamp | None
    last_error: str | None
    delivered_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class DeliveryWithAttempts(DeliveryAttributes):
    """A delivery with every attempt."""

    attempts: list[AttemptAttributes]


def _hides_secrets(request: Request) -> bool:
    return not allows(request.state.api_key.scopes, Scope.ADMIN)


HidesSecrets = Annotated[bool, Depends(_hides_secrets)]
"""Whether a caller, who passed the guard, sees endpoints without what logs in there."""


def endpoint_resource(
    endpoint: WebhookEndpoint, vault: Vault, *, secret: str = HIDDEN, hides_secrets: bool = False
) -> Resource[EndpointAttributes]:
    """Return an endpoint as it is shown; its secret only where it is given."""
    shown = {
        name: getattr(endpoint, name)
        for name in EndpointAttributes.model_fields
        if hasattr(WebhookEndpoint, name)
    }
    headers = [
        ShownHeader(
            name=header["name"],
            value=HIDDEN if hides_secrets else shown_value(header["name"], header["value"]),
        )
        for header in custom_headers(vault, endpoint)
    ]
    if hides_secrets:
        shown["url"] = without_query(endpoint.url)
    attributes = EndpointAttributes(**shown, secret=secret, custom_headers=headers)
    return Resource(id=str(endpoint.id), type="webhooks_endpoints", attributes=attributes)


def delivery_resource(delivery: WebhookDelivery) -> Resource[DeliveryAttributes]:
    """Return a delivery as lists show it."""
    return Resource(
        id=str(delivery.id), type="webhooks_deliveries", attributes=_attributes(delivery)
    )


def delivery_with_attempts(
    delivery: WebhookDelivery, attempts: Sequence[WebhookAttempt]
) -> Resource[DeliveryWithAttempts]:
    """Return a delivery with its log."""
    shown = [
        AttemptAttributes(**{name: getattr(each, name) for name in AttemptAttributes.model_fields})
        for each in attempts
    ]
    attributes = DeliveryWithAttempts(**_attributes(delivery).model_dump(), attempts=shown)
    return Resource(id=str(delivery.id), type="webhooks_deliveries", attributes=attributes)


def _attributes(delivery: WebhookDelivery) -> DeliveryAttributes:
    shown = {
        name: getattr(delivery, name)
        for name in DeliveryAttributes.model_fields
        if hasattr(WebhookDelivery, name)
    }
    waits = delivery.state == WebhookState.QUEUED
    shown |= {
        "payload": delivery.payload or "",
        "status": next(name for name, states in STATUSES.items() if delivery.state in states),
        "next_attempt_at": delivery.run_at if waits else None,
    }
    return DeliveryAttributes(**shown)
