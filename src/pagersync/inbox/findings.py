"""Webhooks of PagerTree's that became nothing, as findings: an alert may be missing here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.findings import Finding, Level
from pagersync.inbox.models import Delivery, DeliveryState
from pagersync.settings import Settings

MISSED: Final[Mapping[DeliveryState, tuple[Level, str, str]]] = MappingProxyType(
    {
        DeliveryState.DEAD: (Level.CRITICAL, "could not be applied", ""),
        DeliveryState.INVALID: (
            Level.WARNING,
            "cannot be read",
            "pagersync deliveries list --state invalid; after an upgrade that reads them: ",
        ),
        DeliveryState.LIMITED: (
            Level.CRITICAL,
            "made no alert: the account's alerts_per_day_max is reached",
            "raise alerts_per_day_max, then ",
        ),
    }
)
"""How bad each is, what happened, and what comes before the replay."""


async def find_delivery_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return how many webhooks became nothing, with the newest reason."""
    del settings
    statement = (
        select(Delivery.state, func.count())
        .where(Delivery.state.in_(MISSED))
        .group_by(Delivery.state)
        .order_by(Delivery.state)
    )
    found = []
    for name, count in (await session.execute(statement)).all():
        state = DeliveryState(name)
        own = select(Delivery.last_error).where(Delivery.state == state)
        error = await session.scalar(own.order_by(Delivery.id.desc()).limit(1))
        level, what, first = MISSED[state]
        why = f" The newest: {error.rstrip('.')}." if error else ""
        detail = f"Webhooks of PagerTree that {what}: {count}.{why}"
        remedy = f"{first}pagersync deliveries replay --state {state}"
        found.append(Finding(f"deliveries_{state}", level, detail, remedy))
    return found
