"""`/v1/domain_events`: everything that happened, and what workflows made of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import NAME, AccountNames, account_names
from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.cut_columns import Wide
from pagersync.database.notify import notify
from pagersync.database.session import SessionDep
from pagersync.errors import ConflictError, NotFoundError
from pagersync.events.models import DomainEvent
from pagersync.events.publish import NO_INTEGRATION
from pagersync.filters import Filters
from pagersync.jsonapi import Collection, Document, JsonApiResponse, Resource, Timestamp, errors
from pagersync.pagination import PageDep, find
from pagersync.workflows.models import WorkflowRun
from pagersync.workflows.trace_story import verdicts

router = APIRouter(
    prefix="/v1",
    tags=["Domain events"],
    dependencies=[needs(Scope.READ)],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

State = Literal["queued", "running", "done", "dead"]

FILTERS = Filters(
    texts={
        "type": DomainEvent.type,
        "subject_type": DomainEvent.subject_type,
        "subject_id": DomainEvent.subject_id,
        "workflow_run_id": DomainEvent.workflow_run_id,
        "delivery_id": DomainEvent.delivery_id,
        "integration_id": DomainEvent.integration_id,
        "state": DomainEvent.state,
    },
    choices={"state": get_args(State)},
    times={"occurred_at": DomainEvent.occurred_at, "created_at": DomainEvent.created_at},
)


class CauseAttributes(BaseModel):
    """Who or what did it."""

    source: Literal["pagertree", "workflow", "person", "system"]
    delivery_id: UUID | None = Field(description="The webhook that told of it.")
    workflow_run_id: UUID | None
    requested_by: str | None
    depth: int = Field(
        description="How many workflow runs lie between it and what a person or PagerTree did."
    )


class VerdictAttributes(BaseModel):
    """What was decided about one workflow that listened."""

    workflow_id: UUID
    workflow: str
    matched: bool
    reason: str | None = Field(
        description="The first condition that did not hold, or what else kept it from running."
    )
    run_id: UUID | None
    run_status: str | None = Field(description="How its run stands now.")
    run_status_message: str | None


class DomainEventAttributes(BaseModel):
    """One thing that happened, and what workflows made of it."""

    type: str
    subject_type: str
    subject_id: UUID
    integration_id: UUID | None
    integration_name: str | None = Field(description=NAME)
    triggers: list[str] = Field(description="What workflows call it.")
    cause: CauseAttributes
    data: dict[str, Any]
    occurred_at: Timestamp
    created_at: Timestamp
    state: State = Field(description="`done`: every workflow that listened has been looked at.")
    explanation: str = Field(description="What workflows made of it, in words.")
    seen: dict[str, Any] | None = Field(description="What conditions were looked at against.")
    workflows: list[VerdictAttributes]


@router.get(
    "/domain_events",
    summary="List what happened, with what each workflow made of it",
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_domain_events(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
) -> Collection[DomainEventAttributes]:
    found = await find(
        session,
        select(DomainEvent).where(*where),
        DomainEvent.id,
        page,
        wide=Wide([DomainEvent.data]),
    )
    data = await _resources(session, found.rows)
    return Collection(data=data, links=found.links, meta=found.meta)


@router.get(
    "/domain_events/{id}",
    summary="Show what happened, with what each workflow made of it",
    responses=errors(404, 422),
)
async def get_domain_event(session: SessionDep, id: UUID) -> Document[DomainEventAttributes]:
    row = await _get(session, id)
    return Document(data=(await _resources(session, [row]))[0])


@router.post(
    "/domain_events/{id}/redrive",
    summary="Have workflows look at an event again",
    description="One that is `dead`: each attempt to look at it failed. A workflow that ran for it "
    "does not run again.",
    dependencies=[needs(Scope.WRITE)],
    responses=errors(404, 409, 422),
)
async def redrive_domain_event(session: SessionDep, id: UUID) -> Document[DomainEventAttributes]:
    row = await _get(session, id, lock=True)
    if row.state != "dead":
        raise ConflictError(f"the event is {row.state}: only a dead one can be looked at again")
    row.state, row.attempt, row.finished_at = "queued", 0, None
    row.run_at = datetime.now(UTC)
    await notify(session, "domain_events")
    await session.refresh(row)
    return Document(data=(await _resources(session, [row]))[0])


async def _get(session: AsyncSession, event_id: UUID, *, lock: bool = False) -> DomainEvent:
    statement = select(DomainEvent).where(DomainEvent.id == event_id)
    row = await session.scalar(statement.with_for_update(of=DomainEvent) if lock else statement)
    if row is None:
        raise NotFoundError(
            f"there is no domain event {event_id}", noun="domain event", id_=event_id
        )
    return row


async def _runs(session: AsyncSession, rows: Sequence[DomainEvent]) -> dict[UUID, WorkflowRun]:
    ids = [UUID(each["run_id"]) for row in rows for each in verdicts(row) if each["matched"]]
    statement = select(WorkflowRun).where(WorkflowRun.id.in_(ids))
    return {run.id: run for run in await session.scalars(statement)}


async def _resources(
    session: AsyncSession, rows: Sequence[DomainEvent]
) -> list[Resource[DomainEventAttributes]]:
    runs, accounts = await _runs(session, rows), await account_names(session, rows)
    return [_resource(row, accounts, runs) for row in rows]


def _resource(
    row: DomainEvent, accounts: AccountNames, runs: Mapping[UUID, WorkflowRun]
) -> Resource[DomainEventAttributes]:
    attributes = DomainEventAttributes(
        type=row.type,
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        integration_id=None if row.integration_id == NO_INTEGRATION else row.integration_id,
        integration_name=accounts.get(row.integration_id),
        triggers=row.triggers,
        cause=_cause(row),
        data=row.data,
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        state=row.state,
        explanation=explanation_of(row),
        seen=(row.evaluations or {}).get("seen"),
        workflows=[_verdict(each, runs) for each in verdicts(row)],
    )
    return Resource(id=str(row.id), type="domain_events", attributes=attributes)


def _cause(row: DomainEvent) -> CauseAttributes:
    source: Literal["pagertree", "workflow", "person", "system"] = "system"
    if row.workflow_run_id is not None:
        source = "workflow"
    elif row.delivery_id is not None:
        source = "pagertree"
    elif row.requested_by is not None:
        source = "person"
    return CauseAttributes(
        source=source,
        delivery_id=row.delivery_id,
        workflow_run_id=row.workflow_run_id,
        requested_by=row.requested_by,
        depth=row.depth,
    )


def _verdict(verdict: Mapping[str, Any], runs: Mapping[UUID, WorkflowRun]) -> VerdictAttributes:
    run = runs.get(UUID(verdict["run_id"])) if verdict["matched"] else None
    return VerdictAttributes(
        workflow_id=UUID(verdict["workflow_id"]),
        workflow=verdict["workflow"],
        matched=verdict["matched"],
        reason=verdict.get("reason"),
        run_id=UUID(verdict["run_id"]) if verdict["matched"] else None,
        run_status=run and run.status,
        run_status_message=run and run.status_message,
    )


def explanation_of(row: DomainEvent) -> str:
    """Return what workflows made of an event, in words. Pure."""
    if missing := (row.evaluations or {}).get("seen", {}).get("missing"):
        return f"No workflow looked at it: {missing}."
    if row.state != "done":
        return _waiting(row)
    if not row.triggers:
        return "Workflows do not listen for events of this type."
    if row.evaluations is None:
        return f"No workflow listened for {' or '.join(row.triggers)} when it happened."
    listened = verdicts(row)
    matched = ", ".join(f"'{each['workflow']}'" for each in listened if each["matched"])
    many = f"{len(listened)} workflow{'s' * (len(listened) != 1)} listened"
    return f"{many}; matched: {matched or 'none'}."


def _waiting(row: DomainEvent) -> str:
    error = f": {row.last_error}" if row.last_error else ""
    if row.state == "dead":
        return f"No workflow could look at it{error}"
    return f"It waits for workflows to look at it{error}."
