"""Who comes in: without a valid API key nobody reaches `/v1`, or learns what is there.

It stands before routing, so an unknown path, a wrong method and a broken body are answered like
everything else: 401, after the same work.
"""

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pagersync.access.limits import (
    READING,
    WORDS,
    Count,
    headers_of,
    limits_of,
    source_of,
    tightest,
)
from pagersync.access.login import Login, log_in
from pagersync.database.disk import DiskWatch
from pagersync.database.shared_pool import SHARE, Share
from pagersync.database.trouble import MAYBE_UNREACHABLE, trouble_of
from pagersync.error_handlers import error_response, unreachable_response
from pagersync.errors import PagersyncError, RateLimitedError, UnauthorizedError
from pagersync.refused import note_refused

PREFIX: Final = "/v1"

PAGING: Final = ("/v1/incidents", "/v1/alerts", "/v1/pages", "/v1/operations")
"""What pages people, or tells that they need not be paged: it may use the last of a disk."""

UNAUTHORIZED: Final = (
    "send a valid API key: `Authorization: Bearer KEY`. None was sent, or it is unknown, expired "
    "or revoked"
)


class TooManyFailedLoginsError(RateLimitedError):
    """An address has sent too many requests without a valid key."""

    code = "too_many_failed_logins"
    title = "Too many failed logins"


class Authentication:
    """ASGI middleware: under `/v1`, `request.state.api_key` is the caller's key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not _is_ours(scope):
            await self._app(scope, receive, send)
            return
        headers: dict[str, str] = {}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        try:
            login = await _log_in(scope)
            if (count := tightest(login.counts)) is not None and login.key is not None:
                headers |= headers_of(count)
            _check(login, count)
            if scope["method"] not in READING:
                disk: DiskWatch = scope["state"]["disk"]
                disk.check(pages=_path(scope).startswith(PAGING))
        except PagersyncError as error:
            if isinstance(error, UnauthorizedError | RateLimitedError):
                note_refused(error.code, address=_address(scope))
            await error_response(error)(scope, receive, send_with_headers)
            return
        except MAYBE_UNREACHABLE as error:
            if trouble_of(error) is None:
                raise
            await unreachable_response(error)(scope, receive, send)
            return
        scope["state"]["api_key"] = login.key
        await self._app(scope, receive, send_with_headers)


def _is_ours(scope: Scope) -> bool:
    path = _path(scope)
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def _path(scope: Scope) -> str:
    return str(scope["path"].removeprefix(scope.get("root_path", "")))


def _address(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


async def _log_in(scope: Scope) -> Login:
    state = scope["state"]
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    source = source_of(_address(scope))
    share = SHARE.set(Share("login", source))
    try:
        return await log_in(
            state["engine"],
            token.strip() if scheme.lower() == "bearer" else "",
            limits_of(state["settings"], scope["method"], _path(scope)),
            source=source,
            failed_max=state["settings"].failed_logins_per_minute_max,
        )
    finally:
        SHARE.reset(share)


def _check(login: Login, count: Count | None) -> None:
    """Let a request in, or not.

    Raises:
        UnauthorizedError: it has no valid key.
        TooManyFailedLoginsError: nor had many others from the same address.
        RateLimitedError: the key was used too often.
    """
    is_refused = count is not None and count.is_refused
    if login.key is None and is_refused:
        assert count is not None  # noqa: S101 - it is what refuses
        raise TooManyFailedLoginsError(
            f"more than {count.allowed_max} requests a minute came from your address without a "
            f"valid API key: try again in {count.retry_after_s} s, or send a valid one at once",
            retry_after_s=count.retry_after_s,
        )
    if login.key is None:
        raise UnauthorizedError(UNAUTHORIZED)
    if count is not None and is_refused:
        raise RateLimitedError(
            f"an API key may make {count.allowed_max} {WORDS[count.kind]} a minute: try again in "
            f"{count.retry_after_s} s",
            retry_after_s=count.retry_after_s,
        )
