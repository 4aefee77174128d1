"""`/v1/audit`: who changed what, when, from where."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, DateTime, select

from pagersync.access.guard import needs
from pagersync.access.models import AuditEntry, Scope
from pagersync.cut_columns import Wide
from pagersync.database.base import Base
from pagersync.database.session import SessionDep
from pagersync.errors import NotFoundError
from pagersync.filters import Filters
from pagersync.jsonapi import (
    Collection,
    Document,
    JsonApiResponse,
    Resource,
    Timestamp,
    errors,
    iso,
)
from pagersync.pagination import PageDep, find
from pagersync.shape import ShapedRoute

router = APIRouter(
    prefix="/v1",
    tags=["Audit log"],
    default_response_class=JsonApiResponse,
    route_class=ShapedRoute,
    dependencies=[needs(Scope.ADMIN)],
)

KINDS: Final = ("api_key", "console", "cli", "system")
ACTIONS: Final = ("create", "update", "delete", "act")

FILTERS = Filters(
    texts={
        "actor_kind": AuditEntry.actor_kind,
        "actor_id": AuditEntry.actor_id,
        "actor_name": AuditEntry.actor_name,
        "operation": AuditEntry.operation,
        "action": AuditEntry.action,
        "resource_type": AuditEntry.resource_type,
        "resource_id": AuditEntry.resource_id,
        "address": AuditEntry.address,
        "request_id": AuditEntry.request_id,
    },
    choices={"actor_kind": KINDS, "action": ACTIONS},
    times={"created_at": AuditEntry.created_at},
)


class AuditAttributes(BaseModel):
    """One change."""

    actor_kind: Literal["api_key", "console", "cli", "system"]
    actor_id: UUID | None = Field(description="Of the API key, or of the workflow run.")
    actor_name: str | None
    operation: str | None = Field(description="The operationId, or the command.")
    action: Literal["create", "update", "delete", "act"] = Field(
        description="`act`: something was done that changed no row that has a before and after: "
        "PagerTree was asked to acknowledge an alert, for example."
    )
    resource_type: str | None
    resource_id: str | None
    address: str | None
    request_id: str | None
    before: dict[str, Any] | None = Field(description="What changed, as it was; secrets hidden.")
    after: dict[str, Any] | None = Field(description="What changed, as it is; secrets hidden.")
    created_at: Timestamp


@router.get(
    "/audit",
    summary="List what was changed",
    description="Newest first.",
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_audit(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
) -> Collection[AuditAttributes]:
    wide = Wide([AuditEntry.before, AuditEntry.after])
    found = await find(session, select(AuditEntry).where(*where), AuditEntry.id, page, wide=wide)
    return Collection(
        data=[_resource(row) for row in found.rows], links=found.links, meta=found.meta
    )


@router.get("/audit/{id}", summary="Show a change", responses=errors(404, 422))
async def get_audit(session: SessionDep, id: UUID) -> Document[AuditAttributes]:
    entry = await session.get(AuditEntry, id)
    if entry is None:
        raise NotFoundError(f"there is no entry {id} of the audit log", noun="audit entry", id_=id)
    return Document(data=_resource(entry))


def _resource(entry: AuditEntry) -> Resource[AuditAttributes]:
    attributes = AuditAttributes.model_validate(entry, from_attributes=True)
    attributes.before = _timed(entry.resource_type, entry.before)
    attributes.after = _timed(entry.resource_type, entry.after)
    return Resource(id=str(entry.id), type="audit_entries", attributes=attributes)


def _timed(table: str | None, values: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a row's values with its times as every answer has them; triggers write their own."""
    described = Base.metadata.tables.get(table or "")
    if values is None or described is None:
        return values
    times = {column.name for column in described.columns if isinstance(column.type, DateTime)}
    return {name: _iso(v) if v and name in times else v for name, v in values.items()}


def _iso(written: str) -> str:
    """Return a time of PostgreSQL's; one that only somebody's SQL can have written, as it is."""
    try:
        return iso(datetime.fromisoformat(written))
    except (ValueError, OverflowError):
        return written
