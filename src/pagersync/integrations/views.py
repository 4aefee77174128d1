"""`/v1/integrations`: what requests say, and what is answered."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import AfterValidator, BaseModel, Field, SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations import service
from pagersync.integrations.directory_store import read_broken
from pagersync.integrations.gate import IntegrationGate, list_gates
from pagersync.integrations.models import (
    ALERT_URL_TEMPLATE,
    PAGE_AGAIN_AFTER_S,
    PAGERTREE_URL,
    Integration,
    WebhookRefusal,
    WhenUnknown,
)
from pagersync.integrations.target_params import Targets
from pagersync.integrations.values import (
    checked_api_key,
    checked_name,
    checked_template,
    checked_url,
)
from pagersync.jsonapi import Attributes, Document, Resource, Timestamp
from pagersync.settings import Settings

Name = Annotated[str, AfterValidator(checked_name)]
Url = Annotated[str, AfterValidator(checked_url), Field(max_length=1000)]
Template = Annotated[str, AfterValidator(checked_template), Field(max_length=1000)]
ApiKey = Annotated[SecretStr, AfterValidator(checked_api_key)]
PerDay = Annotated[int, Field(ge=0, le=1_000_000_000)]

AgainAfter = Annotated[int, Field(ge=10, le=86_400)]
WHEN_UNKNOWN = (
    "What to do about a page of which nobody can tell whether PagerTree has it: `keep_looking`, or "
    "`page_again`, which also sends a new page once. Its title says that it may be a repeat."
)

REQUIRED = (
    "name",
    "pagertree_url",
    "alert_url_template",
    "enabled",
    "is_default",
    "default_targets",
    "when_unknown",
    "page_again_after_s",
)
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
    when_unknown: WhenUnknown = Field(
        default=WhenUnknown.KEEP_LOOKING, strict=False, description=WHEN_UNKNOWN
    )
    page_again_after_s: AgainAfter = Field(
        default=PAGE_AGAIN_AFTER_S, description="After how many seconds, with `page_again`."
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
    is_default: Literal[True] | None = Field(
        default=None,
        description="`true` makes it the default account; the former one stops being it.",
    )
    default_targets: Targets | None = None
    when_unknown: Annotated[WhenUnknown | None, Field(strict=False)] = None
    page_again_after_s: AgainAfter | None = None
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


class BrokenReferenceAttributes(BaseModel):
    """A reference that does not mean what it meant when it was saved."""

    where: str = Field(description="The workflow and its task, or the default targets.")
    kind: Literal["team", "user", "router"]
    id: str | None
    name: str | None
    is_paged: bool = Field(description="Whether it is paged all the same: it was renamed only.")
    detail: str


class IntegrationAttributes(BaseModel):
    """What is known of an account."""

    name: str
    pagertree_url: str
    alert_url_template: str
    alerts_per_day_max: int | None
    enabled: bool
    is_default: bool = Field(
        description="Whether it is used for what names no account: pages, alerts, workflow tasks."
    )
    default_targets: Targets
    when_unknown: WhenUnknown = Field(description=WHEN_UNKNOWN)
    page_again_after_s: int
    verified_at: Timestamp | None = Field(description="When PagerTree last accepted the API key.")
    directory_synced_at: Timestamp | None = Field(
        description="As of when `/v1/teams`, `/v1/users` and `/v1/routers` are PagerTree's."
    )
    directory_error: str | None = Field(
        description="Why the last try to list them failed, or is not believed."
    )
    broken_references: list[BrokenReferenceAttributes] = Field(
        description="References to what was renamed, removed or doubled in PagerTree, as the last "
        "check found them."
    )
    api: ApiStatus
    webhook_url: str
    refusals: list[RefusalAttributes]
    created_at: Timestamp
    updated_at: Timestamp


class IntegrationWithSecret(IntegrationAttributes):
    """An account with its new webhook secret."""

    webhook_secret: str = Field(description="Shown here and nowhere else.")
    setup: list[str] = Field(description="What to do in PagerTree.")


def with_secret(
    request: Request, new: service.NewSecret, more: Sequence[str] = ()
) -> Document[IntegrationWithSecret]:
    """Return an account with its new webhook secret, and what is left to do."""
    attributes = IntegrationWithSecret(
        **_attributes(request.state.settings, new.integration, [], None).model_dump(),
        webhook_secret=new.webhook_secret,
        setup=[*service.setup_steps(request.state.settings, new), *more],
    )
    return Document(
        data=Resource(id=str(new.integration.id), type="integrations", attributes=attributes)
    )


async def integration_resources(
    request: Request, session: AsyncSession, rows: Sequence[Integration]
) -> list[Resource[IntegrationAttributes]]:
    """Return accounts as answers show them."""
    ids = [row.id for row in rows]
    refusals = await service.list_refusals(session, ids)
    gates = await list_gates(session, ids)
    broken = await read_broken(session, ids)
    return [
        Resource(
            id=str(row.id),
            type="integrations",
            attributes=_attributes(
                request.state.settings,
                row,
                [r for r in refusals if r.integration_id == row.id],
                gates.get(row.id),
                broken.get(row.id, ()),
            ),
        )
        for row in rows
    ]


def _attributes(
    settings: Settings,
    row: Integration,
    refusals: Sequence[WebhookRefusal],
    gate: IntegrationGate | None,
    broken: Sequence[Mapping[str, Any]] = (),
) -> IntegrationAttributes:
    return IntegrationAttributes(
        name=row.name,
        pagertree_url=row.pagertree_url,
        alert_url_template=row.alert_url_template,
        alerts_per_day_max=row.alerts_per_day_max,
        enabled=row.enabled,
        is_default=row.is_default,
        default_targets=Targets.model_validate(row.default_targets),
        when_unknown=WhenUnknown(row.when_unknown),
        page_again_after_s=row.page_again_after_s,
        verified_at=row.verified_at,
        directory_synced_at=row.directory_synced_at,
        directory_error=row.directory_error,
        broken_references=[BrokenReferenceAttributes.model_validate(one) for one in broken],
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
