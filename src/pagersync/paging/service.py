"""Asking for pages and operations: the intent, committed before anything is sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.base import new_id
from pagersync.database.caller import check_own, is_bound
from pagersync.database.notify import notify
from pagersync.database.session import driver_connection
from pagersync.errors import ConflictError, InvalidError, NotFoundError
from pagersync.events.publish import happened, publish
from pagersync.fitting import sentence_of, with_notes
from pagersync.incidents.activity import add_activity
from pagersync.incidents.lifecycle import is_over
from pagersync.incidents.models import Incident
from pagersync.paging.activity import page_activity
from pagersync.paging.models import (
    ENDED,
    Attempt,
    Operation,
    OperationKind,
    OperationState,
    Page,
    PageStatus,
)
from pagersync.paging.new_pages import insert_page
from pagersync.paging.page_targets import names_of

NOTHING_OPEN: Final = (
    PageStatus.RESOLVED,
    PageStatus.FAILED,
    PageStatus.CANCELED,
    PageStatus.EXPIRED,
)
"""Statuses of pages that leave nothing open in PagerTree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPage:
    """A page as it is asked for, its targets resolved.

    Attributes:
        targets: as `page_targets.py` has them, at least one that is not skipped.
        urgency: one of PagerTree's, or `auto`.
        requested_by: who asks, for people: `the API key 'ci'`, `the command line`.
        is_incident: whether it is an incident in PagerTree even without a severity.
        fallback_targets: whom to page when this page is dropped; None for nobody.
        workflow_run_id: the run that asks, if one does.
        depth: how many runs lie between it and what a person or PagerTree did.
        send_at: not before then, and only if its alert is not resolved by then.
        standby_for: the alert that pages the same people already; then `send_at` is when it is sent
            if nobody acknowledged that, and the last note says so.
        notes: what was cut, dropped or replaced so that the page can go out, one sentence each.
    """

    integration_id: UUID
    title: str
    targets: list[dict[str, Any]]
    requested_by: str
    description: str | None = None
    urgency: str = "auto"
    severity: str | None = None
    tags: list[str] = field(default_factory=list)
    alert_id: UUID | None = None
    incident_id: UUID | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    is_incident: bool = False
    fallback_targets: list[dict[str, Any]] | None = None
    standby_for: UUID | None = None
    workflow_run_id: UUID | None = None
    depth: int = 0
    notes: list[str] = field(default_factory=list)


async def create_page(session: AsyncSession, new: NewPage) -> Page:
    """Ask for a page: it, and the operation that sends it, exist when the transaction commits.

    Raises:
        InvalidError: its incident does not exist.
        ConflictError: its incident is over.
    """
    check_own(new.integration_id)
    if is_bound():
        await keep_incident(session, new.incident_id)  # as far as such a caller sees incidents
    page = {name: getattr(new, name) for name in NewPage.__dataclass_fields__} | {"id": new_id()}
    connection, said = await driver_connection(session), _paged(new) if new.incident_id else None
    created = await insert_page(connection, page, said)
    if created is None:
        await keep_incident(session, new.incident_id)  # says why, unless it was restarted just now
        created = await insert_page(connection, page, said)
    assert created is not None  # noqa: S101 - the incident stays as it is
    return Page(**created)


async def keep_incident(session: AsyncSession, incident_id: UUID | None) -> None:
    """Keep the status of a page's incident until the transaction ends, if people are paged for it.

    Raises:
        InvalidError: there is no such incident.
        ConflictError: it is over.
    """
    if incident_id is None:
        return
    is_there = (Incident.id == incident_id) & Incident.removed_at.is_(None)
    statement = select(Incident.number, Incident.status).where(is_there)
    incident = (await session.execute(statement.with_for_update(read=True))).one_or_none()
    if incident is None:
        raise InvalidError(
            f"incident_id: there is no incident {incident_id}",
            pointer="/data/attributes/incident_id",
        )
    if is_over(incident.status):
        raise ConflictError(
            f"incident {incident.number} is {incident.status}: nobody is paged for it any more; "
            "restart it first"
        )


def _paged(new: NewPage) -> str:
    """Return that somebody asked for a page, for the timeline of its incident."""
    names = names_of(new.targets)
    event = with_notes(f"Paged {names} by {new.requested_by}: {new.title}", new.notes)
    return event if new.standby_for is None else sentence_of(new.notes[-1])


