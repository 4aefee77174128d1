"""Headers of every answer that tell browsers and caches to be careful with it."""

from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = tuple[tuple[bytes, bytes], ...]

EVERYWHERE: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
NOTHING: Final = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
)
"""An answer that is no page loads nothing; `docs.py` says what its pages need."""

NOT_KEPT: Final = (b"cache-control", b"no-store")
"""Of the API: its answers are for one caller, and some hold a token that is shown once."""

HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000")


class AnswerHeaders:
    """ASGI middleware: adds the headers to every answer; what an answer has itself stays.

    Args:
        app: what is served.
        is_https: whether the public address begins with `https://`.
    """

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        always = (*EVERYWHERE, NOTHING, *((HTTPS_ONLY,) if is_https else ()))
        self._others, self._api = always, (*always, NOT_KEPT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_api = scope["path"].removeprefix(scope.get("root_path", "")).startswith("/v1")
        added = self._api if is_api else self._others

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = joined(message["headers"], added)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def joined(own: Iterable[tuple[bytes, bytes]], added: Headers) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers and those that it has not. Pure."""
    headers = list(own)
    names = {name.lower() for name, _ in headers}
    return headers + [each for each in added if each[0] not in names]
