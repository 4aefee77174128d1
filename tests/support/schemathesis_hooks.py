"""What schemathesis must know of requests that no schema of one parameter can say."""

from typing import Any

import schemathesis

ORDERED_OTHERWISE = "/v1/severities"


@schemathesis.hook
def map_query(context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Ask for pages that there are.

    A page's number and its size have a limit together, and only the list's own order has cursors.
    """
    if query:
        if "page[number]" in query and isinstance(query["page[number]"], int):
            query["page[number]"] = min(query["page[number]"], 51)
        if "sort" in query or context.operation.path == ORDERED_OTHERWISE:
            query.pop("page[after]", None)
    return query
