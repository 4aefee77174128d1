"""The one door to the HTTP client library: nothing else imports httpx.

Replacing the library is a change of this file alone.
"""

import sys
from importlib.metadata import version
from importlib.util import find_spec
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

if find_spec("sniffio") is None:
    # httpcore imports it several times for every request, and does without it where it is missing.
    # Python looks through the whole path each time, which costs more than the rest of a request.
    sys.modules["sniffio"] = None  # type: ignore[assignment] # "not there", in Python's own words

USER_AGENT: Final = f"pagersync/{version('pagersync')}"
