"""The errors this service answers or records, as far as several parts use them.

    PagersyncError                  code, status
    ├── RequestError                the caller can mend it
    │   ├── ImpossibleError         400
    │   ├── MalformedError          400
    │   ├── BadRequestError         400
    │   ├── UnauthorizedError       401
    │   ├── ForbiddenError          403
    │   ├── NotFoundError           404
    │   ├── MethodNotAllowedError   405
    │   ├── TooSlowError            408
    │   ├── ConflictError           409
    │   ├── PreconditionFailedError 412
    │   ├── TooLargeError           413
    │   ├── UrlTooLongError         414
    │   ├── InvalidError            422
    │   │   └── ManyInvalidError    422, everything that is wrong at once
    │   ├── RateLimitedError        429, comes with Retry-After
    │   └── HeadTooLargeError       431
    ├── BusyError                   503, comes with Retry-After
    └── PagerTreeError              what a call to PagerTree ended in
        ├── Unavailable             try again: PagerTree did not act
        ├── Rejected                PagerTree said no, in its own words
        │   └── CredentialsRefused  it does not know the API key
        ├── Ambiguous               it may have acted: look before trying again
        └── Contract                the answer could not be read

Errors of one part stand in it: `SettingsError` in `command.py`; `DatabaseError` in
`database/access.py` and `EmbeddedPostgresError` in `database/postmaster.py`; `SecretKeyError` in
`integrations/vault.py`; `ListenError` in `serve.py`; `TemplateError` in
`workflows/templates.py`; `OutboundError` and `OutboundRefusedError` in `outbound.py`;
`TooManyFailedLoginsError` in `access/authentication.py`.

One handler turns all of them into the same JSON; see `error_handlers.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID


class PagersyncError(Exception):
    """An error with a stable `code` and an HTTP `status`.

    Attributes:
        detail: what is wrong and what to do about it, for the person who reads the answer.
        pointer: JSON pointer to the offending part of the request body, when there is one.
        parameter: name of the offending query parameter or header, when there is one.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, detail: str, *, pointer: str | None = None, parameter: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.parameter = parameter


class RequestError(PagersyncError):
    """The caller's request cannot be served as it is."""


class ImpossibleError(RequestError):
    """What is asked for makes no sense in the state that the thing is in."""

    code = "impossible"
    status = 400
    title = "Impossible"


class MalformedError(RequestError):
    """The request body is no JSON."""

    code = "malformed"
    status = 400
    title = "Malformed body"


class UnauthorizedError(RequestError):
    """No valid credentials were presented."""

    code = "unauthorized"
    status = 401
    title = "Unauthorized"


class ForbiddenError(RequestError):
    """The credentials are valid but do not allow this."""

    code = "forbidden"
    status = 403
    title = "Forbidden"


class NotFoundError(RequestError):
    """Nothing with that identifier exists.

    Attributes:
        noun: what kind of thing, as `kept.py` has it, if retention removes such things.
        id: its id: it tells how old the thing would be.
    """

    code = "not_found"
    status = 404
    title = "Not found"

    def __init__(
        self, detail: str, *, noun: str | None = None, id_: UUID | str | None = None
    ) -> None:
        super().__init__(detail)
        self.noun = noun
        self.id = _as_uuid(id_)


class MethodNotAllowedError(RequestError):
    """The path is there, but not for this method.

    Attributes:
        allowed: the methods that it has.
    """

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"

    def __init__(self, detail: str, *, allowed: Iterable[str]) -> None:
        super().__init__(detail)
        self.allowed = sorted(allowed)


class TooSlowError(RequestError):
    """The request body did not arrive in time."""

    code = "request_timeout"
    status = 408
    title = "Request timeout"


class ConflictError(RequestError):
    """The request contradicts what is already there."""

    code = "conflict"
    status = 409
    title = "Conflict"


class PreconditionFailedError(RequestError):
    """What the request was meant to change has changed meanwhile."""

    code = "precondition_failed"
    status = 412
    title = "Precondition failed"


class TooLargeError(RequestError):
    """The request body is over the limit."""

    code = "body_too_large"
    status = 413
    title = "Body too large"


class BadRequestError(RequestError):
    """The bytes that were sent are no HTTP request."""

    code = "bad_request"
    status = 400
    title = "Bad request"


class UrlTooLongError(RequestError):
    """The URL of the request is over the limit."""

    code = "url_too_long"
    status = 414
    title = "URL too long"


class HeadTooLargeError(RequestError):
    """The request line and headers are over the limit, together or by their number."""

    code = "head_too_large"
    status = 431
    title = "Request head too large"


class InvalidError(RequestError):
    """The request was read but a value in it cannot be right."""

    code = "invalid"
    status = 422
    title = "Invalid request"


class ManyInvalidError(InvalidError):
    """Several values of one request cannot be right: the answer lists every one.

    Attributes:
        problems: one error for each, with its own pointer.
    """

    def __init__(self, problems: Sequence[InvalidError]) -> None:
        super().__init__("; ".join(problem.detail for problem in problems))
        self.problems = problems


class RateLimitedError(RequestError):
    """The caller asks too often.

    Attributes:
        retry_after_s: whole seconds after which to try again.
    """

    code = "rate_limited"
    status = 429
    title = "Rate limited"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class BusyError(PagersyncError):
    """The service cannot store or answer right now.

    Attributes:
        retry_after_s: whole seconds after which to try again.
    """

    code = "unavailable"
    status = 503
    title = "Service unavailable"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


def out_of_memory() -> BusyError:
    """Return what is answered when memory is short: the request itself may be fine."""
    return BusyError("pagersync is out of memory: send this request again", retry_after_s=2)


class PagerTreeError(PagersyncError):
    """A call to PagerTree's API did not end in a value.

    Attributes:
        http_status: what PagerTree answered; None when no answer came.
        retry_after_s: how long PagerTree asked to wait, in seconds, when it did.
        is_cut: whether the answer was cut off, so that its words are not known.
    """

    is_cut = False
    code = "pagertree_error"
    status = 502
    title = "PagerTree error"

    def __init__(
        self, detail: str, *, http_status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.http_status = http_status
        self.retry_after_s = retry_after_s


class Unavailable(PagerTreeError):
    """PagerTree did not act: it was not reached, it asked to come back later, or it only read."""

    code = "pagertree_unavailable"
    title = "PagerTree is unavailable"


class Rejected(PagerTreeError):
    """PagerTree refused the call for good; `detail` carries its own messages."""

    code = "pagertree_rejected"
    status = 422
    title = "PagerTree refused"


class CredentialsRefused(Rejected):
    """PagerTree does not accept the API key (401): every further call would end the same."""

    code = "pagertree_credentials_refused"
    title = "PagerTree refused the API key"


class Ambiguous(PagerTreeError):
    """Nobody knows whether PagerTree acted: look before you send again."""

    code = "pagertree_ambiguous"
    title = "PagerTree's answer was lost"


class Contract(PagerTreeError):
    """PagerTree answered with something that its documentation does not describe."""

    code = "pagertree_contract"
    title = "PagerTree's answer could not be read"


def wording(problem: Mapping[str, Any]) -> str:
    """Return what Pydantic found wrong with a value, in words for whoever sent it."""
    if problem["type"] == "extra_forbidden":
        return "there is no such attribute"
    return str(problem["msg"])


def _as_uuid(reference: UUID | str | None) -> UUID | None:
    """Return what is a UUID as one: many things have other names, too."""
    if reference is None or isinstance(reference, UUID):
        return reference
    try:
        return UUID(reference)
    except ValueError:
        return None
