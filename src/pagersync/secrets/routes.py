"""`/v1/secrets`: named secrets. Their values are written and never answered."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field, SecretStr
from sqlalchemy import ColumnElement, select

from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
from pagersync.etag import IfMatch, check_if_match, etag
from pagersync.filters import Filters
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
from pagersync.secrets import service
from pagersync.secrets.models import Secret

router = APIRouter(
    prefix="/v1",
    tags=["Secrets"],
    default_response_class=JsonApiResponse,
    dependencies=[needs(Scope.ADMIN)],
    route_class=IdempotentRoute,
)

FILTERS = Filters(
    texts={"name": Secret.name},
    times={"created_at": Secret.created_at, "updated_at": Secret.updated_at},
)


def _checked(value: SecretStr) -> SecretStr:
    service.checked_value(value.get_secret_value())
    return value


Value = Annotated[SecretStr, AfterValidator(_checked)]
Accounts = Annotated[
    list[Annotated[UUID, Field(strict=False)]],
    Field(
        max_length=100,
        description="The accounts whose workflows alone may use it; an empty list: all may, and "
        "webhook endpoints too.",
    ),
]


Force = Annotated[bool, Query(description="Remove it although somebody uses it.")]


class NewSecret(Attributes):
    """A secret to add."""

    name: Annotated[str, AfterValidator(service.checked_name)] = Field(
        description="Workflows and endpoints refer to it as `{{ secrets.NAME }}`.",
        examples=["DEPLOY_TOKEN"],
    )
    value: Value = Field(description="Kept encrypted, and never answered.")
    integration_ids: Accounts = Field(default_factory=list)


class ChangedSecret(Attributes):
    """What to change; what is left out stays. The name cannot be changed."""

    value: Value | None = None
    integration_ids: Accounts | None = None


class SecretAttributes(BaseModel):
    """What is known of a secret, but for its value."""

    name: str
    integration_ids: list[UUID]
    version: int = Field(description="Counts changes; the `ETag` names it.")
    created_by: str
    updated_by: str
    last_used_at: Timestamp | None = Field(description="To the hour.")
    created_at: Timestamp
    updated_at: Timestamp


class SecretWithUses(SecretAttributes):
    """A secret, and who uses it."""

    used_by: list[str] = Field(description="Tasks of workflows and webhook endpoints, in words.")


@router.post(
    "/secrets",
    summary="Add a secret",
    description="Its value is kept encrypted and never answered.",
    status_code=201,
    responses=errors(400, 409, 422),
)
async def create_secret(
    request: Request,
    response: Response,
    session: SessionDep,
    body: NewDocument[Literal["secrets"], NewSecret],
) -> Document[SecretAttributes]:
    values = _values(body.data.attributes)
    by = requester(request)
    secret = await service.add_secret(session, request.state.vault, values, requested_by=by)
    return _shown(response, secret)


@router.get(
    "/secrets",
    summary="List secrets",
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_secrets(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
) -> Collection[SecretAttributes]:
    found = await find(session, select(Secret).where(*where), Secret.id, page)
    return Collection(
        data=[_resource(row) for row in found.rows], links=found.links, meta=found.meta
    )


@router.get(
    "/secrets/{id}",
    summary="Show a secret",
    description="By its id or its name, with who uses it; never its value.",
    responses=errors(404, 422),
)
async def get_secret(
    request: Request, response: Response, session: SessionDep, id: str
) -> Document[SecretWithUses]:
    secret = await service.get_secret(session, id)
    uses = await service.uses_of(session, request.state.vault, secret.name)
    attributes = SecretWithUses(**_attributes(secret), used_by=[str(use) for use in uses])
    response.headers["ETag"] = etag(secret.version)
    return Document(data=Resource(id=str(secret.id), type="secrets", attributes=attributes))


@router.put(
    "/secrets/{id}",
    name="replace_secret",
    summary="Change a secret",
    description="As PATCH: what is left out stays.",
    responses=errors(400, 404, 412, 422),
)
@router.patch(
    "/secrets/{id}",
    summary="Change a secret",
    description="A new value is used by the next call of whoever refers to it.",
    responses=errors(400, 404, 412, 422),
)
async def change_secret(
    request: Request,
    response: Response,
    session: SessionDep,
    id: str,
    body: NewDocument[Literal["secrets"], ChangedSecret],
    if_match: IfMatch = None,
) -> Document[SecretAttributes]:
    body.data.attributes.changes(never_null=("value", "integration_ids"))
    secret = await service.get_secret(session, id, lock=True)
    check_if_match(if_match, secret.version)
    values, by = _values(body.data.attributes), requester(request)
    if values:
        secret = await service.change_secret(
            session, request.state.vault, secret, values, requested_by=by
        )
    return _shown(response, secret)


@router.delete(
    "/secrets/{id}",
    summary="Remove a secret",
    description="One that is used stays, 409 says by whom, unless `force` is true: then the calls "
    "that refer to it fail, and nothing else does.",
    status_code=204,
    responses=errors(404, 409, 412, 422),
)
async def delete_secret(
    request: Request,
    session: SessionDep,
    id: str,
    force: Force = False,
    if_match: IfMatch = None,
) -> None:
    secret = await service.get_secret(session, id, lock=True)
    check_if_match(if_match, secret.version)
    await service.remove_secret(session, request.state.vault, secret, force=force)


def _values(given: NewSecret | ChangedSecret) -> dict[str, Any]:
    values = {name: getattr(given, name) for name in given.model_fields_set}
    if isinstance(value := values.get("value"), SecretStr):
        values["value"] = value.get_secret_value()
    return values


def _shown(response: Response, secret: Secret) -> Document[SecretAttributes]:
    response.headers["ETag"] = etag(secret.version)
    return Document(data=_resource(secret))


def _resource(secret: Secret) -> Resource[SecretAttributes]:
    attributes = SecretAttributes(**_attributes(secret))
    return Resource(id=str(secret.id), type="secrets", attributes=attributes)


def _attributes(secret: Secret) -> dict[str, Any]:
    return {name: getattr(secret, name) for name in SecretAttributes.model_fields}
