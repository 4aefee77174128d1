"""What follows an attempt: the next one, or the end. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from pagersync.webhooks.models import WebhookState

PAUSES_S: Final[Sequence[int]] = (
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
)
"""Pauses after failures, as Standard Webhooks recommends them: ten attempts in some three days."""

ATTEMPTS_MAX: Final = len(PAUSES_S) + 1
JITTER_MAX: Final = 0.2
"""A pause is up to a fifth longer, so that what failed together is not tried together."""

RETRY_AFTER_S_MAX: Final = 24 * 3600
FAILING_MAX: Final = timedelta(days=3)
"""An endpoint that has failed for so long, with no success in between, is disabled."""

GONE: Final = 410
OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to.

    Attributes:
        status: what was answered; None when no answer came.
        error: what went wrong then.
    """

    started_at: datetime
    duration_ms: int
    status: int | None
    error: str | None = None
    retry_after: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the endpoint has the event."""
        return self.status in OK

    @property
    def problem(self) -> str | None:
        """What to say about it, for people; None for a success."""
        if self.is_success:
            return None
        return self.error or f"the endpoint answered {self.status}"


@dataclass(frozen=True, slots=True)
class Next:
    """What happens with the delivery."""

    state: WebhookState
    delay_s: float = 0


def after(answer: Answer, *, attempt: int, jitter: float) -> Next:
    """Return what follows the `attempt`-th attempt.

    Args:
        answer: what it came to.
        attempt: 1 for the first.
        jitter: 0 to 1, drawn by the caller.
    """
    if answer.is_success:
        return Next(WebhookState.DONE)
    if answer.status == GONE or attempt >= ATTEMPTS_MAX:
        return Next(WebhookState.DEAD)
    pause_s = PAUSES_S[attempt - 1] * (1 + JITTER_MAX * jitter)
    return Next(WebhookState.QUEUED, max(pause_s, asked_s(answer.retry_after, answer.started_at)))


def asked_s(retry_after: str | None, now: datetime) -> float:
    """Return how long a `Retry-After` asks to wait, in seconds, up to a day; 0 if it says nothing.

    It is a number of seconds or a date (RFC 9110, 10.2.3).
    """
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:10]), RETRY_AFTER_S_MAX)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), RETRY_AFTER_S_MAX)


def why_disable(answer: Answer, failing_since: datetime) -> str | None:
    """Return why an endpoint that failed is to be disabled now, or None."""
    if answer.is_success:
        return None
    if answer.status == GONE:
        return "it answered 410: it wants no more webhooks"
    if answer.started_at - failing_since >= FAILING_MAX:
        return (
            f"every call has failed for {FAILING_MAX.days} days, since "
            f"{failing_since:%Y-%m-%d %H:%M} UTC: {answer.problem}"
        )
    return None
