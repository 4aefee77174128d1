"""Making the document: FastAPI's own, and what it cannot know of every operation."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from pagersync.jsonapi import MEDIA_TYPE, Errors
from pagersync.openapi.answers import (
    API,
    ERRORS_FROM,
    HEADERS,
    IF_MATCH,
    describe_errors,
    describe_headers,
)
from pagersync.openapi.events import REF, Events
from pagersync.openapi.examples import UUID, Examples
from pagersync.openapi.links import add_links
from pagersync.openapi.requests import REQUESTS
from pagersync.openapi.rules import state_rules
from pagersync.openapi.texts import DESCRIPTION, TAGS, describe
from pagersync.openapi.webhook_in import PATH, SECURITY_SCHEMES, WEBHOOK

SERVERS: Final = [{"url": "/", "description": "Where this document came from."}]


def describe_api(app: FastAPI, *, events: Events | None = None) -> None:
    """Let `app.openapi()` return the whole document, made when it is first asked for.

    Args:
        app: with all its routes.
        events: what the service sends.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _make(app, events)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _make(app: FastAPI, events: Events | None) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=DESCRIPTION,
        routes=app.routes,
        servers=SERVERS,
        separate_input_output_schemas=True,
    )
    document["paths"][PATH] = {"post": deepcopy(WEBHOOK)}
    components = document["components"]
    schemas = components["schemas"]
    schemas |= Errors.model_json_schema(ref_template=REF, mode="serialization").pop("$defs")
    schemas["Errors"] = ERRORS
    components["headers"] = HEADERS
    components["securitySchemes"] |= SECURITY_SCHEMES
    state_rules(schemas)
    for path, operation, has_version in _operations(document["paths"]):
        _complete(path, operation, schemas, has_version=has_version)
    add_links(document["paths"])
    if events is not None:
        schemas |= events.schemas()
        document["webhooks"] = events.webhooks(schemas)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["tags"] = _tags(document)
    return document


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield each operation, and whether its answers have a version, as what is changed has."""
    for path, methods in paths.items():
        names = {given["name"] for each in methods.values() for given in each.get("parameters", ())}
        for method, operation in methods.items():
            operation.setdefault("description", describe(method, path))
            yield path, operation, IF_MATCH in names and method != "delete"


def _complete(
    path: str, operation: dict[str, Any], schemas: dict[str, Any], *, has_version: bool
) -> None:
    for parameter in operation.get("parameters", ()):
        _complete_parameter(parameter)
    describe_errors(path, operation)
    describe_headers(path, operation, has_version=has_version)
    made_by_hand = REQUESTS.get(operation["operationId"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "example" not in content:
            example = Examples(schemas, is_whole=False).of(content["schema"])
            content["example"] = _with_attributes(example, made_by_hand)
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get(MEDIA_TYPE)
        if int(status) < ERRORS_FROM and content is not None and "example" not in content:
            answer["description"] = answer["description"].replace("Successful Response", "Done.")
            example = Examples(schemas, is_whole=True).of(content["schema"])
            content["example"] = _with_types(example, _type_of(path))


def _complete_parameter(parameter: dict[str, Any]) -> None:
    """Say what a parameter is: one that is left out is no null, and an id is shown as one."""
    schema = parameter["schema"]
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        others = {name: value for name, value in schema.items() if name != "anyOf"}
        parameter["schema"] = others | choices[0]
    if parameter["in"] == "path":
        parameter.setdefault("example", UUID)


def _with_attributes(example: dict[str, Any], attributes: dict[str, Any] | None) -> dict[str, Any]:
    if attributes is not None:
        example["data"]["attributes"] = attributes
    return example


def _type_of(path: str) -> str:
    parts = [part for part in path.removeprefix(API).split("/") if not part.startswith("{")]
    ends_with_action = len(parts) > 1 and not parts[-1].endswith("s")
    return parts[-2] if ends_with_action else parts[-1]


def _with_types(example: Any, type_: str) -> Any:
    data = example.get("data") if isinstance(example, dict) else None
    for resource in data if isinstance(data, list) else [data]:
        if isinstance(resource, dict) and "type" in resource:
            resource["type"] = type_
            resource.pop("relationships", None)
    if isinstance(example, dict):
        example.pop("included", None)
    return example


def _tags(document: dict[str, Any]) -> list[dict[str, str]]:
    used = {
        tag
        for part in ("paths", "webhooks")
        for methods in document.get(part, {}).values()
        for operation in methods.values()
        for tag in operation["tags"]
    }
    return [{"name": name, "description": text} for name, text in TAGS.items() if name in used]


ERRORS: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Errors",
    "description": "The answer to a request that could not be served.",
    "required": ["errors"],
    "properties": {
        "errors": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Error"}}
    },
}
