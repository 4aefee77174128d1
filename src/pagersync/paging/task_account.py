"""Through which account a workflow's task pages: the one that it asks for, or another that can.

An account that is gone, disabled, without an API key, or whose key PagerTree refuses never keeps a
workflow from paging: the default targets of another account are paged instead, with a note. What
comes over an account while its pages wait already is the business of `repeats.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations.default_account import pick
from pagersync.integrations.gate import GateReason, IntegrationGate
from pagersync.integrations.models import Integration
from pagersync.integrations.values import to_uuid
from pagersync.paging.requests import choose_integration


@dataclass(frozen=True, slots=True)
class TaskAccount:
    """An account to page through.

    Attributes:
        is_asked: whether it is the one that was asked for; else only its default targets count.
        notes: why it is another one.
    """

    integration: Integration
    is_asked: bool = True
    notes: list[str] = field(default_factory=list)


async def account_for_task(session: AsyncSession, reference: str | None) -> TaskAccount:
    """Return the account that a task pages through.

    Args:
        session: to look things up.
        reference: the account that the task, its workflow or its event names; None for none.

    Raises:
        InvalidError: neither it nor another account can page.
    """
    every = await _list_with_gates(session)
    asked = _asked([one for one, _ in every], reference)
    problem = why_not(asked, dict(every).get(asked) if asked else None, reference)
    if asked is not None and problem is None:
        return TaskAccount(asked)
    other = next(iter(_able(every, asked.id if asked else None)), None)
    if other is not None:
        note = f"{problem}: the default targets of the account {other.name!r} are paged instead"
        return TaskAccount(other, is_asked=False, notes=[note])
    if asked is not None and asked.enabled:
        return TaskAccount(asked)  # the page waits there, and says why
    return TaskAccount(await choose_integration(session, reference))


def _asked(every: Sequence[Integration], reference: str | None) -> Integration | None:
    if reference is None:
        return next((one for one in every if one.is_default), None) or pick(every)
    id_ = to_uuid(reference)
    named = (one for one in every if (one.name == reference if id_ is None else one.id == id_))
    return next(named, None)


async def _list_with_gates(
    session: AsyncSession,
) -> list[tuple[Integration, IntegrationGate | None]]:
    """Return every connected account with its rate limiter, oldest first, in one statement."""
    own = IntegrationGate.integration_id == Integration.id
    every = select(Integration, IntegrationGate).outerjoin(IntegrationGate, own)
    connected = every.where(Integration.removed_at.is_(None)).order_by(Integration.id)
    return [(one, gate) for one, gate in await session.execute(connected)]


async def why_cannot_page(session: AsyncSession, account: Integration) -> str | None:
    """Return why an account cannot page now; None if it can, as far as anybody knows."""
    return why_not(account, await session.get(IntegrationGate, account.id))


def why_not(
    account: Integration | None, gate: IntegrationGate | None, reference: str | None = None
) -> str | None:
    """Return why an account with this rate limiter cannot page now; None if it can. Pure."""
    if account is None:
        return f"there is no account {reference!r}" if reference else "no account is connected"
    if account.removed_at is not None:
        return f"the account {account.name!r} was removed"
    if not account.enabled:
        return f"the account {account.name!r} is disabled"
    if account.api_key_encrypted is None:
        return f"the account {account.name!r} has no API key"
    if gate is not None and gate.reason == GateReason.CREDENTIALS_REFUSED:
        return f"PagerTree refuses the API key of the account {account.name!r}"
    return None


async def list_able(session: AsyncSession, but: UUID | None) -> list[Integration]:
    """Return the accounts that can page now and have default targets, the default account first.

    Args:
        session: to look things up.
        but: an account that is left out.
    """
    return _able(await _list_with_gates(session), but)


def _able(
    every: Sequence[tuple[Integration, IntegrationGate | None]], but: UUID | None
) -> list[Integration]:
    able = [
        one
        for one, gate in every
        if one.id != but and any(one.default_targets.values()) and why_not(one, gate) is None
    ]
    return sorted(able, key=lambda one: not one.is_default)
