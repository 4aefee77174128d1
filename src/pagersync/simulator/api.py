"""A PagerTree REST API v4 that is just large enough to verify an API key.

Lists are empty. The texts of the errors are ours; their shape is PagerTree's.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

_COLLECTIONS = ("teams", "account_users", "routers", "alerts")


def create_simulator_api(api_keys: frozenset[str]) -> Starlette:
    """Make the application.

    Args:
        api_keys: The keys that are let in as `Authorization: Bearer <key>`; none of them empty.
    """
    return Starlette(
        routes=[Route(f"/api/v4/{name}", _list_nothing) for name in _COLLECTIONS],
        middleware=[Middleware(_BearerAuth, api_keys=api_keys)],
        exception_handlers={HTTPException: _answer_error},
    )


class _BearerAuth:
    """Lets nobody in without a key, whatever the path."""

    def __init__(self, app: ASGIApp, api_keys: frozenset[str]) -> None:
        self._app = app
        self._api_keys = api_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_let_in(Request(scope)):
            await _error(401, "No valid API key provided.")(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_let_in(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and key in self._api_keys


async def _list_nothing(_request: Request) -> Response:
    return JSONResponse({"data": [], "has_more": False, "total_count": 0})


async def _answer_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    response = _error(error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


def _error(status_code: int, message: str) -> Response:
    body = {"errors": [{"message": message}], "code": status_code}
    return JSONResponse(body, status_code=status_code)
