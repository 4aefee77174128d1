"""Endpoints and their deliveries: added, found, changed, removed, replayed.

Whoever changes an endpoint has locked its row, and each change counts its version up.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.notify import notify
from pagersync.errors import ConflictError, InvalidError, NotFoundError
from pagersync.integrations.values import to_uuid
from pagersync.integrations.vault import Vault
from pagersync.webhooks.endpoint_secrets import secured
from pagersync.webhooks.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSigningSecret,
    WebhookState,
)
from pagersync.webhooks.signing import to_secret
from pagersync.workflows.slugs import slug_of

ENDPOINTS_MAX: Final = 100
SECRETS_MAX: Final = 4
"""So many sign at most: who rotates more often ends the grace of the oldest."""

SECRET_BYTES: Final = 32
WAITING: Final = (WebhookState.QUEUED, WebhookState.HELD)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint and its newest secret, in full."""

    endpoint: WebhookEndpoint
    secret: str


async def add_endpoint(
    session: AsyncSession, vault: Vault, values: Mapping[str, Any], *, secret: str | None
) -> NewSecret:
    """Add an endpoint; what happens from now on is sent to it.

    Raises:
        InvalidError: the name is taken.
        ManyInvalidError: it refers to a secret that there is not.
        ConflictError: there are too many endpoints.
    """
    await _lock_names(session)
    alive = select(func.count()).where(WebhookEndpoint.removed_at.is_(None))
    if (await session.scalar(alive) or 0) >= ENDPOINTS_MAX:
        raise ConflictError(f"limit of {ENDPOINTS_MAX} endpoints reached: remove one first")
    await _check_name(session, values["name"])
    values = await secured(session, vault, values, ())
    endpoint = WebhookEndpoint(
        **_columns(vault, values), slug=await _new_slug(session, values["name"])
    )
    session.add(endpoint)
    await session.flush()
    return await _add_secret(session, vault, endpoint, secret)


async def get_endpoint(
    session: AsyncSession, reference: str, *, lock: bool = False
) -> WebhookEndpoint:
    """Return an endpoint by its id or its slug; with `lock`, nobody else changes it meanwhile.

    Raises:
        NotFoundError: there is none, or it was removed.
    """
    endpoint_id = to_uuid(reference)
    is_called = (
        WebhookEndpoint.slug == reference
        if endpoint_id is None
        else WebhookEndpoint.id == endpoint_id
    )
    statement = select(WebhookEndpoint).where(is_called, WebhookEndpoint.removed_at.is_(None))
    if lock:
        statement = statement.with_for_update(key_share=True)
    # What is not printable is no slug, and may be text that PostgreSQL cannot take.
    endpoint = await session.scalar(statement) if reference.isprintable() else None
    if endpoint is None:
        raise NotFoundError(f"there is no webhook endpoint {reference!r}")
    return endpoint


async def change_endpoint(
    session: AsyncSession, vault: Vault, endpoint: WebhookEndpoint, values: Mapping[str, Any]
) -> WebhookEndpoint:
    """Change an endpoint that is locked; one that is enabled again is sent what waited.

    Raises:
        InvalidError: the name is taken.
    """
    if "name" in values and values["name"] != endpoint.name:
        await _lock_names(session)
        await _check_name(session, values["name"])
    if "custom_headers" in values:
        values = await secured(session, vault, values, custom_headers(vault, endpoint))
    was_enabled = endpoint.enabled
    for name, value in _columns(vault, values).items():
        setattr(endpoint, name, value)
    endpoint.version += 1
    if endpoint.enabled and not was_enabled:
        endpoint.disabled_reason = endpoint.failing_since = None
        await _queue_again(session, WebhookDelivery.endpoint_id == endpoint.id, WebhookState.HELD)
    await session.flush()
    await session.refresh(endpoint)
    return endpoint


