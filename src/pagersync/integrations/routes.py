"""`/v1/integrations`: connected PagerTree accounts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BaseModel, Field, SecretStr
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.errors import InvalidError
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.filters import Filters
from pagersync.integrations import service
from pagersync.integrations.connect import take_api_key
from pagersync.integrations.default_targets import check_default_targets, list_named_kinds
from pagersync.integrations.gate import IntegrationGate, list_gates
from pagersync.integrations.models import (
    ALERT_URL_TEMPLATE,
    PAGERTREE_URL,
    Integration,
    WebhookRefusal,
)
from pagersync.integrations.target_params import Targets
from pagersync.integrations.values import (
    checked_api_key,
    checked_name,
    checked_template,
    checked_url,
)
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
from pagersync.settings import Settings

router = APIRouter(
    prefix="/v1",
    tags=["Integrations"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

Name = Annotated[str, AfterValidator(checked_name)]
Url = Annotated[str, AfterValidator(checked_url), Field(max_length=1000)]
Template = Annotated[str, AfterValidator(checked_template), Field(max_length=1000)]
ApiKey = Annotated[SecretStr, AfterValidator(checked_api_key)]
PerDay = Annotated[int, Field(ge=0, le=1_000_000_000)]


FILTERS = Filters(texts={})

REQUIRED = ("name", "pagertree_url", "alert_url_template", "enabled", "default_targets")
"""Attributes that may be left out of a change but not be null."""


class NewIntegration(Attributes):
    """An account to connect."""

    name: Name
    api_key: ApiKey = Field(description="A PagerTree API key. Stored encrypted, never shown again.")
    pagertree_url: Url = Field(default=PAGERTREE_URL, description="Base of PagerTree's API.")
    alert_url_template: Template = Field(
        default=ALERT_URL_TEMPLATE, description="Link to an alert; `{id}` becomes PagerTree's id."
    )
    alerts_per_day_max: PerDay | None = Field(
        default=None,
        description="New alerts a day (UTC). What goes beyond is kept as `limited` deliveries.",
    )
    default_targets: Targets = Field(
        default_factory=Targets, description="Whom workflows page that name nobody."
    )
    default_workflows: bool = Field(
        default=True,
        description="Make the two default workflows: page when an incident is created, resolve "
        "when it is resolved.",
    )
    verify_api_key: bool = Field(default=True, description="Ask PagerTree whether the key works.")


class ChangedIntegration(Attributes):
    """What to change; what is left out stays."""

    name: Name | None = None
    api_key: ApiKey | None = None
    pagertree_url: Url | None = Field(
        default=None,
        description="A new one needs `api_key` too: a key goes only where it was meant.",
    )
    alert_url_template: Template | None = None
    alerts_per_day_max: PerDay | None = None
    enabled: bool | None = None
    default_targets: Targets | None = None
    verify_api_key: bool = True


class Rotation(Attributes):
    """How to rotate a webhook secret."""

    grace_hours: Annotated[float, Field(ge=0, le=8760)] | None = Field(
        default=None, description="How long the old secrets still work. By default the setting's."
    )


class RefusalAttributes(BaseModel):
    """Webhook requests that were turned away for one reason."""

    reason: str
    times: int
    last_at: Timestamp


class ApiStatus(BaseModel):
    """How an account's PagerTree API is doing, as far as calls to it tell."""

    state: Literal["ok", "failing", "rate_limited", "credentials_refused"] = "ok"
    failures: int = Field(default=0, description="Calls in a row that did not end well.")
    resumes_at: Timestamp | None = Field(
        default=None, description="Until then nothing is sent; operations wait."
    )
    last_error: str | None = None


class IntegrationAttributes(BaseModel):
    """What is known of an account."""

    name: str
    pagertree_url: str
    alert_url_template: str
    alerts_per_day_max: int | None
    enabled: bool
    default_targets: Targets
    verified_at: Timestamp | None = Field(description="When PagerTree last accepted the API key.")
    directory_synced_at: Timestamp | None = Field(
        description="As of when `/v1/teams`, `/v1/users` and `/v1/routers` are PagerTree's."
    )
    directory_error: str | None = Field(description="Why the last try to list them failed.")
    api: ApiStatus
    webhook_url: str
    refusals: list[RefusalAttributes]
    created_at: Timestamp
    updated_at: Timestamp


class IntegrationWithSecret(IntegrationAttributes):
    """An account with its new webhook secret."""

    webhook_secret: str = Field(description="Shown here and nowhere else.")
    setup: list[str] = Field(description="What to do in PagerTree.")


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
        data=await _resources(request, session, found.rows), links=found.links, meta=found.meta
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
    return Document(data=(await _resources(request, session, [integration]))[0])