async def request_operation(  # noqa: PLR0913 - all but the first two are named
    session: AsyncSession,
    kind: OperationKind,
    *,
    integration_id: UUID,
    requested_by: str,
    page: Page | None = None,
    alert_id: UUID | None = None,
    pagertree_alert_id: str | None = None,
    params: dict[str, Any] | None = None,
    workflow_run_id: UUID | None = None,
) -> Operation:
    """Ask for one more call to PagerTree, about a page's alert or about one of PagerTree's own.

    Operations about one alert are worked one at a time, in the order in which they were asked for:
    in that of their ids, which another machine's clock must not turn around.
    """
    if kind in (OperationKind.RESOLVE_ALERT, OperationKind.ACKNOWLEDGE_ALERT):
        await _take_over_retries(session, kind, page, alert_id)
    operation = Operation(
        id=await _next_id(session, page),
        integration_id=integration_id,
        page_id=page.id if page else None,
        alert_id=page.alert_id if page else alert_id,
        pagertree_alert_id=pagertree_alert_id,
        kind=kind.value,
        params=params or {},
        requested_by=requested_by,
        workflow_run_id=workflow_run_id,
        lock_key=f"page {page.id}" if page else f"{integration_id} {pagertree_alert_id}",
    )
    session.add(operation)
    await session.flush()
    return operation


async def _take_over_retries(
    session: AsyncSession, kind: OperationKind, page: Page | None, alert_id: UUID | None
) -> None:
    """Keep failed calls of a kind from being made again: a new one takes their place."""
    about = Operation.page_id.is_(None) & (Operation.alert_id == alert_id)
    own = Operation.page_id == page.id if page else about
    await session.execute(
        update(Operation)
        .where(own, Operation.kind == kind, Operation.retry_at.is_not(None))
        .values(retry_at=None)
    )


async def _next_id(session: AsyncSession, page: Page | None) -> UUID:
    """Return an id behind those of a page's operations."""
    fresh = new_id()
    if page is None:
        return fresh
    own = select(Operation.id).where(Operation.page_id == page.id)
    newest = await session.scalar(own.order_by(Operation.id.desc()).limit(1))
    return fresh if newest is None or fresh > newest else UUID(int=newest.int + 1)


async def get_page(session: AsyncSession, page_id: UUID) -> Page:
    """Return one page.

    Raises:
        NotFoundError: there is none.
    """
    page = await session.scalar(select(Page).where(Page.id == page_id))
    if page is None:
        raise NotFoundError(f"there is no page {page_id}", noun="page", id_=page_id)
    return page


async def get_operation(
    session: AsyncSession, operation_id: UUID, *, lock: bool = False
) -> Operation:
    """Return one operation; with `lock`, its page and it stay as they are, whoever works them.

    Raises:
        NotFoundError: there is none.
    """
    statement = select(Operation).where(Operation.id == operation_id)
    operation = await session.scalar(statement)
    if operation is None:
        raise NotFoundError(
            f"there is no operation {operation_id}", noun="operation", id_=operation_id
        )
    if lock:
        if operation.page_id is not None:
            await session.execute(
                select(Page.id).where(Page.id == operation.page_id).with_for_update()
            )
        await session.refresh(operation, with_for_update=True)
    return operation


async def list_operations_of(session: AsyncSession, page_ids: Sequence[UUID]) -> list[Operation]:
    """Return the operations of pages, oldest first."""
    statement = select(Operation).where(Operation.page_id.in_(page_ids)).order_by(Operation.id)
    return list((await session.scalars(statement)).all())


async def list_attempts_of(session: AsyncSession, operation_ids: Sequence[UUID]) -> list[Attempt]:
    """Return what was exchanged with PagerTree for operations, oldest first."""
    statement = select(Attempt).where(Attempt.operation_id.in_(operation_ids)).order_by(Attempt.id)
    return list((await session.scalars(statement)).all())


