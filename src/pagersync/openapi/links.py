"""Links: what was created, can be read, changed and removed by its id. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from pagersync.jsonapi import MEDIA_TYPE

ID: Final = "$response.body#/data/id"


def add_links(paths: dict[str, Any]) -> None:
    """Lead from each POST that answers with a new thing to all that can be done with it."""
    for path, methods in paths.items():
        if "post" not in methods or path.endswith("}"):
            continue
        for status in ("201", "202"):
            answer = methods["post"]["responses"].get(status, {})
            if MEDIA_TYPE in answer.get("content", {}):
                answer["links"] = dict(_links(path, paths)) or answer.get("links", {})


def _links(path: str, paths: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    # A thing that is created in another, /v1/workflows/{id}/workflow_tasks, stands alone as well.
    version, name = path.split("/")[1], path.rpartition("/")[2]
    for starts in dict.fromkeys((f"{path}/{{", f"/{version}/{name}/{{")):
        for other, methods in paths.items():
            if not other.startswith(starts) or other.count("{") != 1:
                continue
            parameter = other.partition("{")[2].partition("}")[0]
            for operation in methods.values():
                name = operation["operationId"]
                yield name, {"operationId": name, "parameters": {parameter: ID}}