async def remove_endpoint(session: AsyncSession, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Remove an endpoint that is locked: its secrets are erased, and nothing more is sent."""
    endpoint.removed_at = datetime.now(UTC)
    endpoint.enabled = False
    endpoint.version += 1
    endpoint.custom_headers_encrypted = None
    await session.execute(
        delete(WebhookSigningSecret).where(WebhookSigningSecret.endpoint_id == endpoint.id)
    )
    await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state.in_(WAITING))
        .values(state=WebhookState.CANCELED, finished_at=func.now())
    )
    await session.flush()
    await session.refresh(endpoint)
    return endpoint


async def rotate_secret(
    session: AsyncSession, vault: Vault, endpoint: WebhookEndpoint, *, grace: timedelta
) -> NewSecret:
    """Give an endpoint that is locked a new secret; the old ones sign along for `grace`."""
    until = datetime.now(UTC) + grace
    own = WebhookSigningSecret.endpoint_id == endpoint.id
    await session.execute(
        update(WebhookSigningSecret)
        .where(
            own,
            or_(
                WebhookSigningSecret.expires_at.is_(None),
                WebhookSigningSecret.expires_at > until,
            ),
        )
        .values(expires_at=until)
    )
    newest = select(WebhookSigningSecret.id).where(
        own, WebhookSigningSecret.expires_at > func.now()
    )
    kept = newest.order_by(WebhookSigningSecret.id.desc()).limit(SECRETS_MAX - 1)
    await session.execute(
        delete(WebhookSigningSecret).where(own, WebhookSigningSecret.id.not_in(kept))
    )
    endpoint.version += 1
    return await _add_secret(session, vault, endpoint, None)


async def get_delivery(
    session: AsyncSession, delivery_id: UUID, *, lock: bool = False
) -> WebhookDelivery:
    """Return one delivery.

    Raises:
        NotFoundError: there is none.
    """
    statement = select(WebhookDelivery).where(WebhookDelivery.id == delivery_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    delivery = await session.scalar(statement)
    if delivery is None:
        raise NotFoundError(
            f"there is no webhook delivery {delivery_id}", noun="webhook delivery", id_=delivery_id
        )
    return delivery


async def list_attempts(session: AsyncSession, delivery_id: UUID) -> Sequence[WebhookAttempt]:
    """Return the attempts at a delivery, in their order."""
    statement = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id)
    return (await session.scalars(statement.order_by(WebhookAttempt.id))).all()


async def deliver_again(session: AsyncSession, delivery_id: UUID) -> WebhookDelivery:
    """Queue a delivery once more, now: the same body with the same event id.

    Raises:
        NotFoundError: there is no such delivery.
        ConflictError: it is being sent, or its endpoint was removed or is disabled.
    """
    delivery = await get_delivery(session, delivery_id, lock=True)
    if delivery.state == WebhookState.RUNNING:
        raise ConflictError(f"delivery {delivery_id} is being sent already: see what comes of it")
    endpoint = await session.scalar(
        select(WebhookEndpoint).where(WebhookEndpoint.id == delivery.endpoint_id)
    )
    if endpoint is None or endpoint.removed_at is not None:
        raise ConflictError("its endpoint was removed: nothing can be delivered to it")
    if not endpoint.enabled:
        raise ConflictError("its endpoint is disabled: enable it first")
    await _queue_again(
        session,
        WebhookDelivery.id == delivery.id,
        *(state for state in WebhookState if state != WebhookState.RUNNING),
    )
    await session.refresh(delivery)
    return delivery


def custom_headers(vault: Vault, endpoint: WebhookEndpoint) -> list[dict[str, str]]:
    """Return the headers that are sent to an endpoint, with what may log in there."""
    encrypted = endpoint.custom_headers_encrypted
    headers: list[dict[str, str]] = json.loads(vault.decrypt(encrypted)) if encrypted else []
    return headers


async def signing_secrets(
    session: AsyncSession, vault: Vault, endpoint: WebhookEndpoint
) -> list[str]:
    """Return the secrets that sign for an endpoint now, the newest first."""
    statement = select(WebhookSigningSecret.secret_encrypted).where(
        WebhookSigningSecret.endpoint_id == endpoint.id,
        or_(
            WebhookSigningSecret.expires_at.is_(None),
            WebhookSigningSecret.expires_at > func.now(),
        ),
    )
    found = await session.scalars(statement.order_by(WebhookSigningSecret.id.desc()))
    return [vault.decrypt(encrypted) for encrypted in found]


async def _queue_again(session: AsyncSession, which: Any, *states: WebhookState) -> None:
    statement = (
        update(WebhookDelivery)
        .where(which, WebhookDelivery.state.in_(states))
        .values(
            state=WebhookState.QUEUED,
            attempt=0,
            run_at=func.now(),
            leased_until=None,
            last_error=None,
            finished_at=None,
        )
    )
    await session.execute(statement)
    await notify(session, "webhook_deliveries")


async def _add_secret(
    session: AsyncSession, vault: Vault, endpoint: WebhookEndpoint, secret: str | None
) -> NewSecret:
    secret = secret or to_secret(secrets.token_bytes(SECRET_BYTES))
    session.add(
        WebhookSigningSecret(endpoint_id=endpoint.id, secret_encrypted=vault.encrypt(secret))
    )
    await session.flush()
    await session.refresh(endpoint)
    return NewSecret(endpoint, secret)


def _columns(vault: Vault, values: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    if "custom_headers" in columns:
        headers = columns.pop("custom_headers")
        columns["custom_headers_encrypted"] = (
            vault.encrypt(json.dumps(headers)) if headers else None
        )
    return columns


async def _lock_names(session: AsyncSession) -> None:
    """Wait for others who name endpoints, and let them wait until the transaction ends."""
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtext(WebhookEndpoint.__tablename__)))
    )


async def _check_name(session: AsyncSession, name: str) -> None:
    statement = select(WebhookEndpoint.id).where(
        WebhookEndpoint.name == name, WebhookEndpoint.removed_at.is_(None)
    )
    if await session.scalar(statement) is not None:
        raise InvalidError(
            f"there is an endpoint named {name!r} already", pointer="/data/attributes/name"
        )


async def _new_slug(session: AsyncSession, name: str) -> str:
    statement = select(WebhookEndpoint.slug).where(WebhookEndpoint.removed_at.is_(None))
    taken = set(await session.scalars(statement))
    base = slug_of(name, otherwise="endpoint")
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return next(slug for slug in (base, *numbered) if slug not in taken)
