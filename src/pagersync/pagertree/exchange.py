"""One HTTP exchange with PagerTree, seen to its end whatever happens.

An answer is read as it comes and never beyond a limit, and never decompressed: it is asked for
uncompressed, and one that is compressed all the same cannot be read.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

from pagersync.http import (
    URL,
    USER_AGENT,
    AsyncClient,
    BoundedTransport,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    InvalidURL,
    PoolTimeout,
    Request,
    Timeout,
    UnsupportedProtocol,
    send_plainly,
)
from pagersync.pagertree.outcome import Answer, Failure

ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
PORT_MAX: Final = 65_535
ADDRESSES_MAX: Final = 256
"""So many addresses are kept as they were read: pages of an account all go to one."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP exchange, for the record.

    Attributes:
        path: below the API's address, with its query: `/alerts?limit=100`.
        status: what PagerTree answered; None when nothing came.
        error: what it ended in, in a few words and without secrets; None for a value.
    """

    method: str
    path: str
    status: int | None
    started_at: datetime
    duration_ms: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call to make: a path that is quoted already, and a JSON body, as text, where it has one."""

    method: str
    path: str
    content: str | None = None

    @property
    def changes(self) -> bool:
        """Whether the call changes something, so that it must not be made twice."""
        return self.method != "GET"


def create_http_client(*, timeout_s: float) -> AsyncClient:
    """Return the one HTTP client of a process.

    It follows no redirect, reads no environment and keeps no cookie: it serves many accounts.
    """
    return AsyncClient(
        transport=BoundedTransport(),
        timeout=Timeout(timeout_s),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
    )


async def exchange(
    http: AsyncClient,
    call: Call,
    answer: Answer,
    *,
    pagertree_url: str,
    api_key: str,
    timeout_s: float,
) -> None:
    """Make the call once and fill in what is seen of the answer. Cancellation is passed on."""
    if not _is_sendable(api_key):
        _fail(answer, Failure.KEY_NOT_SENDABLE, "the API key must be printable ASCII characters")
        return
    try:
        request = _request(call, pagertree_url, api_key, timeout_s)
    except (InvalidURL, ValueError) as error:
        _fail(answer, Failure.NOT_CALLABLE, f"{pagertree_url} is no usable address: {error}")
        return
    try:
        async with asyncio.timeout(timeout_s):
            await _fill(answer, http, request)
    except UnsupportedProtocol as error:
        _fail(answer, Failure.NOT_CALLABLE, f"{pagertree_url} is no usable address: {error}")
    except (ConnectError, ConnectTimeout, PoolTimeout) as error:
        _fail(answer, Failure.NOT_SENT, f"could not connect to {pagertree_url}: {_words(error)}")
    except TimeoutError:
        _fail(answer, Failure.LOST, f"no whole answer within {timeout_s:g} s")
    except (HTTPError, OSError) as error:
        _fail(answer, Failure.LOST, _words(error))


def _is_sendable(api_key: str) -> bool:
    return api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key != ""


def _request(call: Call, pagertree_url: str, api_key: str, timeout_s: float) -> Request:
    """Return a request, made once and sent as it is: a client would copy all of it first."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "keep-alive",
        "User-Agent": USER_AGENT,
        "Authorization": f"Bearer {api_key}",
    }
    if call.content is not None:
        headers["Content-Type"] = "application/json"
    url = _url(f"{pagertree_url.rstrip('/')}{call.path}")
    if (url.port or 0) > PORT_MAX:
        raise ValueError(f"there is no port above {PORT_MAX}")
    extensions = {"timeout": _timeout(timeout_s)}
    return Request(call.method, url, headers=headers, content=call.content, extensions=extensions)


@lru_cache(ADDRESSES_MAX)
def _url(text: str) -> URL:
    return URL(text)


def _timeout(timeout_s: float) -> dict[str, float]:
    """Let a connection fail, for want of a free one, of TCP or of TLS, before the whole call does.

    Then it is known that nothing was sent.
    """
    return {
        "connect": timeout_s / 3,
        "pool": timeout_s / 4,
        "read": timeout_s,
        "write": timeout_s,
    }


async def _fill(answer: Answer, http: AsyncClient, request: Request) -> None:
    response = await send_plainly(http, request)
    answer.status = response.status_code
    answer.retry_after = response.headers.get("Retry-After")
    try:
        async for chunk in response.aiter_raw():
            answer.body += chunk
            if len(answer.body) > ANSWER_BYTES_MAX:
                _fail(answer, Failure.TOO_LARGE, f"it is over {ANSWER_BYTES_MAX} bytes")
                return
    finally:
        await response.aclose()


def _fail(answer: Answer, failure: Failure, reason: str) -> None:
    answer.failure = failure
    answer.reason = reason


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
