"""Pages of an account that wait to be sent, canceled when the account is disabled or removed."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import ConflictError
from pagersync.paging.models import Operation, OperationKind, OperationState
from pagersync.paging.service import cancel_operation


async def cancel_waiting(
    session: AsyncSession, integration_id: UUID, *, reason: str
) -> Sequence[UUID]:
    """Cancel the pages of an account of which nothing was sent; return their ids.

    Each shows the reason on itself, on the timeline of its incident and in its event. A page that
    is on its way at this moment goes out, or is canceled by the sender.
    """
    waiting = await session.execute(
        select(Operation.id, Operation.page_id)
        .where(
            Operation.integration_id == integration_id,
            Operation.kind == OperationKind.CREATE_ALERT,
            Operation.state == OperationState.QUEUED,
            ~Operation.may_have_been_sent,
        )
        .order_by(Operation.page_id)  # pages are locked in the order of their ids
    )
    canceled = []
    for operation_id, page_id in waiting.all():
        try:
            async with session.begin_nested():  # gives the lock of what is on its way back
                await cancel_operation(session, operation_id, reason=reason)
        except ConflictError:  # a sender has it by now
            continue
        if page_id is not None:
            canceled.append(page_id)
    return canceled
