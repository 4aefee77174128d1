"""What becomes of operations whose account is disabled, was removed, or has no key to call with.

Pure. A page that was not sent ends, visibly: nobody waits for a page that cannot go out. What may
have been sent, and whatever else is asked of an alert, waits until a disabled account is enabled.
"""

from dataclasses import replace
from typing import Final

from pagersync.database.queue import Outcome
from pagersync.paging.models import OperationKind, OperationState
from pagersync.paging.step import End, Work, unchanged
from pagersync.paging.store import Account

ACCOUNT_ENDED: Final = "the account "
"""Begins the reason of a page that was canceled because its account was disabled or removed."""

WAIT_S: Final = 10.0
"""How long an operation waits before it looks again whether its account can be called."""


def without_account(work: Work, account: Account) -> End:
    """Return the end of a turn at an operation whose account cannot be called."""
    name = f"{ACCOUNT_ENDED}{account.name!r}"
    if account.is_removed:
        return _after_removal(work, f"{name} was removed")
    if account.is_enabled:
        return _waits(work, f"{name} has no API key: enter one")
    if work.kind == OperationKind.CREATE_ALERT and not work.may_have_been_sent:
        return unchanged(work, Outcome(work.id, OperationState.CANCELED, f"{name} is disabled"))
    return _waits(work, f"{name} is disabled: this goes on when it is enabled")


def without_key(work: Work, detail: str) -> End:
    """Return the end of a turn at an operation whose account's API key cannot be decrypted."""
    return _waits(work, f"the API key cannot be decrypted: {detail}")


def _after_removal(work: Work, reason: str) -> End:
    if work.may_have_been_sent:
        reason = f"it may have been sent, and {reason}"
        end = unchanged(work, Outcome(work.id, OperationState.UNKNOWN, reason))
        return replace(end, is_unknown=True)
    if work.kind != OperationKind.CREATE_ALERT:  # people are told: an alert may be open there
        return End(Outcome(work.id, OperationState.FAILED, reason), is_final=True)
    return unchanged(work, Outcome(work.id, OperationState.CANCELED, reason))


def _waits(work: Work, reason: str) -> End:
    return unchanged(work, Outcome.snooze(work.id, delay_s=WAIT_S, reason=reason))
