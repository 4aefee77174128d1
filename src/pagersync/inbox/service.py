"""Deliveries: found, shown, replayed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.notify import notify
from pagersync.errors import ConflictError, NotFoundError
from pagersync.inbox.models import Delivery, DeliveryState

REPLAY_ROWS_MAX: Final = 10_000

UNDERWAY: Final = (DeliveryState.QUEUED, DeliveryState.RUNNING)


@dataclass(frozen=True, slots=True)
class Replay:
    """What a bulk replay touches: `matched` deliveries, of which `replayed` were queued."""

    matched: int
    replayed: int


async def get_delivery(session: AsyncSession, delivery_id: UUID) -> Delivery:
    """Return one delivery.

    Raises:
        NotFoundError: there is none, or retention removed it.
    """
    delivery = await session.scalar(select(Delivery).where(Delivery.id == delivery_id))
    if delivery is None:
        raise NotFoundError(f"there is no delivery {delivery_id}", noun="delivery", id_=delivery_id)
    return delivery


async def replay_delivery(session: AsyncSession, delivery_id: UUID) -> Delivery:
    """Queue one finished delivery once more. What it says already counts only once.

    Raises:
        NotFoundError: there is no such delivery.
        ConflictError: it is on its way already.
    """
    delivery = await get_delivery(session, delivery_id)
    if not await _queue_again(session, [Delivery.id == delivery_id]):
        raise ConflictError(f"delivery {delivery_id} is {delivery.state} already")
    await session.refresh(delivery)
    return delivery


async def count_replay(session: AsyncSession, where: Sequence[ColumnElement[bool]]) -> Replay:
    """Say how many deliveries a bulk replay would touch; at most 10,000 are counted."""
    bounded = (
        select(Delivery.id)
        .where(Delivery.state.not_in(UNDERWAY), *where)
        .limit(REPLAY_ROWS_MAX)
        .subquery()
    )
    matched = await session.scalar(select(func.count()).select_from(bounded))
    return Replay(matched=matched or 0, replayed=0)


async def replay_deliveries(session: AsyncSession, where: Sequence[ColumnElement[bool]]) -> Replay:
    """Queue finished deliveries once more, oldest first, at most 10,000 of them."""
    oldest = (
        select(Delivery.id)
        .where(Delivery.state.not_in(UNDERWAY), *where)
        .order_by(Delivery.id)
        .limit(REPLAY_ROWS_MAX)
        .with_for_update(skip_locked=True)
    )
    replayed = await _queue_again(session, [Delivery.id.in_(oldest)])
    return Replay(matched=replayed, replayed=replayed)


async def _queue_again(session: AsyncSession, where: Sequence[ColumnElement[bool]]) -> int:
    statement = (
        update(Delivery)
        .where(Delivery.state.not_in(UNDERWAY), *where)
        .values(
            state=DeliveryState.QUEUED,
            attempt=0,
            run_at=func.now(),
            last_error=None,
            finished_at=None,
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    queued = (await session.scalars(statement)).all()
    await notify(session, "deliveries")
    return len(queued)
