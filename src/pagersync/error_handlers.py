"""Every kind of failure, the framework's included, in the one shape of `jsonapi.py`."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from re import Pattern
from types import MappingProxyType
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from pagersync.database.complaints import complain
from pagersync.database.trouble import AWAY, MAYBE_UNREACHABLE, trouble_of
from pagersync.errors import (
    BusyError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    ManyInvalidError,
    MethodNotAllowedError,
    NotFoundError,
    PagersyncError,
    TooLargeError,
    out_of_memory,
    wording,
)
from pagersync.jsonapi import MEDIA_TYPE, error_body, error_headers, internal_error, to_error
from pagersync.kept import explained
from pagersync.refused import note_forbidden

DATABASE_RETRY_AFTER_S: Final = 5
NO_SUCH_PATH: Final = "path not found: see /docs for all paths"

log = structlog.get_logger()


def add_error_handlers(app: FastAPI) -> None:
    """Answer every kind of failure in the one shape."""
    app.add_exception_handler(PagersyncError, _answer_own)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    for kind in MAYBE_UNREACHABLE:
        app.add_exception_handler(kind, _answer_unreachable)
    app.add_exception_handler(MemoryError, _answer_out_of_memory)
    app.add_exception_handler(Exception, _answer_unexpected)


async def _answer_own(request: Request, error: Exception) -> Response:
    assert isinstance(error, PagersyncError)  # noqa: S101 - registered for it alone
    if isinstance(error, ForbiddenError):
        _note_forbidden(request)
    if isinstance(error, NotFoundError):
        error.detail = explained(error, request.state.settings, datetime.now(UTC))
    return error_response(error)


def _note_forbidden(request: Request) -> None:
    key, route = getattr(request.state, "api_key", None), request.scope.get("route")
    if key is not None and route is not None:
        address = request.client.host if request.client else None
        note_forbidden(str(key.id), operation=route.name, address=address)


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    problems = error.errors()
    for problem in problems:
        if problem["type"] == "json_invalid":
            return error_response(MalformedError(f"the body is no JSON: {_reason(problem)}"))
    return error_response(ManyInvalidError([_to_invalid(problem) for problem in problems]))


def _reason(problem: dict[str, Any]) -> str:
    return str(problem.get("ctx", {}).get("error", problem["msg"]))


def _to_invalid(problem: dict[str, Any]) -> InvalidError:
    where, *path = problem["loc"]
    detail = f"{path[-1] if path else where}: {wording(problem)}"
    if where == "body":
        pointer = "".join(f"/{step}" for step in path if isinstance(step, str | int))
        return InvalidError(detail, pointer=pointer)
    return InvalidError(detail, parameter=str(path[0]) if path else str(where))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    if isinstance(error.__cause__, MemoryError):  # the framework says that the body is at fault
        return error_response(out_of_memory())
    if error.status_code in FRAMEWORK:
        return error_response(FRAMEWORK[error.status_code](request, error))
    log.error("the framework answers what is in no document", status=error.status_code)
    phrase = HTTPStatus(error.status_code).phrase
    entry = to_error(PagersyncError(error.detail)) | {
        "title": phrase,
        "status": str(error.status_code),
        "code": phrase.lower().replace(" ", "_"),
    }
    return Response(error_body(entry), error.status_code, error.headers, MEDIA_TYPE)


def _no_method(request: Request, _: HTTPException) -> PagersyncError:
    path = request.scope["path"]
    allowed = {
        m for pattern, methods in _paths(request.app) if pattern.match(path) for m in methods
    }
    return MethodNotAllowedError(
        f"method not allowed: allowed are {', '.join(sorted(allowed))}", allowed=allowed
    )


@cache
def _paths(app: FastAPI) -> list[tuple[Pattern[str], set[str]]]:
    """Return every path with its methods: the framework names those of one route alone."""
    routes = iter_route_contexts(app.routes)
    return [(compile_path(route.path)[0], route.methods or set()) for route in routes if route.path]


FRAMEWORK: Final = MappingProxyType[int, Callable[[Request, HTTPException], PagersyncError]](
    {
        400: lambda _, error: MalformedError(f"the body cannot be read: {error.detail}"),
        404: lambda _request, _error: NotFoundError(NO_SUCH_PATH),
        405: _no_method,
        413: lambda _, error: TooLargeError(error.detail),
    }
)
"""What FastAPI and Starlette raise by themselves, as errors of ours."""


async def _answer_unreachable(_: Request, error: Exception) -> Response:
    if trouble_of(error) is None:
        raise error
    return unreachable_response(error)


def unreachable_response(error: Exception) -> Response:
    """Return the answer while the database is away, ill or too busy."""
    complain("a request failed for the database", error)
    trouble = trouble_of(error) or AWAY
    return error_response(BusyError(trouble, retry_after_s=DATABASE_RETRY_AFTER_S))


async def _answer_out_of_memory(_: Request, _error: Exception) -> Response:
    return error_response(out_of_memory())


async def _answer_unexpected(_: Request, _error: Exception) -> Response:
    """Say that it is our fault, and nothing else: the log has the rest."""
    return Response(internal_error(), status_code=500, media_type=MEDIA_TYPE)


def error_response(error: PagersyncError) -> Response:
    """Return the answer to a request that failed so."""
    each = error.problems if isinstance(error, ManyInvalidError) else [error]
    body = error_body(*map(to_error, each))
    return Response(body, error.status, error_headers(error), MEDIA_TYPE)
