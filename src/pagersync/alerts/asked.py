"""What is asked of alerts in PagerTree, and is not done yet."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert
from pagersync.paging.models import Operation, OperationKind, OperationState, Page


async def is_asked(
    session: AsyncSession, alert: Alert, kind: OperationKind, page: Page | None
) -> bool:
    """Tell whether the same is asked of an alert already, and is not done yet."""
    about = Operation.page_id.is_(None) & (Operation.alert_id == alert.id)
    own = Operation.page_id == page.id if page else about
    waits = Operation.state.in_((OperationState.QUEUED, OperationState.RUNNING))
    asked = select(Operation.id).where(own, waits, Operation.kind == kind)
    return await session.scalar(asked.limit(1)) is not None
