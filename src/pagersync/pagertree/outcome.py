"""What became of a call to PagerTree, from what was seen of it. Pure.

The question behind the table is whether a call that changes something may be sent again. It may
when nothing was sent, or when PagerTree asked to come back later; it may not be when nobody knows.
PagerTree documents 429 with "exponential backoff", errors as `{"errors": [{"message"}], "code"}`,
which only most failures have, and no `Retry-After`, which is honoured where it comes.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any, Final

from pagersync.errors import (
    Ambiguous,
    Contract,
    CredentialsRefused,
    PagerTreeError,
    Rejected,
    Unavailable,
)
from pagersync.pagertree.payloads import storable

MESSAGE_CHARACTERS_MAX: Final = 500
RETRY_AFTER_S_MAX: Final = 3600.0
_SECONDS: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)


class Failure(Enum):
    """Why an exchange did not end in a whole answer."""

    NOT_CALLABLE = auto()
    KEY_NOT_SENDABLE = auto()
    NOT_SENT = auto()
    LOST = auto()
    TOO_LARGE = auto()


@dataclass(slots=True)
class Answer:
    """What was seen of one exchange, as far as it came.

    Attributes:
        status: None until a status line came.
        retry_after: the header as it came.
        failure: None when the answer came to its end.
        reason: the failure in words. It may quote anything; `error_of` takes the key out.
    """

    status: int | None = None
    retry_after: str | None = None
    body: bytearray = field(default_factory=bytearray)
    failure: Failure | None = None
    reason: str = ""


def kind_of(
    status: int | None, failure: Failure | None, *, changes: bool
) -> type[PagerTreeError] | None:
    """Return which error an exchange ended in; None: it ended in a value.

    Args:
        status: what PagerTree answered; None when nothing came.
        failure: why the answer is not whole; None when it is.
        changes: whether the call changes something, so that it must not be made twice.
    """
    if status is None:
        return _kind_without_status(failure, changes=changes)
    if 200 <= status < 300:  # noqa: PLR2004 - every success
        return _kind_of_success(failure, changes=changes)
    if status == 401:  # noqa: PLR2004 - no valid API key
        return CredentialsRefused
    if status in (425, 429):
        return Unavailable
    if status in (408, 409) or 500 <= status < 600:  # noqa: PLR2004 - the server's errors
        return _unsure(changes=changes)
    return Rejected if 400 <= status < 500 else Contract  # noqa: PLR2004 - the caller's errors


def _unsure(*, changes: bool) -> type[PagerTreeError]:
    return Ambiguous if changes else Unavailable


def _kind_without_status(failure: Failure | None, *, changes: bool) -> type[PagerTreeError]:
    match failure:
        case Failure.NOT_CALLABLE:
            return Rejected
        case Failure.KEY_NOT_SENDABLE:
            return CredentialsRefused
        case Failure.NOT_SENT:
            return Unavailable
        case _:
            return _unsure(changes=changes)


def _kind_of_success(failure: Failure | None, *, changes: bool) -> type[PagerTreeError] | None:
    if failure is None:
        return None
    return Unavailable if failure is Failure.LOST and not changes else Contract


def error_of(answer: Answer, *, changes: bool, secret: str, now: datetime) -> PagerTreeError | None:
    """Return the error that an exchange ended in, without the secret; None for a value."""
    kind = kind_of(answer.status, answer.failure, changes=changes)
    if kind is None:
        return None
    said = answer.reason or messages_of(bytes(answer.body))
    retry_after_s = retry_after_of(answer.retry_after, now=now)
    error = kind(
        _detail(kind, answer, said.replace(secret, "***") if secret else said),
        http_status=answer.status,
        retry_after_s=retry_after_s if issubclass(kind, Unavailable | Ambiguous) else None,
    )
    error.is_cut = answer.status is not None and answer.failure is Failure.LOST
    return error


def _detail(kind: type[PagerTreeError], answer: Answer, said: str) -> str:
    said = storable(said)[:MESSAGE_CHARACTERS_MAX]
    if answer.failure in (Failure.NOT_CALLABLE, Failure.KEY_NOT_SENDABLE):
        return said  # PagerTree was not asked
    what = kind.title if answer.status is None else f"{kind.title} (HTTP {answer.status})"
    return f"{what}: {said}" if said else what


def messages_of(body: bytes) -> str:
    """Return what PagerTree says in `errors`, or a plain text as it is, or nothing."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return _plain(body)
    errors = answer.get("errors") if isinstance(answer, dict) else None
    entries = errors if isinstance(errors, list) else []
    return "; ".join(message for entry in entries if (message := _message(entry)))


def _plain(body: bytes) -> str:
    text = " ".join(body.decode(errors="replace").split())
    return "" if text.startswith(("<", "{", "[")) else text


def _message(entry: Any) -> str:
    message = entry.get("message") if isinstance(entry, dict) else entry
    return message.strip() if isinstance(message, str) else ""


def retry_after_of(header: str | None, *, now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for, at most an hour; None when it is nonsense."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_S_MAX)
    try:
        moment = parsedate_to_datetime(text)
        wait_s = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait_s, 0.0), RETRY_AFTER_S_MAX)


def is_urgency_demanded(error: Rejected) -> bool:
    """Return whether PagerTree refused a call because it wants an urgency to be named.

    Its words are not documented, so any 422 that speaks of urgency counts.
    """
    return error.http_status == 422 and "urgency" in error.detail.casefold()  # noqa: PLR2004
