"""docs/rootly-compatibility.md, made of Rootly's client and of pagersync's own API document.

`python -m tests.compatibility.table` writes it anew.
"""

import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from rootly_sdk import api, models

from pagersync.app import create_app
from pagersync.jsonapi import EMPTY_HERE, MEDIA_TYPE
from pagersync.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "rootly-compatibility.md"
BEGIN, END = "<!-- the table: made by a test -->\n", "<!-- the end of the table -->\n"

HEAD = "| operation | client | request: kept | accepted, not kept | refused unless empty |"

ANSWERS = {
    "alerts": models.Alert,
    "alert_events": models.AlertEvent,
    "incidents": models.Incident,
    "incident_events": models.IncidentEvent,
    "workflows": models.Workflow,
    "workflow_tasks": models.WorkflowTask,
    "workflow_runs": models.WorkflowRun,
    "severities": models.Severity,
    "teams": models.Team,
    "users": models.User,
    "webhooks_endpoints": models.WebhooksEndpoint,
    "webhooks_deliveries": models.WebhooksDelivery,
}
"""Rootly's model of each resource that both have, by the client's package."""

NOT_SHARED = {
    "alerts": {"get_receipt"},
    "incidents": {
        "add_subscribers_to_incident",
        "assign_user_to_incident",
        "detach_from_parent_incident",
        "remove_assigned_user_from_incident",
        "remove_subscribers_to_incident",
    },
    "teams": {
        "bulk_delete_groups",
        "bulk_upsert_groups",
        "create_group_catalog_property",
        "get_team_incidents_chart",
        "list_group_catalog_properties",
    },
}
"""Operations of these packages about what pagersync does not have."""


@dataclass(frozen=True)
class Operation:
    """An operation of Rootly's client, and what pagersync's document says of it."""

    package: str
    name: str
    method: str
    path: str
    parameters: frozenset[str]
    body: str | None
    document: dict[str, Any] | None

    @property
    def lacking(self) -> list[str]:
        """Query parameters that pagersync does not know."""
        known = {each["name"] for each in (self.document or {}).get("parameters", ())}
        return sorted(self.parameters - known)


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Yield every operation of the resources that both have."""
    paths = {re.sub(r"{\w+}", "{}", path): methods for path, methods in document["paths"].items()}
    for package in ANSWERS:
        inside = import_module(f"{api.__name__}.{package}")
        for found in pkgutil.iter_modules(inside.__path__):
            if found.name in NOT_SHARED.get(package, ()):
                continue
            module = import_module(f"{inside.__name__}.{found.name}")
            yield _operation(package, found.name, module, paths)


def _operation(
    package: str, name: str, module: ModuleType, paths: dict[str, dict[str, Any]]
) -> Operation:
    source = inspect.getsource(module)
    method, url = re.findall(r'"method": "(\w+)",\s+"url": "([^"]+)"', source)[0]
    body = re.search(r"body: (\w+)", source)
    return Operation(
        package=package,
        name=name,
        method=method,
        path=url,
        parameters=frozenset(re.findall(r'params\["([^"]+)"\]', source)),
        body=body[1] if body else None,
        document=paths.get(re.sub(r"{\w+}", "{}", url), {}).get(method),
    )


class Comparison:
    """Rootly's client compared with pagersync's document."""

    def __init__(self) -> None:
        document = create_app(Settings()).openapi()
        self.schemas: dict[str, Any] = document["components"]["schemas"]
        self.operations = list(operations(document))

    def requests(self, operation: Operation) -> dict[str, list[str]]:
        """Return the attributes of Rootly's request by what becomes of them."""
        model = getattr(models, f"{operation.body}DataAttributes", None)
        if model is None or operation.document is None:
            return {}
        own = self._request_properties(operation.document)
        sorted_out: dict[str, list[str]] = {}
        for field in attrs.fields(model):
            name = field.name.rstrip("_")
            if name != "additional_properties":
                what = "unknown" if name not in own else self._mark(own[name])
                sorted_out.setdefault(what, []).append(name)
        return sorted_out

    def empty(self, package: str) -> list[str]:
        """Return the attributes of Rootly's answer that are always empty."""
        names = {field.name for field in attrs.fields(ANSWERS[package])}
        found = set()
        for operation in self.operations:
            if operation.package == package and operation.document is not None:
                properties = self._answer_properties(operation.document)
                found |= {n for n, p in properties.items() if _says(p, EMPTY_HERE)}
        return sorted(found & names)

    def _mark(self, schema: dict[str, Any]) -> str:
        every = [schema, *schema.get("anyOf", ())]
        return next((each["x-rootly"] for each in every if "x-rootly" in each), "kept")

    def _request_properties(self, operation: dict[str, Any]) -> dict[str, Any]:
        body = operation.get("requestBody", {}).get("content", {})
        found: dict[str, Any] = {}
        for content in body.values():
            self._collect(content.get("schema", {}), ("data", "attributes"), found)
        return found

    def _answer_properties(self, operation: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                content = answer.get("content", {}).get(MEDIA_TYPE, {})
                self._collect(content.get("schema", {}), ("data", "attributes"), found)
        return found

    def _collect(
        self, schema: dict[str, Any], path: tuple[str, ...], found: dict[str, Any]
    ) -> None:
        """Collect the properties at a path, through references, lists and alternatives."""
        if "$ref" in schema:
            self._collect(self.schemas[schema["$ref"].rpartition("/")[2]], path, found)
        for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
            self._collect(each, path, found)
        if "items" in schema:
            self._collect(schema["items"], path, found)
        elif not path:
            found.update(schema.get("properties", {}))
        elif path[0] in schema.get("properties", {}):
            self._collect(schema["properties"][path[0]], path[1:], found)

    def table(self) -> str:
        """Return the tables in Markdown."""
        parts = []
        for package in ANSWERS:
            rows = [self._row(each) for each in self.operations if each.package == package]
            empty = ", ".join(f"`{name}`" for name in self.empty(package)) or "none"
            parts.append(
                f"### {package}\n\n{HEAD}\n|---|---|---|---|---|\n"
                + "\n".join(rows)
                + f"\n\nAlways empty in answers: {empty}.\n"
            )
        return "\n".join(parts)

    def _row(self, operation: Operation) -> str:
        requests = self.requests(operation)
        cells = [
            f"`{operation.method.upper()} {operation.path}`",
            f"`{operation.name}`",
            *(_names(requests.get(what, ())) for what in ("kept", "ignored", "refused")),
        ]
        return f"| {' | '.join(cells)} |"


def _says(schema: dict[str, Any], text: str) -> bool:
    return bool(schema.get("description") == text)


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def page_with(table: str) -> str:
    """Return the page with the table in its place."""
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{table}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(Comparison().table()))
    sys.stdout.write(f"{PAGE.name} is written\n")