@router.patch(
    "/integrations/{id}",
    summary="Change an integration",
    description="A new API key is asked of PagerTree before it is stored; a new address needs one.",
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
    async with request.state.sessions() as session:
        before = await _checked(session, id, if_match)
    changes = body.data.attributes
    columns = await _changed_columns(request, before, changes)
    listed = await list_named_kinds(
        request.state.http, columns, api_key=changes.api_key, verify=changes.verify_api_key
    )
    async with request.state.sessions.begin() as session:
        before = await _checked(session, id, if_match, lock=True)
        is_known = listed is not None or (before.directory_synced_at and not changes.api_key)
        if changes.default_targets and is_known:
            await check_default_targets(session, id, columns["default_targets"], listed)
        integration = await service.change_integration(session, id, **columns)
        response.headers["ETag"] = etag(await service.integration_version(session, integration))
        return Document(data=(await _resources(request, session, [integration]))[0])


@router.delete(
    "/integrations/{id}",
    summary="Disconnect an account",
    description="Its secrets and API key are erased; its alerts and deliveries stay.",
    status_code=204,
    dependencies=[needs(Scope.ADMIN, bound=True)],
    responses=errors(404, 412, 422),
)
async def remove_integration(session: SessionDep, id: UUID, if_match: IfMatch = None) -> None:
    await _checked(session, id, if_match, lock=True)
    await service.remove_integration(session, id)


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
    hours = _settings(request).secret_grace_hours if asked is None else asked
    await _checked(session, id, if_match, lock=True)
    new = await service.rotate_secret(session, id, grace=timedelta(hours=hours))
    response.headers["ETag"] = etag(await service.integration_version(session, new.integration))
    return with_secret(request, new)


async def _checked(
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


async def _changed_columns(
    request: Request, before: Integration, changes: ChangedIntegration
) -> dict[str, Any]:
    """Return the columns to set. A key and its address change together or not at all.

    Raises:
        InvalidError: a null that cannot be, or a new address without the key to send there.
        PagerTreeError: PagerTree did not accept the new key.
    """
    columns = changes.model_dump(exclude_unset=True, exclude={"api_key", "verify_api_key"})
    nulls = [name for name, value in columns.items() if value is None and name in REQUIRED]
    if nulls:
        raise InvalidError("it cannot be null", pointer=f"/data/attributes/{nulls[0]}")
    url = columns.pop("pagertree_url", before.pagertree_url)
    if changes.api_key is not None:
        key_columns = await new_api_key(request, changes.api_key, url, changes.verify_api_key)
        return columns | {"pagertree_url": url} | key_columns
    if url != before.pagertree_url:
        raise InvalidError(
            "enter the API key again with a new address", pointer="/data/attributes/api_key"
        )
    return columns


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


def _settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


def with_secret(
    request: Request, new: service.NewSecret, more: Sequence[str] = ()
) -> Document[IntegrationWithSecret]:
    """Return an account with its new webhook secret, and what is left to do."""
    attributes = IntegrationWithSecret(
        **_attributes(_settings(request), new.integration, [], None).model_dump(),
        webhook_secret=new.webhook_secret,
        setup=[*service.setup_steps(_settings(request), new), *more],
    )
    return Document(
        data=Resource(id=str(new.integration.id), type="integrations", attributes=attributes)
    )


async def _resources(
    request: Request, session: AsyncSession, rows: Sequence[Integration]
) -> list[Resource[IntegrationAttributes]]:
    ids = [row.id for row in rows]
    refusals = await service.list_refusals(session, ids)
    gates = await list_gates(session, ids)
    return [
        Resource(
            id=str(row.id),
            type="integrations",
            attributes=_attributes(
                _settings(request),
                row,
                [r for r in refusals if r.integration_id == row.id],
                gates.get(row.id),
            ),
        )
        for row in rows
    ]


def _attributes(
    settings: Settings,
    row: Integration,
    refusals: Sequence[WebhookRefusal],
    gate: IntegrationGate | None,
) -> IntegrationAttributes:
    return IntegrationAttributes(
        name=row.name,
        pagertree_url=row.pagertree_url,
        alert_url_template=row.alert_url_template,
        alerts_per_day_max=row.alerts_per_day_max,
        enabled=row.enabled,
        default_targets=Targets.model_validate(row.default_targets),
        verified_at=row.verified_at,
        directory_synced_at=row.directory_synced_at,
        directory_error=row.directory_error,
        api=api_status(gate),
        webhook_url=service.webhook_url(settings, row.id),
        refusals=[
            RefusalAttributes(reason=r.reason, times=r.times, last_at=r.last_at) for r in refusals
        ],
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def api_status(gate: IntegrationGate | None) -> ApiStatus:
    """Return what a gate says of an account's PagerTree API."""
    if gate is None:
        return ApiStatus()
    return ApiStatus.model_validate(
        {
            "state": gate.reason or "ok",
            "failures": gate.failures,
            "resumes_at": gate.open_until,
            "last_error": gate.last_error,
        }
    )
