"""An account that is disabled, enabled or removed, and everything that follows from it.

What follows is told, one sentence each: to the API's caller, and by the command line before it
asks whether to go on.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.caller import as_pagersync
from pagersync.integrations.default_account import lock_default, pick
from pagersync.integrations.models import Integration
from pagersync.integrations.service import (
    change_integration,
    get_integration,
    list_integrations,
    remove_integration,
)
from pagersync.paging.account_end import ACCOUNT_ENDED
from pagersync.paging.account_pages import cancel_waiting
from pagersync.paging.task_account import list_able
from pagersync.workflows.account_workflows import (
    alarm,
    list_naming,
    switch_off_workflows,
    switch_on_spare_defaults,
    switch_on_workflows,
)
from pagersync.workflows.models import Workflow


async def change_account(
    session: AsyncSession, integration_id: UUID, columns: Mapping[str, Any]
) -> list[str]:
    """Set columns of an account; return what follows, if that disables or enables it.

    Raises:
        NotFoundError: there is no such account.
        ConflictError: the new name is taken.
    """
    others = {name: value for name, value in columns.items() if name != "enabled"}
    if others:
        await change_integration(session, integration_id, **others)
    if "enabled" not in columns:
        return []
    act = enable_account if columns["enabled"] else disable_account
    return await act(session, integration_id)


async def disable_account(session: AsyncSession, integration_id: UUID) -> list[str]:
    """Disable an account; return what follows.

    Raises:
        NotFoundError: there is no such account.
    """
    account = await get_integration(session, integration_id, lock=True)
    if not account.enabled:
        return []
    await change_integration(session, integration_id, enabled=False)
    return await _end(session, account, f"{ACCOUNT_ENDED}{account.name!r} is disabled")


async def remove_account(session: AsyncSession, integration_id: UUID) -> list[str]:
    """Disconnect an account: its secrets and its API key are erased; return what follows.

    Raises:
        NotFoundError: there is no such account.
    """
    await lock_default(session)
    account = await get_integration(session, integration_id, lock=True)
    was_default = account.is_default
    await remove_integration(session, integration_id)
    notes = await _end(session, account, f"{ACCOUNT_ENDED}{account.name!r} was removed")
    left = await list_integrations(session)  # none, for a caller who was bound to this one
    default = next((one for one in left if one.is_default), None)
    if was_default and default is not None:
        notes.append(f"{default.name!r} is the default account now.")
    return notes


async def enable_account(session: AsyncSession, integration_id: UUID) -> list[str]:
    """Enable an account again, with the workflows that stopped with it; return what follows.

    Raises:
        NotFoundError: there is no such account.
    """
    account = await get_integration(session, integration_id, lock=True)
    if account.enabled:
        return []
    await change_integration(session, integration_id, enabled=True)
    with as_pagersync() as tells_all:
        own = await switch_on_workflows(session, account)
        spare = await switch_on_spare_defaults(session)
        notes = [_counted(own, "switched on again")] if own else []
        if not tells_all:
            return notes
        notes += [_counted(spare, "switched on")] if spare else []
        return [*notes, *await alarm(session)]


async def _end(session: AsyncSession, account: Integration, reason: str) -> list[str]:
    """Do what follows from the end of an account; return it, in sentences."""
    with as_pagersync() as tells_all:
        off = await switch_off_workflows(session, account, reason=reason)
        canceled = await cancel_waiting(session, account.id, reason=reason)
        spare = await switch_on_spare_defaults(session)
        notes = [_counted(off, "switched off")] if off else []
        if canceled:
            one = "1 page that waits to be sent is canceled."
            many = f"{len(canceled)} pages that wait to be sent are canceled."
            notes.append(one if len(canceled) == 1 else many)
        if not tells_all:
            return notes
        if canceled and (able := await list_able(session, account.id)):
            notes.append(f"The default targets of the account {able[0].name!r} are paged instead.")
        notes += [_counted(spare, "switched on instead")] if spare else []
        return [*notes, *await _replaced(session, account), *await alarm(session)]


async def _replaced(session: AsyncSession, account: Integration) -> list[str]:
    """Return which workflows go on although a task names the account, and whom they page."""
    naming = await list_naming(session, account)
    other = pick(await list_integrations(session))
    if not naming or other is None:
        return []
    whom = f" They page the default targets of {other.name!r} instead."
    return [_counted(naming, "left on although tasks name the account") + whom]


def _counted(workflows: Sequence[Workflow], what: str) -> str:
    """Return how many workflows something became of, and which."""
    names = ", ".join(repr(workflow.name) for workflow in workflows)
    subject = "1 workflow is" if len(workflows) == 1 else f"{len(workflows)} workflows are"
    return f"{subject} {what}: {names}."