async def resolve_page(
    session: AsyncSession, page: Page, *, requested_by: str, workflow_run_id: UUID | None = None
) -> Operation | None:
    """Ask for the end of a page: its alert is resolved, or not sent at all if it was not yet.

    Should PagerTree turn out to have an alert that seemed not to be there, it is resolved then.

    Returns the operation that resolves it; None when there is nothing to resolve, or when it is
    asked for already.
    """
    await session.refresh(page, with_for_update=True)
    page.resolve_wanted_by = requested_by
    await session.flush()
    operations = await list_operations_of(session, [page.id])
    create = next(each for each in operations if each.kind == OperationKind.CREATE_ALERT)
    await session.refresh(create, with_for_update=True)  # a sender may be claiming it right now
    if page.status in NOTHING_OPEN:
        return None
    if create.state == OperationState.QUEUED and not create.may_have_been_sent:
        await cancel_operation(session, create.id, reason=f"not needed: resolved by {requested_by}")
        return None
    if any(
        each.kind == OperationKind.RESOLVE_ALERT
        and each.state in (OperationState.QUEUED, OperationState.RUNNING)
        for each in operations
    ):
        return None
    return await request_operation(
        session,
        OperationKind.RESOLVE_ALERT,
        integration_id=page.integration_id,
        page=page,
        requested_by=requested_by,
        workflow_run_id=workflow_run_id,
    )


async def cancel_operation(
    session: AsyncSession, operation_id: UUID, *, reason: str = "canceled by a person"
) -> Operation:
    """Cancel an operation of which nothing can have been sent; end the retries of a failed one.

    Raises:
        NotFoundError: there is no such operation.
        ConflictError: it may have been sent, or it has ended.
    """
    operation = await get_operation(session, operation_id, lock=True)
    if operation.retry_at is not None:
        operation.retry_at = None
        operation.last_error = f"{operation.last_error} (not tried again: {reason})"
        await session.flush()
        return operation
    if operation.state == OperationState.RUNNING or operation.may_have_been_sent:
        raise ConflictError(
            f"operation {operation_id} may have been sent already: it cannot be taken back"
        )
    if operation.state != OperationState.QUEUED:
        raise ConflictError(f"operation {operation_id} is {operation.state} already")
    operation.state = OperationState.CANCELED
    operation.finished_at = datetime.now(UTC)
    operation.last_error = reason
    await _follow(session, operation, PageStatus.CANCELED)
    return operation


async def redrive_operation(
    session: AsyncSession, operation_id: UUID, *, is_absent: bool = False
) -> Operation:
    """Queue an operation once more that failed, died, was canceled, expired, or is unknown.

    One that may have been sent is searched for first, however often it is redriven.

    Args:
        session: inside a transaction.
        operation_id: the operation.
        is_absent: a person has looked in PagerTree and vouches that its alert is not there.

    Raises:
        NotFoundError: there is no such operation.
        ConflictError: it is on its way, or done.
    """
    operation = await get_operation(session, operation_id, lock=True)
    waits_unknown = operation.state == OperationState.QUEUED and operation.may_have_been_sent
    if operation.state not in ENDED and not (waits_unknown and is_absent):
        raise ConflictError(f"operation {operation_id} is {operation.state} already")
    if operation.state == OperationState.EXPIRED:
        await session.execute(
            update(Page).where(Page.id == operation.page_id).values(expires_at=None)
        )
    operation.state = OperationState.QUEUED
    operation.attempt = 0
    operation.failures = 0
    operation.retry_at = None
    operation.run_at = datetime.now(UTC)
    operation.finished_at = None
    operation.may_have_been_sent = operation.may_have_been_sent and not is_absent
    await _follow(
        session,
        operation,
        PageStatus.UNKNOWN if operation.may_have_been_sent else PageStatus.QUEUED,
    )
    await notify(session, "operations")
    return operation


async def _follow(session: AsyncSession, operation: Operation, status: PageStatus) -> None:
    """Let a page follow the operation that creates its alert, and publish how it ended."""
    await session.flush()
    if operation.kind != OperationKind.CREATE_ALERT:
        return
    page = await session.scalar(select(Page).where(Page.id == operation.page_id))
    assert page is not None  # noqa: S101 - a create always has one
    if page.status == status:
        return
    if status != PageStatus.CANCELED:
        page.resolve_wanted_by = None  # somebody wants it sent after all
    if status == PageStatus.CANCELED:
        fact = happened(
            "page.canceled",
            page.id,
            {"from": page.status, "to": status.value, "operation_id": str(operation.id)},
            integration_id=page.integration_id,
            depth=page.depth,
        )
        connection = await driver_connection(session)
        await publish(connection, [fact])
        activity = page_activity(fact, page, reason=operation.last_error)
        await add_activity(connection, [activity] if activity else [])
    page.status = status.value
    page.updated_at = func.now()
    await session.flush()
    await session.refresh(page)
