"""`/v1/operations`: the calls that PagerTree must see, redriven and canceled."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import NAME, AccountNames, account_names
from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.database.session import SessionDep
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
from pagersync.paging import service
from pagersync.paging.models import Attempt, Operation, OperationKind, OperationState
from pagersync.paging.waiting import Waits

router = APIRouter(
    prefix="/v1",
    tags=["Operations"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(
    texts={
        "state": Operation.state,
        "kind": Operation.kind,
        "page_id": Operation.page_id,
        "alert_id": Operation.alert_id,
        "integration_id": Operation.integration_id,
    },
    choices={"state": list(OperationState), "kind": list(OperationKind)},
    times={"created_at": Operation.created_at, "finished_at": Operation.finished_at},
)


class AttemptAttributes(BaseModel):
    """One HTTP exchange with PagerTree."""

    number: int = Field(description="The turn it belongs to, from 1; counted anew by a redrive.")
    method: str
    path: str
    http_status: int | None = Field(description="Null when no answer came.")
    error: str | None
    started_at: Timestamp
    duration_ms: int


class OperationAttributes(BaseModel):
    """What is known of an operation."""

    id: UUID
    kind: OperationKind
    state: OperationState
    page_id: UUID | None
    alert_id: UUID | None
    integration_id: UUID
    integration_name: str | None = Field(description=NAME)
    pagertree_alert_id: str | None
    params: dict[str, Any]
    requested_by: str
    attempt: int
    may_have_been_sent: bool = Field(
        description="Whether PagerTree may have acted on it without our knowing."
    )
    last_error: str | None
    waits_because: str | None = Field(
        description="Why it is not under way: since when, the reason, and what to do."
    )
    run_at: Timestamp = Field(description="When it is, or was, to be tried next.")
    created_at: Timestamp
    finished_at: Timestamp | None
    failures: int = Field(description="How often it ended without having done what was asked.")
    retry_at: Timestamp | None = Field(
        description="When a failed resolve, acknowledgement or change is tried again: as long as "
        "the alert is open in PagerTree, or until you cancel it."
    )
    attempts: list[AttemptAttributes]


def _waits(request: Request) -> Waits:
    return Waits(request.state.settings.pagertree_calls_per_s)


WaitsDep = Annotated[Waits, Depends(_waits)]


class Redrive(Attributes):
    """How to redrive an operation."""

    confirmed_absent: bool = Field(
        default=False,
        description="You have looked in PagerTree and its alert is not there: send it without "
        "searching. Without this, one that may have been sent is searched for first.",
    )


@router.get(
    "/operations",
    summary="List operations",
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_operations(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
    waits: WaitsDep,
) -> Collection[OperationAttributes]:
    found = await find(session, select(Operation).where(*where), Operation.id, page)
    attempts = await service.list_attempts_of(session, [row.id for row in found.rows])
    reasons = await waits.of(session, found.rows)
    accounts = await account_names(session, found.rows)
    return Collection(
        data=[_resource(row, accounts, attempts, reasons) for row in found.rows],
        links=found.links,
        meta=found.meta,
    )


@router.get(
    "/operations/{id}",
    summary="Show an operation with its attempts",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(404, 422),
)
async def get_operation(
    session: SessionDep, id: UUID, waits: WaitsDep
) -> Document[OperationAttributes]:
    return await _shown(session, await service.get_operation(session, id), waits)


@router.post(
    "/operations/{id}/redrive",
    summary="Try an ended operation once more",
    description="For operations that are `failed`, `dead`, `unknown`, `canceled` or `expired`. One "
    "that may have been sent is searched for before anything is sent.",
    status_code=202,
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(400, 404, 409, 422),
)
async def redrive_operation(
    session: SessionDep,
    id: UUID,
    waits: WaitsDep,
    body: NewDocument[Literal["redrives"], Redrive] | None = None,
) -> Document[OperationAttributes]:
    is_absent = body.data.attributes.confirmed_absent if body else False
    redriven = await service.redrive_operation(session, id, is_absent=is_absent)
    return await _shown(session, redriven, waits)


@router.post(
    "/operations/{id}/cancel",
    summary="Cancel an operation of which nothing was sent yet, or the retries of a failed one",
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(404, 409, 422),
)
async def cancel_operation(
    session: SessionDep, id: UUID, waits: WaitsDep
) -> Document[OperationAttributes]:
    return await _shown(session, await service.cancel_operation(session, id), waits)


async def _shown(
    session: AsyncSession, row: Operation, waits: Waits
) -> Document[OperationAttributes]:
    attempts = await service.list_attempts_of(session, [row.id])
    accounts = await account_names(session, [row])
    return Document(data=_resource(row, accounts, attempts, await waits.of(session, [row])))


def _resource(
    row: Operation,
    accounts: AccountNames,
    attempts: Sequence[Attempt],
    reasons: Mapping[UUID, str],
) -> Resource[OperationAttributes]:
    attributes = operation_attributes(row, accounts, attempts, reasons)
    return Resource(id=str(row.id), type="operations", attributes=attributes)


def operation_attributes(
    row: Operation,
    accounts: AccountNames,
    attempts: Sequence[Attempt],
    reasons: Mapping[UUID, str],
) -> OperationAttributes:
    """Return what is known of an operation.

    Args:
        row: the operation.
        accounts: what accounts are called, its own among them.
        attempts: exchanges with PagerTree, its own among them.
        reasons: why operations wait.
    """
    others = ("attempts", "waits_because", "integration_name")
    columns = {
        name: getattr(row, name) for name in OperationAttributes.model_fields if name not in others
    }
    own = [each for each in attempts if each.operation_id == row.id]
    return OperationAttributes(
        **columns,
        integration_name=accounts.get(row.integration_id),
        waits_because=reasons.get(row.id),
        attempts=[
            AttemptAttributes(
                **{name: getattr(each, name) for name in AttemptAttributes.model_fields}
            )
            for each in own
        ],
    )
