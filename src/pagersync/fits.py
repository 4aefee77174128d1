"""Marks texts of requests that are cut when they are too long, instead of being refused. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class Fits:
    """Marks a text of a request that is cut when it is too long, with a note in the answer."""

    characters_max: int

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Say so in the API's document: there is no `maxLength`, since nothing is refused."""
        described = {"description": f"Cut to {self.characters_max} characters."}
        return {**described, **handler(core_schema)}


@cache
def fitting_of(model: type[BaseModel]) -> dict[str, int]:
    """Return how long the texts of a model may be that are cut when they are longer."""
    return {
        name: mark.characters_max
        for name, field in model.model_fields.items()
        for mark in (*field.metadata, *_marks(field.annotation))
        if isinstance(mark, Fits)
    }


def _marks(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for each in get_args(annotation):
        yield from _marks(each)
