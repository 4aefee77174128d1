"""What the document says in words: of the whole, of its tags, of operations without their own."""

from types import MappingProxyType
from typing import Final

DESCRIPTION: Final = """
pagersync keeps PagerTree and your incident process in step: alerts in once, pages out once.

- Send an API key as `Authorization: Bearer KEY`; `pagersync keys create NAME` prints one.
- Answers are [JSON:API](https://jsonapi.org) documents. For what both have, paths, attributes,
  filters and pages are those of Rootly's API.
- Every error has the same shape, with a stable `code`, a `detail` that says what to do, and the
  request's `id`.
- A POST with an `Idempotency-Key` can be sent again: it has one effect and one answer.
- A change with `If-Match` loses nobody else's.
- Times are UTC, ISO 8601, with milliseconds.
"""

TAGS: Final = MappingProxyType(
    {
        "Alerts": "What PagerTree, people and workflows raised, and what happened to it.",
        "Incidents": "What is being worked on, from its declaration to its end.",
        "Incident events": "The timeline of an incident.",
        "Severities": "How bad incidents can be.",
        "Pages": "People being called through PagerTree: asked for here, once each.",
        "Operations": "What pagersync does in PagerTree, call by call.",
        "Workflows": "What is done when something happens, and what was.",
        "Domain events": "What happened, and what each workflow made of it.",
        "Traces": "Why somebody was paged, or was not.",
        "Teams": "Teams of PagerTree that can be paged.",
        "Users": "People of PagerTree that can be paged.",
        "Directory": "Whom PagerTree can page, and who is on call.",
        "Integrations": "Connected PagerTree accounts.",
        "Deliveries": "Webhook bodies as they came, and replay.",
        "Webhooks in": "What PagerTree calls.",
        "Webhook endpoints": "Where events are sent to.",
        "Webhook deliveries": "What was sent to endpoints, how that went, and replay.",
        "Webhooks out": "The events that pagersync sends.",
        "Secrets": "What calls of workflows and endpoints log in with: written, never answered.",
        "API keys": "Who may use the API, and for what.",
        "Audit log": "Who changed what, when, from where.",
        "Health": "For whoever watches the service.",
    }
)
"""The tags, in the order of the document."""

LIST: Final = (
    "Pages of it, newest first unless `sort` says otherwise; `meta.next_cursor` is the next page's "
    "`page[after]`. Filters are joined by AND."
)


def describe(method: str, path: str) -> str:
    """Return what an operation does, as far as its method and its path tell. Pure."""
    is_about_one = path.endswith("}")
    match method:
        case "get":
            return "As it is now." if is_about_one else LIST
        case "post":
            return "Answers with what there is now, once it is committed."
        case "delete":
            return "It is gone once this is answered."
    return "What is left out stays as it is. Answers with what there is now."
