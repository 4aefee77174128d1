"""Why a connection is refused or closed: the answer, the count, and a log line now and then."""

from collections import Counter
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import structlog

from pagersync.answer_headers import EVERYWHERE, NOTHING
from pagersync.errors import (
    BadRequestError,
    BusyError,
    HeadTooLargeError,
    PagersyncError,
    TooLargeError,
    TooSlowError,
    UrlTooLongError,
    out_of_memory,
)
from pagersync.jsonapi import MEDIA_TYPE, error_body, error_headers, to_error
from pagersync.metrics import CONNECTIONS_REFUSED

SAY_EVERY_S: Final = 60
RETRY_AFTER_S: Final = 2
SOURCES_COUNTED_MAX: Final = 1000

log = structlog.get_logger()


class Reason(StrEnum):
    """Why a connection was refused or closed by us; also a label of the metric."""

    ADDRESS_FULL = "too_many_from_address"
    FULL = "too_many_connections"
    EVICTED = "gave_way"
    SILENT = "said_nothing"
    HEAD_SLOW = "head_too_slow"
    HEAD_LARGE = "head_too_large"
    HEADERS_MANY = "too_many_headers"
    URL_LONG = "url_too_long"
    MALFORMED = "malformed"
    PIPELINE = "too_many_pipelined"
    BODY_SLOW = "body_too_slow"
    BODY_FRAMING = "body_framing_too_large"
    BODIES_FULL = "too_many_open_bodies"
    UNREAD = "answer_not_read"
    MEMORY = "out_of_memory"


ERRORS: Final[dict[Reason, PagersyncError]] = {
    Reason.ADDRESS_FULL: BusyError(
        "Too many connections from this address. Close some, then try again.",
        retry_after_s=RETRY_AFTER_S,
    ),
    Reason.FULL: BusyError("Too many connections. Try again later.", retry_after_s=RETRY_AFTER_S),
    Reason.BODIES_FULL: BusyError(
        "Too many request bodies are arriving at the same time. Send this request again.",
        retry_after_s=RETRY_AFTER_S,
    ),
    Reason.MEMORY: out_of_memory(),
    Reason.HEAD_SLOW: TooSlowError("The request line and headers did not arrive in time."),
    Reason.BODY_SLOW: TooSlowError("The request body did not arrive in time. Send it again."),
    Reason.HEAD_LARGE: HeadTooLargeError(
        "The request line and headers together are too long. Send fewer or shorter headers."
    ),
    Reason.HEADERS_MANY: HeadTooLargeError("The request has too many headers. Send fewer."),
    Reason.URL_LONG: UrlTooLongError("The URL of the request is too long. Shorten its query."),
    Reason.MALFORMED: BadRequestError("The request is not valid HTTP/1.1."),
    Reason.BODY_FRAMING: TooLargeError(
        "The chunk sizes, chunk extensions and trailers of the body are too long. Send larger "
        "chunks, without extensions."
    ),
}
"""What is answered. Other reasons are answered with nothing: the connection is closed."""


def _answer(error: PagersyncError) -> bytes:
    body = error_body(to_error(error))
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "connection": "close",
        **{name.decode(): value.decode() for name, value in (*EVERYWHERE, NOTHING)},
        **error_headers(error),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {error.status} {error.title}\r\n{lines}\r\n".encode() + body


ANSWERS: Final = MappingProxyType({reason: _answer(error) for reason, error in ERRORS.items()})


class Refusals:
    """Counts refusals, and logs them once a minute in one line."""

    def __init__(self) -> None:
        self._reasons: Counter[Reason] = Counter()
        self._sources: Counter[str] = Counter()
        self._said_at = float("-inf")

    def count(self, reason: Reason, source: str) -> None:
        """Note one refusal."""
        CONNECTIONS_REFUSED.labels(reason.value).inc()
        self._reasons[reason] += 1
        if source in self._sources or len(self._sources) < SOURCES_COUNTED_MAX:
            self._sources[source] += 1

    def say(self, now: float) -> None:
        """Log what was refused since the last line, if there is anything and it is time."""
        if not self._reasons or now - self._said_at < SAY_EVERY_S:
            return
        (source, times), *_ = self._sources.most_common(1) or [("unknown", 0)]
        is_harmless = set(self._reasons) == {Reason.SILENT}
        (log.info if is_harmless else log.warning)(
            "connections were refused or closed",
            **{reason.value: count for reason, count in self._reasons.items()},
            worst_address=source,
            worst_address_times=times,
        )
        self._said_at = now
        self._reasons.clear()
        self._sources.clear()
