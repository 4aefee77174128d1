"""JSON:API: the one shape of every answer, error and page of this service.

Documents are `{"data": {"id", "type", "attributes"}}`, lists add `links` and `meta`, errors are
`{"errors": [{"title", "status", "code", "detail", "source"}]}`; see https://jsonapi.org/format/.
"""

import json
from collections.abc import Collection as AnyOf
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, Self, TypeAlias, TypeVar

from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PrivateAttr,
    SerializeAsAny,
    WithJsonSchema,
    model_validator,
)

from pagersync.errors import (
    BusyError,
    InvalidError,
    ManyInvalidError,
    MethodNotAllowedError,
    PagersyncError,
    RateLimitedError,
    UnauthorizedError,
)
from pagersync.fits import fitting_of
from pagersync.request_id import current_request_id
from pagersync.texts import few, fit_text

MEDIA_TYPE: Final = "application/vnd.api+json"

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T", bound=str)


class JsonApiResponse(JSONResponse):
    """A response in JSON:API's media type."""

    media_type = MEDIA_TYPE


def iso(moment: datetime) -> str:
    """Return a time as every answer has it: ISO 8601 in UTC, with milliseconds."""
    return f"{moment.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"


Timestamp = Annotated[
    datetime,
    PlainSerializer(iso, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-03-01T03:00:00.000Z"]}
    ),
]
"""A time in an answer."""


def is_none(value: object) -> bool:
    """Tell whether an attribute is left out of an answer, where null says nothing."""
    return value is None


class Identifier(BaseModel):
    """Which thing is meant."""

    id: str
    type: str


class Relationship(BaseModel):
    """What a thing is related to, by one name of `include`."""

    data: list[Identifier] | None = Field(description="Null: there can be one, and is none.")


class Resource(BaseModel, Generic[A]):
    """One thing: its id, its type and what is known of it."""

    id: str
    type: str
    attributes: A
    relationships: dict[str, Relationship] | None = Field(
        default=None, exclude_if=is_none, description="By the names that `include` asked for."
    )


class Related(BaseModel):
    """Something that `include` asked for, as its own type of thing is shown elsewhere."""

    id: str
    type: str
    attributes: SerializeAsAny[BaseModel]


Included = Annotated[
    list[Related] | None,
    Field(default=None, exclude_if=is_none, description="What `include` asked for, each once."),
]


class Notes(BaseModel):
    """What the caller should know about the request, beside its answer."""

    notes: list[str] = Field(
        description="What was cut, dropped or not done, and who is not paged: a sentence each.",
        examples=[["summary was cut from 700 to 500 characters"]],
    )


MaybeNotes = Annotated[
    Notes | None,
    Field(default=None, exclude_if=is_none, description="Only if there is something to note."),
]


class Document(BaseModel, Generic[A]):
    """An answer about one thing."""

    data: Resource[A]
    meta: MaybeNotes = None
    included: Included = None

    def noting(self, notes: AnyOf[str]) -> Self:
        """Return the document with notes about its request; without any it stays as it is."""
        return self.model_copy(update={"meta": notes_of(notes)}) if notes else self


def notes_of(notes: AnyOf[str]) -> Notes | None:
    """Return the `meta` of an answer with these notes; None without any."""
    return Notes(notes=few(notes)) if notes else None


class Links(BaseModel):
    """Where this list goes on."""

    self: str
    first: str
    prev: str | None
    next: str | None
    last: str | None


class Meta(BaseModel):
    """How large the whole list is and where in it this page stands."""

    next_cursor: str | None = Field(description="Give it as `page[after]` for the next page.")
    current_page: int | None
    next_page: int | None
    prev_page: int | None
    total_count: int = Field(
        description="Exact up to 10,000; beyond that PostgreSQL's estimate, so that a list costs "
        "the same however much is stored."
    )
    total_pages: int
    notes: list[str] | None = Field(
        default=None,
        exclude_if=is_none,
        description="What the caller should know about the request: a sentence each.",
    )


class Collection(BaseModel, Generic[A]):
    """A page of a list."""

    data: list[Resource[A]]
    links: Links
    meta: Meta
    included: Included = None


class Error(BaseModel):
    """One thing that is wrong with a request."""

    id: str | None = Field(
        default=None, exclude_if=is_none, description="The `Request-Id` of the answer."
    )
    title: str
    status: str
    code: str
    detail: str | None = None
    source: dict[str, str] | None = None


class Errors(BaseModel):
    """The answer to a request that could not be served."""

    errors: list[Error]


