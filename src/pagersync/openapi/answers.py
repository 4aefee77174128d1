"""The answers that an operation can give besides its good one, and the headers of each. Pure."""

from collections.abc import Iterator
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from pagersync.errors import PagersyncError
from pagersync.jsonapi import MEDIA_TYPE

REQUEST_ID: Final = "019a3c50-0d5e-7aa0-8000-5f3d1c2b4a69"

API: Final = "/v1/"
IF_MATCH: Final = "If-Match"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
ERRORS_FROM: Final = 400

DETAILS: Final = MappingProxyType(
    {
        400: "the body is no JSON: Expecting value",
        401: "send an API key: `Authorization: Bearer KEY`",
        403: "this needs an API key with the scope 'write'",
        404: "there is no such thing: look at the list",
        408: "The request body did not arrive in time. Send it again.",
        409: "that contradicts what is there: read it again",
        412: 'it is at version "3" by now, not "2": read it again',
        413: "a body may have at most 1000000 bytes",
        422: "title: must not be empty",
        429: "this key has made too many requests: wait as long as Retry-After says",
        500: "this should not have happened; the log of pagersync says more",
        502: "PagerTree did not answer: try again",
        503: "the database did not answer",
    }
)
SOURCES: Final = MappingProxyType(
    {412: {"parameter": IF_MATCH}, 422: {"pointer": "/data/attributes/title"}}
)

HEADERS: Final[dict[str, Any]] = {
    "Request-Id": {
        "description": "The request's own `Request-Id` (or `X-Request-Id`), or a new one. Every "
        "log line of the request and every error has it.",
        "schema": {"type": "string"},
        "example": REQUEST_ID,
    },
    "ETag": {
        "description": "The version of what was answered, for `If-Match`.",
        "schema": {"type": "string"},
        "example": '"3"',
    },
    "Idempotency-Replayed": {
        "description": "`true`: this is the first answer again, and nothing was done.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "X-RateLimit-Limit": {
        "description": "How many requests the key has, and in how many seconds.",
        "schema": {"type": "string"},
        "example": "3000, 3000;window=60",
    },
    "X-RateLimit-Remaining": {
        "description": "How many of them are left.",
        "schema": {"type": "string"},
        "example": "2999",
    },
    "X-RateLimit-Used": {
        "description": "How many of them are used.",
        "schema": {"type": "string"},
        "example": "1",
    },
    "X-RateLimit-Reset": {
        "description": "When there are more again, in seconds since 1970.",
        "schema": {"type": "string"},
        "example": "1772334180",
    },
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "5",
    },
    "WWW-Authenticate": {
        "description": "How to log in.",
        "schema": {"type": "string"},
        "example": "Bearer",
    },
    "Allow": {
        "description": "The methods that there are.",
        "schema": {"type": "string"},
        "example": "POST",
    },
}


def describe_errors(path: str, operation: dict[str, Any]) -> None:
    """Give an operation every error answer that it can have, each with an example."""
    answers = operation["responses"]
    statuses = {int(status) for status in answers if int(status) >= ERRORS_FROM}
    if path.startswith(API):
        statuses |= set(_possible(path, operation))
    for status in sorted(statuses):
        given = answers.pop(str(status), {})
        if "application/json" in given.get("content", {}) and not path.startswith(API):
            answers[str(status)] = given  # no error, but something to know: `/readyz`
            continue
        answers[str(status)] = {
            "description": given.get("description") or HTTPStatus(status).phrase,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Errors"},
                    "example": {"errors": [error_example(status)]},
                }
            },
        }


def _possible(path: str, operation: dict[str, Any]) -> Iterator[int]:
    yield from (401, 403, 429, 500, 503)
    parameters = operation.get("parameters", ())
    if "{" in path:
        yield 404
    if "requestBody" in operation:
        yield from (400, 413, 422)
    if parameters:
        yield 422
    if any(given["name"] == IF_MATCH for given in parameters):
        yield 412


def error_example(status: int) -> dict[str, Any]:
    """Return an entry of `errors` as this status has it."""
    kind = next((kind for kind in error_classes() if kind.status == status), None)
    phrase = HTTPStatus(status).phrase
    entry: dict[str, Any] = {
        "id": REQUEST_ID,
        "title": kind.title if kind else phrase,
        "status": str(status),
        "code": kind.code if kind else phrase.lower().replace(" ", "_"),
        "detail": DETAILS.get(status, phrase),
    }
    return entry | ({"source": SOURCES[status]} if status in SOURCES else {})


def error_classes(kind: type[PagersyncError] = PagersyncError) -> list[type[PagersyncError]]:
    """Return a kind of error and all that are derived from it, the more general first."""
    found = [kind]
    for general in found:
        found += [each for each in general.__subclasses__() if each not in found]
    return found


def describe_headers(path: str, operation: dict[str, Any], *, has_version: bool) -> None:
    """Name the headers of every answer of an operation."""
    names = {given["name"] for given in operation.get("parameters", ())}
    for status, answer in operation["responses"].items():
        wanted = ["Request-Id"]
        if path.startswith(API):
            wanted += [name for name in HEADERS if name.startswith("X-RateLimit-")]
        if int(status) < ERRORS_FROM and IDEMPOTENCY_KEY in names:
            wanted.append("Idempotency-Replayed")
        if int(status) < ERRORS_FROM and has_version and "content" in answer:
            wanted.append("ETag")
        wanted += {
            "401": ["WWW-Authenticate"],
            "405": ["Allow"],
            "429": ["Retry-After"],
            "503": ["Retry-After"] if path.startswith((API, "/webhooks/")) else [],
        }.get(status, [])
        references = {name: {"$ref": f"#/components/headers/{name}"} for name in wanted}
        answer["headers"] = references | answer.get("headers", {})
