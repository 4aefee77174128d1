"""The one door to the HTTP client library: nothing else imports httpx.

Replacing the library is a change of this file alone.
"""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

from httpx import (
    URL,
    ASGITransport,
    AsyncBaseTransport,
    AsyncClient,
    AsyncHTTPTransport,
    BasicAuth,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    InvalidURL,
    Limits,
    PoolTimeout,
    Request,
    Response,
    Timeout,
    TimeoutException,
    UnsupportedProtocol,
    create_ssl_context,
)

from pagersync.http_stream import CountingBackend

__all__ = [
    "URL",
    "USER_AGENT",
    "ASGITransport",
    "AsyncBaseTransport",
    "AsyncClient",
    "AsyncHTTPTransport",
    "BasicAuth",
    "BoundedTransport",
    "ConnectError",
    "ConnectTimeout",
    "HTTPError",
    "InvalidURL",
    "Limits",
    "PoolTimeout",
    "Request",
    "Response",
    "Timeout",
    "TimeoutException",
    "UnsupportedProtocol",
    "create_ssl_context",
    "send_plainly",
]

if find_spec("sniffio") is None:
    # httpcore imports it several times for every request, and does without it where it is missing.
    # Python looks through the whole path each time, which costs more than the rest of a request.
    sys.modules["sniffio"] = None  # type: ignore[assignment] # "not there", in Python's own words


class BoundedTransport(AsyncHTTPTransport):
    """A transport that fails when a server sends interim answers without end."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trust_env=False, **options)
        pool: Any = self._pool
        pool._network_backend = CountingBackend(pool._network_backend)  # noqa: SLF001 - httpx hands none through


async def send_plainly(client: AsyncClient, request: Request) -> Response:
    """Send a request exactly as it is; the caller reads the answer and closes it.

    A client's own way, with redirects, cookies, logins and hooks, takes as long as the sending.
    None of it is wanted where a request is complete.
    """
    return await client._transport.handle_async_request(request)  # noqa: SLF001 - httpx has no public way


USER_AGENT: Final = f"pagersync/{version('pagersync')}"
