"""`pagersync integrations disable`, `enable` and `remove`: an account, and what follows.

Before anything is changed, what would follow is shown: it is done in a transaction that is rolled
back.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.command import Context, run
from pagersync.integrations.cli import Reference
from pagersync.integrations.service import find_integration
from pagersync.said import say

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Act: TypeAlias = Callable[[AsyncSession, UUID], Awaitable[list[str]]]


def disable(reference: Reference, *, yes: Yes = False) -> None:
    """Refuse an account's webhooks, switch off its workflows, cancel its pages that wait."""
    from pagersync.workflows.accounts import disable_account

    _do(reference, disable_account, question=None if yes else f"Disable {reference!r}?")
    say(f"{reference} is disabled: its webhooks are answered 403.")


def enable(reference: Reference) -> None:
    """Let an account's webhooks in again, and switch on the workflows that stopped with it."""
    from pagersync.workflows.accounts import enable_account

    _do(reference, enable_account, question=None)
    say(f"{reference} is enabled.")


def remove(reference: Reference, *, yes: Yes = False) -> None:
    """Disconnect an account. Its API key and secrets are erased; its alerts stay."""
    from pagersync.workflows.accounts import remove_account

    _do(reference, remove_account, question=None if yes else f"Disconnect {reference!r}?")
    say(f"{reference} is removed.")


def _do(reference: str, act: Act, *, question: str | None) -> None:
    """Do something to an account and tell what follows; with a question, tell and ask before.

    Raises:
        NotFoundError: there is no such account.
    """
    if question is not None:
        _tell(run(lambda context: _act(context, reference, act, keeps=False)))
        typer.confirm(question, abort=True)
    notes = run(lambda context: _act(context, reference, act, keeps=True))
    if question is None:
        _tell(notes)


async def _act(context: Context, reference: str, act: Act, *, keeps: bool) -> list[str]:
    async with context.sessions() as session:
        integration = await find_integration(session, reference)
        notes = await act(session, integration.id)
        await (session.commit() if keeps else session.rollback())
    return notes


def _tell(notes: list[str]) -> None:
    for note in notes:
        say(note)
