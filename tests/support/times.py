"""The times in an answer: ISO 8601 in UTC, with milliseconds and Z, wherever they stand."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pagersync.http import Response

TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOT_OURS: Final = frozenset({"data", "body", "payload", "labels", "error", "detail"})
"""Attributes that hold what others sent, as they sent it."""


async def check_times(response: Response) -> None:
    """Fail where an answer of the API has a time of another form; a hook of the HTTP client."""
    if "json" in response.headers.get("content-type", "") and "/v1/" in response.url.path:
        if not await response.aread():
            return
        document = response.json()
        for resource in _resources(document):
            for name, value in _times(resource.get("attributes") or {}):
                assert TIME.fullmatch(value), f"{name}: {value} in {response.url.path}"


def _resources(document: Any) -> list[dict[str, Any]]:
    data = document.get("data") if isinstance(document, dict) else None
    found = data if isinstance(data, list) else [data]
    return [each for each in (*found, *(document.get("included") or ())) if isinstance(each, dict)]


def _times(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for each in node:
            yield from _times(each)
    elif isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str) and name.endswith("_at"):
                yield name, value
            elif name not in NOT_OURS:
                yield from _times(value)
