"""Traces as tests look at them."""

from collections.abc import Iterator
from typing import Any

from pagersync.http import AsyncClient

Node = dict[str, Any]


async def trace(api: AsyncClient, kind: str, reference: object) -> dict[str, Any]:
    """Return the trace of a page, an incident or an alert."""
    answer = await api.get(f"/v1/{kind}s/{reference}/trace")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert data["type"] == "traces"
    return dict(data["attributes"])


def walk(nodes: list[Node], above: tuple[Node, ...] = ()) -> Iterator[tuple[Node, ...]]:
    """Yield each node of a tree with those that led to it, the root first."""
    for node in nodes:
        yield (*above, node)
        yield from walk(node["children"], (*above, node))


def of_kind(traced: dict[str, Any], kind: str) -> list[Node]:
    """Return the nodes of a kind, in the order in which they stand."""
    return [path[-1] for path in walk(traced["roots"]) if path[-1]["kind"] == kind]


def path_to(traced: dict[str, Any], id_: object) -> list[str]:
    """Return the kinds of what led to a thing, the root's first."""
    (path,) = [path for path in walk(traced["roots"]) if path[-1]["id"] == str(id_)]
    return [node["kind"] for node in path]


def titles(traced: dict[str, Any], kind: str) -> list[str]:
    """Return the sentences of a kind."""
    return [node["title"] for node in of_kind(traced, kind)]
