"""Why calls to an account's PagerTree wait, in words: since when, why, and what to do. Pure."""

from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import Protocol

from pagersync.integrations.gate import GateReason

ERROR_CHARACTERS_MAX = 300


class Limiter(Protocol):
    """How an account's rate limiter stands, however it was read."""

    @property
    def reason(self) -> str | None:
        """Why it is shut."""

    @property
    def failing_since(self) -> datetime | None:
        """When the first of the failures in a row ended."""

    @property
    def open_until(self) -> datetime | None:
        """Nothing is sent before."""

    @property
    def last_error(self) -> str | None:
        """How the last call failed."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account, as far as it can make calls wait."""

    name: str
    enabled: bool
    limiter: Limiter | None


def why_account_waits(account: AccountState, now: datetime) -> str | None:
    """Return why nothing is sent through an account at the moment, or None."""
    if not account.enabled:
        return (
            f"The account {account.name!r} is disabled, so nothing is sent through it. Enable it: "
            f"pagersync integrations enable {quote(account.name)}"
        )
    limiter = account.limiter
    if limiter is None or limiter.open_until is None:
        return None
    since = clock(limiter.failing_since or now, now)
    is_over = limiter.open_until <= now
    again = "It is being tried again now." if is_over else _again(limiter.open_until, now)
    match limiter.reason:
        case GateReason.CREDENTIALS_REFUSED:
            return (
                f"PagerTree refused the API key of the account {account.name!r} at {since}. "
                f"{again} Enter a new key: pagersync integrations set-api-key {quote(account.name)}"
            )
        case GateReason.RATE_LIMITED:
            return f"PagerTree limits the rate of calls of the account {account.name!r}. {again}"
        case _:
            error = (limiter.last_error or "no answer")[:ERROR_CHARACTERS_MAX].removesuffix(".")
            return (
                f"PagerTree fails for the account {account.name!r} since {since}: {error}. {again} "
                "Nothing is lost."
            )


def _again(moment: datetime, now: datetime) -> str:
    return f"It is tried again at {clock(moment, now)}."


def clock(moment: datetime, now: datetime) -> str:
    """Return a time for people: `03:12 UTC`, with its date if it is not today."""
    is_today = moment.date() == now.date()
    return f"{moment:%H:%M} UTC" if is_today else f"{moment:%Y-%m-%d %H:%M} UTC"
