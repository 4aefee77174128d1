"""`include` and `fields[...]`: which part of an answer is wanted, and what else besides.

A route's `Shape` says what there is to include; what a request wants is a `Wanted`.
"""

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from collections.abc import Collection as AnyOf
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from fastapi import Depends, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.cut_columns import Columns, Wide, read_cut
from pagersync.errors import InvalidError
from pagersync.jsonapi import (
    Collection,
    Document,
    Identifier,
    Related,
    Relationship,
    Resource,
    errors,
)
from pagersync.pagination import Found

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")

INCLUDE: Final = "include"
FIELDS: Final = "fields["
RELATED_MAX: Final = 100
"""How many things of one kind are included for each thing: the newest. More is a list's work."""

INCLUDED_MAX: Final = 2_000
"""How many things of one kind are included in one answer; of more things fewer each."""

Loader: TypeAlias = Callable[
    [AsyncSession, Sequence[UUID]], Awaitable[Mapping[UUID, Sequence[Resource[Any]]]]
]
"""Finds, for the things with some ids, what each is related to: at most `related_max` of each."""


def related_max(things: int) -> int:
    """Return how many things of one kind are included for each of so many things."""
    return max(1, min(RELATED_MAX, INCLUDED_MAX // max(1, things)))


async def read_related(
    session: AsyncSession, statement: Select[T], wide: Columns, things: int
) -> list[T]:
    """Return what is included for so many things; of `wide` columns what is not too long."""
    return await read_cut(session, statement, Wide(wide), things * related_max(things))


@dataclass(frozen=True, eq=False)
class Shape:
    """What a type of thing can be asked for; an instance is a FastAPI dependency.

    Attributes:
        type: the type of thing.
        loaders: what `include` can name, and how it is found.
        nothing: what Rootly's `include` can name, and nothing here is ever related by.
    """

    type: str
    loaders: dict[str, Loader] = field(default_factory=dict)
    nothing: Sequence[str] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it reads."""
        return INCLUDE, f"fields[{self.type}]"

    def __call__(self, request: Request) -> "Wanted":
        """Return what a request wants.

        Raises:
            InvalidError: it names what cannot be included.
        """
        names = [name for name in request.query_params.get(INCLUDE, "").split(",") if name]
        known = [*self.loaders, *self.nothing]
        for name in names:
            if name not in known:
                raise InvalidError(
                    f"{name!r} is none of {', '.join(known)}"
                    if known
                    else "there is nothing to include here",
                    parameter=INCLUDE,
                )
        loaders = {name: self.loaders.get(name) for name in names}
        return Wanted(loaders, _read_fields(request).get(self.type))

    def parameters(self) -> list[dict[str, Any]]:
        """Return the parameters for the OpenAPI document.

        `fields[...]` stands in its prose alone, as in Rootly's: with it, an answer need not have
        all that its schema requires.
        """
        known = "|".join([*self.loaders, *self.nothing])
        schema = {"type": "string", "pattern": f"^(({known})(,({known}))*)?$"}
        return [{"name": INCLUDE, "in": "query", "required": False, "schema": schema}]

    def openapi(self) -> dict[str, Any]:
        """Return the parameters for the `openapi_extra` of a route about one thing."""
        return {"parameters": self.parameters()}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants.

    Attributes:
        loaders: what it wants included, by name; None where there never is anything.
        fields: the attributes of the thing itself that it asks for; None: all of them.
    """

    loaders: Mapping[str, Loader | None] = field(default_factory=dict)
    fields: AnyOf[str] | None = None

    async def document(self, session: AsyncSession, resource: Resource[A]) -> Document[A]:
        """Return the answer about one thing."""
        return Document(data=resource, included=await self._include(session, [resource]))

    async def collection(
        self, session: AsyncSession, found: Found[Any], resources: Sequence[Resource[A]]
    ) -> Collection[A]:
        """Return the answer about a page of a list."""
        included = await self._include(session, resources)
        return Collection(
            data=list(resources), links=found.links, meta=found.meta, included=included
        )

    async def _include(
        self, session: AsyncSession, resources: Sequence[Resource[Any]]
    ) -> list[Related] | None:
        if not self.loaders:
            return None
        included: dict[tuple[str, str], Related] = {}
        ids = [UUID(resource.id) for resource in resources]
        for name, load in self.loaders.items():
            related = await load(session, ids) if load and ids else {}
            for resource, own_id in zip(resources, ids, strict=True):
                if load is None and name in (resource.relationships or {}):
                    continue
                own = related.get(own_id, ())
                identifiers = [Identifier(id=each.id, type=each.type) for each in own]
                resource.relationships = (resource.relationships or {}) | {
                    name: Relationship(data=identifiers)
                }
                for each in own:
                    included[each.type, each.id] = Related(
                        id=each.id, type=each.type, attributes=each.attributes
                    )
        return list(included.values())


@dataclass(frozen=True, slots=True)
class Beginning:
    """A dependency that a class of routes has, and with which statuses it may answer."""

    call: Callable[..., Any]
    statuses: tuple[int, ...]


class ShapedRoute(APIRoute):
    """The route class of all under `/v1`: answers have the `fields[type]` that are asked for.

    A name that no attribute has is passed over: other clients of Rootly's name more than there is.
    A GET refuses query parameters that it does not know.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[params.Depends] | None = None,
        responses: dict[int | str, dict[str, Any]] | None = None,
        methods: set[str] | list[str] | None = None,
        **options: Any,
    ) -> None:
        if begins := self.begins_with(methods or []):
            # Last, so that authentication and scope come first.
            dependencies = [*(dependencies or ()), Depends(begins.call)]
            responses = errors(*begins.statuses) | (responses or {})
        super().__init__(
            path,
            endpoint,
            dependencies=dependencies,
            responses=responses,
            methods=methods,
            **options,
        )

    def begins_with(self, methods: set[str] | list[str]) -> Beginning | None:
        """Return what is done before the endpoint; None: nothing."""
        return Beginning(self._refuse_unknown, (422,)) if "GET" in methods else None

    async def _refuse_unknown(self, request: Request) -> None:
        """Let a request pass whose query parameters are known.

        Raises:
            InvalidError: there is another one.
        """
        asked = [name for name in request.query_params if not name.startswith(FIELDS)]
        if not asked:
            return
        flat = get_flat_params(self.dependant)
        known = [each["name"] for each in (self.openapi_extra or {}).get("parameters", ())]
        known += [each.alias for each in flat if isinstance(each.field_info, params.Query)]
        unknown = [name for name in asked if name not in known]
        if unknown:
            has = f"this one has {', '.join(known)}" if known else "none can be given here"
            raise InvalidError(f"there is no such parameter; {has}", parameter=unknown[0])

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, and leave out of its answer what was not asked for."""
        handle = super().get_route_handler()

        async def handle_and_trim(request: Request) -> Response:
            response = await handle(request)
            fields = _read_fields(request)
            if not fields or response.status_code >= 400:  # noqa: PLR2004 - errors stay as they are
                return response
            document = json.loads(bytes(response.body))
            _trim(document, fields)
            body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            headers = {k: v for k, v in response.headers.items() if k != "content-length"}
            return Response(body, response.status_code, headers, background=response.background)

        return handle_and_trim


def _read_fields(request: Request) -> dict[str, set[str]]:
    return {
        parameter[len(FIELDS) : -1]: set(value.split(","))
        for parameter, value in request.query_params.items()
        if parameter.startswith(FIELDS) and parameter.endswith("]")
    }


def _trim(document: dict[str, Any], fields: Mapping[str, set[str]]) -> None:
    data = document.get("data")
    for resource in [*(data if isinstance(data, list) else [data]), *document.get("included", [])]:
        if isinstance(resource, dict) and resource.get("type") in fields:
            wanted = fields[resource["type"]]
            attributes = resource["attributes"]
            resource["attributes"] = {n: v for n, v in attributes.items() if n in wanted}