class Attributes(BaseModel):
    """Base of what a request may set: unknown attributes are errors, and types are exact.

    Texts that are marked with `Fits` are cut, and `notes` says so.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    _notes: list[str] = PrivateAttr(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """What was cut or replaced when the request was read."""
        return self._notes

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Take 3.0 for 3, which are one number in JSON Schema; cut texts that are too long."""
        if not isinstance(values, dict):
            return handler(values)
        notes: list[str] = []
        fitting = fitting_of(cls)
        read = handler(
            {
                name: fit_text(name, each, fitting[name], notes)
                if name in fitting and isinstance(each, str)
                else int(each)
                if isinstance(each, float) and each.is_integer()
                else each
                for name, each in values.items()
            }
        )
        read._notes = notes  # noqa: SLF001 - its own
        return read

    def kept(self, **options: Any) -> dict[str, Any]:
        """Return what is kept of it: all but `Nothing` and `Ignored`."""
        return self.model_dump(exclude=_not_kept(type(self)), **options)

    def changes(self, *, never_null: AnyOf[str]) -> dict[str, Any]:
        """Return what a change sets: what was left out stays.

        Raises:
            ManyInvalidError: a null where none can be.
        """
        values = self.kept(exclude_unset=True)
        nulls = [name for name in never_null if values.get(name, ...) is None]
        if nulls:
            raise ManyInvalidError(
                [
                    InvalidError(f"{name}: cannot be null", pointer=f"/data/attributes/{name}")
                    for name in nulls
                ]
            )
        return values


@cache
def _not_kept(model: type[Attributes]) -> set[str]:
    fields = model.model_fields.items()
    return {n for n, f in fields if any(mark in f.metadata for mark in (REFUSED, IGNORED))}


EMPTY: Final[tuple[Any, ...]] = (None, [], {}, "", False)


def _nothing(value: object) -> object:
    if value not in EMPTY:
        raise ValueError("not supported by pagersync: leave it out")
    return value


EMPTY_HERE: Final = "Rootly's; always empty here."
Empty: TypeAlias = Annotated[None, Field(description=EMPTY_HERE)]
"""An attribute of Rootly's answers that is always null here."""

REFUSED: Final = WithJsonSchema(
    {
        "anyOf": [
            {"type": "null"},
            {"type": "array", "maxItems": 0},
            {"type": "object", "maxProperties": 0},
            {"type": "string", "maxLength": 0},
            {"type": "boolean", "enum": [False]},
        ],
        "description": "Not supported by pagersync: empty only.",
        "x-rootly": "refused",
    }
)
Nothing = Annotated[Any, AfterValidator(_nothing), REFUSED]
"""An attribute of Rootly's that asks for what is not here; clients may send it empty."""

IGNORED: Final = WithJsonSchema(
    {"description": "Accepted, and not kept: it has no meaning here.", "x-rootly": "ignored"}
)
Ignored = Annotated[Any, IGNORED]
"""An attribute of Rootly's that asks for nothing, and means nothing here."""


class NewResource(BaseModel, Generic[T, A]):
    """The thing that a request describes; `id` is accepted and ignored, as clients send it."""

    model_config = ConfigDict(extra="forbid")

    type: T
    id: str | None = None
    attributes: A


class NewDocument(BaseModel, Generic[T, A]):
    """The body of a request that creates or changes one thing: its type, and what to set."""

    model_config = ConfigDict(extra="forbid")

    data: NewResource[T, A]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the error answers that an operation has."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Errors"}}},
        }
        for status in sorted({401, 403, 429, *statuses})
    }


def to_error(error: PagersyncError) -> dict[str, Any]:
    """Return one entry of `errors`."""
    entry: dict[str, Any] = {
        **({"id": request_id} if (request_id := current_request_id()) else {}),
        "title": error.title,
        "status": str(error.status),
        "code": error.code,
        "detail": error.detail,
    }
    if error.pointer is not None:
        entry["source"] = {"pointer": error.pointer}
    elif error.parameter is not None:
        entry["source"] = {"parameter": error.parameter}
    return entry


def error_headers(error: PagersyncError) -> dict[str, str]:
    """Return the headers that go with an error: how to come back, how to log in."""
    if isinstance(error, BusyError | RateLimitedError):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, MethodNotAllowedError):
        return {"Allow": ", ".join(error.allowed)}
    return {}


def error_body(*entries: dict[str, Any]) -> bytes:
    """Return the body of an error answer."""
    return json.dumps({"errors": entries}).encode()


def internal_error() -> bytes:
    """Return the body that says that it is our fault, and nothing else: the log has the rest."""
    return error_body(
        to_error(PagersyncError("this should not have happened; the log of pagersync says more"))
    )
