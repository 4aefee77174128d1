"""Examples of requests and answers, made of their schemas where none is written by hand. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

PREFIX: Final = "#/components/schemas/"
UUID: Final = "019a3c50-0d5e-7aa0-8000-5f3d1c2b4a69"

FORMATS: Final = MappingProxyType(
    {
        "uuid": UUID,
        "date-time": "2026-03-01T03:00:00.000Z",
        "date": "2026-03-01",
        "email": "ada@example.com",
        "uri": "https://example.com/hook",
    }
)
NAMES: Final = MappingProxyType(
    {
        "id": UUID,
        "name": "Checkout",
        "title": "Checkout is down",
        "summary": "Checkout is down",
        "description": "p99 of POST /checkout over 2 s for five minutes",
        "slug": "checkout",
        "email": "ada@example.com",
        "event": "The last deployment was rolled back",
        "code": "not_found",
        "status": "open",
        "self": "/v1/alerts",
        "first": "/v1/alerts",
    }
)
"""What stands for a text, by the attribute's name."""

TEXTS: Final = ("text", "1", "a", "A", "abcdef", "text:text", UUID, FORMATS["date-time"])
"""What else is tried where a text must match a pattern."""


class NoExampleError(Exception):
    """Nothing fits the schema: write an example by hand, beside the attribute."""


@dataclass(frozen=True)
class Examples:
    """Makes examples of schemas.

    Attributes:
        schemas: the document's components.
        is_whole: answers have every attribute; requests those that are needed, or have an example.
    """

    schemas: Mapping[str, Any]
    is_whole: bool

    def of(self, schema: Mapping[str, Any], name: str = "", inside: tuple[str, ...] = ()) -> Any:
        """Return a value that fits a schema.

        Args:
            schema: what it must fit.
            name: the attribute's name, if it is one.
            inside: the components that are being made: one within itself ends there.

        Raises:
            NoExampleError: none can be found.
        """
        if schema.get("examples"):
            return schema["examples"][0]
        for key in ("example", "const", "default"):
            if schema.get(key) is not None:
                return schema[key]
        if schema.get("enum"):
            return schema["enum"][0]
        if "$ref" in schema:
            component = schema["$ref"].removeprefix(PREFIX)
            if component in inside:
                raise NoExampleError(component)
            return self.of(self.schemas[component], name, (*inside, component))
        choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if choices:
            return self._first(choices, name, inside)
        return self._of_type(schema, name, inside)

    def _first(self, choices: list[Any], name: str, inside: tuple[str, ...]) -> Any:
        for choice in choices:
            if choice.get("type") != "null":
                try:
                    return self.of(choice, name, inside)
                except NoExampleError:
                    continue
        if {"type": "null"} in choices:
            return None
        raise NoExampleError(name)

    def _of_type(self, schema: Mapping[str, Any], name: str, inside: tuple[str, ...]) -> Any:
        match schema.get("type"):
            case "object":
                return self._object(schema, inside)
            case "array":
                return self._array(schema, name, inside)
            case "string":
                return self._text(schema, name)
            case "integer" | "number":
                return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            case "boolean":
                return False
        return None

    def _object(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self.of(each, name, inside)
            for name, each in schema.get("properties", {}).items()
            if name in required or (self._is_wanted(each) and self._is_possible(each, name, inside))
        }

    def _is_wanted(self, schema: Mapping[str, Any]) -> bool:
        return self.is_whole or any(
            "examples" in each for each in (schema, *schema.get("anyOf", ()))
        )

    def _is_possible(self, schema: Mapping[str, Any], name: str, inside: tuple[str, ...]) -> bool:
        try:
            self.of(schema, name, inside)
        except NoExampleError:
            return False
        return "x-rootly" not in schema

    def _array(self, schema: Mapping[str, Any], name: str, inside: tuple[str, ...]) -> list[Any]:
        least = schema.get("minItems", 0)
        if not least and not self.is_whole:
            return []
        try:
            return [self.of(schema.get("items", {}), name, inside)] * max(1, least)
        except NoExampleError:
            if least:
                raise
            return []

    def _text(self, schema: Mapping[str, Any], name: str) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        if name.endswith("_id"):
            return UUID
        pattern = re.compile(schema.get("pattern", ""))
        for text in (NAMES.get(name, "text"), *TEXTS):
            if pattern.search(text) and len(text) >= schema.get("minLength", 0):
                return text[: schema.get("maxLength")]
        raise NoExampleError(f"{name}: {pattern.pattern}")
