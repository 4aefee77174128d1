"""What goes over the wire for an event: one JSON document, written once.

By default it has the keys `type` and `data`. Three options of PagerTree's outgoing webhook
change it: linked objects, a custom template, and the `setval` action of outgoing rules.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pagersync.simulator.account import Account
from pagersync.simulator.life import WebhookEvent

Template = Callable[[WebhookEvent], str]
"""Renders an event as text, which should be JSON."""

# A rule that sets this key redirects the delivery and leaves no trace in the body.
_REDIRECT_KEY = "webhook_url"


def wire_body(
    event: WebhookEvent,
    *,
    rules: Mapping[str, Any] | None = None,
    template: Template | None = None,
    linked: Account | None = None,
) -> bytes:
    """Write the body of an event's delivery; every attempt to deliver it sends these bytes.

    Args:
        event: What happened.
        rules: Keys that outgoing rules set. They land beside `type` and `data`, and replace
            even those. That rules apply after a template is our assumption.
        template: Writes the body instead of the default one.
        linked: Adds the objects behind the ids of an alert, as `send_linked` does, and takes
            them from this account.

    Returns:
        UTF-8 JSON.
    """
    if linked is not None and event.type.startswith("alert."):
        event = WebhookEvent(event.type, {**event.data, **_linked_objects(event, linked)}, event.at)
    body = _render(event, template)
    if isinstance(body, dict):
        body |= {key: value for key, value in (rules or {}).items() if key != _REDIRECT_KEY}
    return _to_json(body).encode()


def _linked_objects(event: WebhookEvent, account: Account) -> dict[str, Any]:
    """Look up the four objects; of their keys only those are given that are known to be read."""
    alert = event.data
    team = next((team for team in account.teams if team.id == alert["d_team_id"]), None)
    user = next((user for user in account.users if user.id == alert["d_user_id"]), None)
    return {
        "d_team": team and {"id": team.id, "name": team.name},
        "d_user": user and {"id": user.id, "name": user.name, "emails": [{"email": user.email}]},
        "source": {"id": account.integration_id, "name": account.integration_name},
        "s_log": {"id": alert["s_log_id"], "content": {"params": {"Title": alert["title"]}}},
    }


def _render(event: WebhookEvent, template: Template | None) -> Any:
    """Apply the template; when it gives no valid JSON, PagerTree sends the default body."""
    default = {"type": event.type, "data": event.data}
    if template is None:
        return default
    try:
        return json.loads(template(event))
    except json.JSONDecodeError:
        return default


def keep_fields(fields: Collection[str]) -> Template:
    """Make a template that keeps the type and only these keys of the data."""
    return _choosing(lambda key: key in fields)


def drop_fields(fields: Collection[str]) -> Template:
    """Make a template that keeps everything but these keys of the data."""
    return _choosing(lambda key: key not in fields)


def _choosing(is_kept: Callable[[str], bool]) -> Template:
    def template(event: WebhookEvent) -> str:
        data = {key: event.data[key] for key in event.data if is_kept(key)}
        return _to_json({"type": event.type, "data": data})

    return template


def chat_message(event: WebhookEvent) -> str:
    """Be a template of quite another shape: one line of text, as a chat would take it."""
    title, status = event.data.get("title"), event.data.get("status")
    link = f"https://app.pagertree.com/#/alert/{event.data['id']}"
    return _to_json({"text": f"{title} is {status}: {link}"})


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
