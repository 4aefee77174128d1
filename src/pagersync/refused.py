"""Callers that were refused for who they are: each is counted, and one a minute is logged.

The reasons are few and the keys are the operator's, so what is remembered of them stays small,
whatever strangers send.
"""

from typing import Final

from pagersync.log import warn_rarely
from pagersync.metrics import REQUESTS_REFUSED

FORBIDDEN: Final = "forbidden"


def note_refused(reason: str, *, address: str | None) -> None:
    """Note a request without valid credentials, or beyond what its caller may ask for."""
    REQUESTS_REFUSED.labels(reason).inc()
    warn_rarely(
        "a caller was refused", reason=reason, level="warning", address=address or "unknown"
    )


def note_forbidden(key: str, *, operation: str, address: str | None) -> None:
    """Note that a key asked for what it may not do."""
    REQUESTS_REFUSED.labels(FORBIDDEN).inc()
    warn_rarely(
        "an API key asked for what it may not do",
        reason=key,
        level="warning",
        operation=operation,
        address=address or "unknown",
    )
