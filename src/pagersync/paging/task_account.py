"""Through which account a workflow's task pages: the one that it asks for, or another that can.

An account that is gone, disabled, without an API key, or whose key PagerTree refuses never keeps a
workflow from paging: the default targets of another account are paged instead, with a note. What
comes over an account while its pages wait already is the business of `repeats.py`.
"""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import NotFoundError
from pagersync.integrations.default_account import pick
from pagersync.integrations.gate import GateReason, IntegrationGate
from pagersync.integrations.models import Integration
from pagersync.integrations.service import find_integration, list_integrations
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
    asked = await _asked(session, reference)
    problem = await why_cannot_page(session, asked, reference)
    if asked is not None and problem is None:
        return TaskAccount(asked)
    other = await _other(session, asked)
    if other is not None:
        note = f"{problem}: the default targets of the account {other.name!r} are paged instead"
        return TaskAccount(other, is_asked=False, notes=[note])
    if asked is not None and asked.enabled:
        return TaskAccount(asked)  # the page waits there, and says why
    return TaskAccount(await choose_integration(session, reference))


async def _asked(session: AsyncSession, reference: str | None) -> Integration | None:
    every = await list_integrations(session)
    if reference is None:
        return next((one for one in every if one.is_default), None) or pick(every)
    try:
        return await find_integration(session, reference)
    except NotFoundError:
        return None


async def why_cannot_page(
    session: AsyncSession, account: Integration | None, reference: str | None = None
) -> str | None:
    """Return why an account cannot page now; None if it can, as far as anybody knows."""
    if account is None:
        return f"there is no account {reference!r}" if reference else "no account is connected"
    if account.removed_at is not None:
        return f"the account {account.name!r} was removed"
    if not account.enabled:
        return f"the account {account.name!r} is disabled"
    if account.api_key_encrypted is None:
        return f"the account {account.name!r} has no API key"
    gate = await session.get(IntegrationGate, account.id)
    if gate is not None and gate.reason == GateReason.CREDENTIALS_REFUSED:
        return f"PagerTree refuses the API key of the account {account.name!r}"
    return None


async def list_able(session: AsyncSession, but: UUID | None) -> list[Integration]:
    """Return the accounts that can page now and have default targets, the default account first.

    Args:
        session: to look things up.
        but: an account that is left out.
    """
    able = [
        one
        for one in await list_integrations(session)
        if one.id != but
        and any(one.default_targets.values())
        and await why_cannot_page(session, one) is None
    ]
    return sorted(able, key=lambda one: not one.is_default)


async def _other(session: AsyncSession, asked: Integration | None) -> Integration | None:
    able = await list_able(session, asked.id if asked else None)
    return able[0] if able else None
