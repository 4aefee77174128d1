"""Connected accounts: added, changed, removed; their webhook secrets made and rotated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.tokens import WEBHOOK_SECRET_PREFIX, hash_token, new_token
from pagersync.database.base import new_id
from pagersync.database.notify import notify
from pagersync.errors import ConflictError, NotFoundError
from pagersync.etag import version_of_content
from pagersync.integrations.default_account import appoint_default, lock_default, make_default
from pagersync.integrations.directory_store import forget_check
from pagersync.integrations.gate import reset_gate
from pagersync.integrations.models import Integration, WebhookRefusal, WebhookSecret
from pagersync.integrations.values import to_uuid
from pagersync.settings import Settings

EVENTS_TO_TICK: Final = (
    "alert.created",
    "alert.open",
    "alert.acknowledged",
    "alert.rejected",
    "alert.timeout",
    "alert.resolved",
    "alert.dropped",
    "alert.handoff",
)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An integration and its newest webhook secret, which is to be found nowhere else."""

    integration: Integration
    webhook_secret: str


async def add_integration(session: AsyncSession, **columns: Any) -> NewSecret:
    """Add an account whose API key was verified before.

    Raises:
        ConflictError: the name is taken.
    """
    statement = (
        insert(Integration)
        .values(id=new_id(), **columns)
        .on_conflict_do_nothing(
            index_elements=[Integration.name], index_where=Integration.removed_at.is_(None)
        )
        .returning(Integration)
    )
    integration = await session.scalar(statement)
    if integration is None:
        raise ConflictError(
            f"there is an integration named {columns['name']!r} already",
            pointer="/data/attributes/name",
        )
    await appoint_default(session)
    await session.refresh(integration)
    return NewSecret(integration, await _new_secret(session, integration))


async def rotate_secret(
    session: AsyncSession, integration_id: UUID, *, grace: timedelta
) -> NewSecret:
    """Make a new webhook secret; the old ones work for `grace` longer, and not beyond.

    Raises:
        NotFoundError: there is no such integration.
    """
    integration = await get_integration(session, integration_id, lock=True)
    until = datetime.now(UTC) + grace
    await session.execute(
        update(WebhookSecret)
        .where(
            WebhookSecret.integration_id == integration.id,
            or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > until),
        )
        .values(expires_at=until)
    )
    return NewSecret(integration, await _new_secret(session, integration))


async def change_integration(
    session: AsyncSession, integration_id: UUID, **columns: Any
) -> Integration:
    """Set columns of an integration; a new API key opens its gate.

    Raises:
        NotFoundError: there is no such integration.
        ConflictError: the new name is taken.
    """
    if columns.pop("is_default", False):
        await make_default(session, integration_id)
    integration = await get_integration(session, integration_id, lock=True)
    for name, value in columns.items():
        setattr(integration, name, value)
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError:
        raise ConflictError(
            f"there is an integration named {columns.get('name')!r} already",
            pointer="/data/attributes/name",
        ) from None
    if "default_targets" in columns:
        await forget_check(session)
    if "api_key_encrypted" in columns:
        await reset_gate(session, integration_id)
    await notify(session, "integrations")
    await session.refresh(integration)
    return integration


async def remove_integration(session: AsyncSession, integration_id: UUID) -> None:
    """Disconnect an account: its secrets and its API key are erased, its alerts stay.

    Raises:
        NotFoundError: there is no such integration.
    """
    await lock_default(session)
    integration = await get_integration(session, integration_id, lock=True)
    integration.removed_at = datetime.now(UTC)
    integration.enabled = False
    integration.api_key_encrypted = None
    await appoint_default(session)
    await session.execute(
        delete(WebhookSecret).where(WebhookSecret.integration_id == integration.id)
    )
    await notify(session, "integrations")


async def list_integrations(session: AsyncSession) -> Sequence[Integration]:
    """Return every connected account, oldest first."""
    statement = select(Integration).where(Integration.removed_at.is_(None)).order_by(Integration.id)
    return (await session.scalars(statement)).all()


async def get_integration(
    session: AsyncSession, integration_id: UUID, *, lock: bool = False
) -> Integration:
    """Return one integration; with `lock`, as nobody else changes it until the transaction ends.

    Raises:
        NotFoundError: there is none, or it was removed.
    """
    statement = select(Integration).where(
        Integration.id == integration_id, Integration.removed_at.is_(None)
    )
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(
            populate_existing=True
        )
    integration = await session.scalar(statement)
    if integration is None:
        raise NotFoundError(f"there is no integration {integration_id}")
    return integration


async def integration_version(session: AsyncSession, integration: Integration) -> int:
    """Return the version of what people set of it; its directory is synced without a change."""
    newest = select(WebhookSecret.id).where(
        WebhookSecret.integration_id == integration.id, WebhookSecret.expires_at.is_(None)
    )
    return version_of_content(
        integration.name,
        integration.pagertree_url,
        integration.api_key_encrypted,
        integration.alert_url_template,
        integration.alerts_per_day_max,
        integration.enabled,
        integration.is_default,
        integration.default_targets,
        integration.when_unknown,
        integration.page_again_after_s,
        await session.scalar(newest),
    )


async def find_integration(session: AsyncSession, reference: str) -> Integration:
    """Return one integration by its id or its name.

    Raises:
        NotFoundError: there is none, or it was removed.
    """
    integration_id = to_uuid(reference)
    statement = select(Integration).where(
        Integration.name == reference
        if integration_id is None
        else Integration.id == integration_id,
        Integration.removed_at.is_(None),
    )
    # What is not printable is no name, and may be text that PostgreSQL cannot take.
    integration = await session.scalar(statement) if reference.isprintable() else None
    if integration is None:
        raise NotFoundError(f"there is no integration {reference!r}: `pagersync integrations list`")
    return integration


async def list_refusals(
    session: AsyncSession, integration_ids: Sequence[UUID]
) -> Sequence[WebhookRefusal]:
    """Return what was turned away at the webhooks of these integrations, latest first."""
    statement = (
        select(WebhookRefusal)
        .where(WebhookRefusal.integration_id.in_(integration_ids))
        .order_by(WebhookRefusal.last_at.desc())
    )
    return (await session.scalars(statement)).all()


def webhook_url(settings: Settings, integration_id: UUID) -> str:
    """Return the address that PagerTree's outgoing webhook calls, without the secret."""
    return f"{settings.base_url}/webhooks/pagertree/{integration_id}"


def setup_steps(settings: Settings, new: NewSecret) -> list[str]:
    """Return what remains to be done in PagerTree, one step an entry."""
    url = webhook_url(settings, new.integration.id)
    return [
        "In PagerTree, create an integration of the type Outgoing Webhook.",
        f"Set its URL to {url}?secret={new.webhook_secret}",
        "Or set the URL without the query, any username, and the secret as the password.",
        f"Tick all eight alert events, which are off by default: {', '.join(EVENTS_TO_TICK)}.",
        "Leave the payload template empty, and let no rule ignore events.",
    ]


async def _new_secret(session: AsyncSession, integration: Integration) -> str:
    secret = new_token(WEBHOOK_SECRET_PREFIX)
    session.add(WebhookSecret(integration_id=integration.id, sha256=hash_token(secret)))
    await session.flush()
    await notify(session, "integrations")
    return secret
