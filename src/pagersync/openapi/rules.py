"""Rules of values that the code checks and Pydantic's schemas do not show. Pure."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

from pagersync.access.names import NAME_CHARACTERS_MAX
from pagersync.pagertree.payloads import TIME_PATTERN

FILLED: Final = {"minLength": 1, "pattern": r"^[^\x00]*[^\x00\s][^\x00]*$"}
NAME: Final = {
    "minLength": 1,
    "maxLength": NAME_CHARACTERS_MAX,
    "pattern": r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\xa0]*[^\x00-\x20\x7f-\xa0])?$",
}

RULES: Final[MappingProxyType[str, dict[str, dict[str, Any]]]] = MappingProxyType(
    {
        "NewIncidentAttributes": {"title": FILLED},
        "ChangedIncident": {"title": FILLED},
        "NewEntry": {"event": FILLED},
        "ChangedEntry": {"event": FILLED},
        "NewSeverity": {"name": NAME},
        "ChangedSeverity": {"name": NAME},
        "NewIntegration": {
            "name": NAME,
            "api_key": {"minLength": 1, "maxLength": 1000, "pattern": "^[!-~]+$"},
        },
        "NewApiKey": {"name": NAME},
        "ChangedApiKey": {"name": NAME},
        "NewWorkflow": {"name": NAME},
        "ChangedWorkflow": {"name": NAME},
        "NewTask": {"name": NAME},
        "ChangedTask": {"name": NAME},
        "PageRequest": {"title": FILLED},
        "NewAlertAttributes": {"summary": FILLED},
        "ChangedAlert": {"summary": FILLED},
    }
)
"""By component and attribute: what else a text must be."""

NEVER_NULL: Final = MappingProxyType(
    {
        "ChangedIncident": ("title", "status", "kind", "private"),
        "ChangedSeverity": ("name", "severity", "position"),
        "ChangedEntry": ("event", "visibility"),
        "ChangedWorkflow": ("name", "enabled", "trigger_params", "tasks"),
        "ChangedApiKey": ("name",),
        "ChangedTask": ("name", "task_params", "enabled", "skip_on_failure"),
        "ChangedEndpoint": ("name", "event_types", "enabled", "custom_headers"),
    }
)
"""What may be left out of a change but not be null."""


def state_rules(schemas: dict[str, Any]) -> None:
    """Write the rules into the schemas."""
    for component, attributes in RULES.items():
        for name, rule in attributes.items():
            for schema in _texts(_attribute(schemas, component, name)):
                schema.update(rule)
    for component, names in NEVER_NULL.items():
        for name in names:
            _forbid_null(_attribute(schemas, component, name))
    for schema in _all(list(schemas.values())):
        if schema.get("format") == "date-time" and "examples" not in schema:
            schema["pattern"] = TIME_PATTERN  # times in answers come with an example


def _attribute(schemas: dict[str, Any], component: str, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = schemas.get(component, {}).get("properties", {}).get(name, {})
    return schema


def _texts(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in (schema, *schema.get("anyOf", ())) if each.get("type") == "string"]


def _forbid_null(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if not schema["anyOf"]:
        del schema["anyOf"]


def _all(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node:
        if isinstance(each, dict | list):
            yield from _all(each)
