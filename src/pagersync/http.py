"""The one door to the HTTP client library: nothing else imports httpx.

Replacing the library is a change of this file alone.
"""

from importlib.metadata import version
from typing import Final

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

__all__ = [
    "URL",
    "USER_AGENT",
    "ASGITransport",
    "AsyncBaseTransport",
    "AsyncClient",
    "AsyncHTTPTransport",
    "BasicAuth",
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
]

USER_AGENT: Final = f"pagersync/{version('pagersync')}"
