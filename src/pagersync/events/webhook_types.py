"""The event types that outgoing webhooks have, and which of them a domain event is. Pure.

Rootly's names are used where Rootly has one, so that receivers made for Rootly understand them.
One change of an incident is one domain event, and can be several event types:
`incident.updated`, and `incident.resolved` if that is what it did.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

DataOf = Literal[
    "alerts", "broken_references", "incidents", "incident_events", "pages", "workflow_runs"
]


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type.

    Attributes:
        name: what endpoints subscribe to.
        description: when it is sent, in one line.
        data: the JSON:API type of the resource that it carries.
        is_alias: another name for an event that is sent anyway: only to who names it.
    """

    name: str
    description: str
    data: DataOf
    is_alias: bool = False


EVENT_TYPES: Final[tuple[EventType, ...]] = (
    EventType("alert.created", "An alert is new.", "alerts"),
    EventType("alert.updated", "An alert's status changed.", "alerts"),
    EventType("alert.status_updated", "As `alert.updated`.", "alerts", is_alias=True),
    EventType("alert.unpaged", "Somebody should have been paged, and nobody was.", "alerts"),
    EventType("incident.created", "An incident is new.", "incidents"),
    EventType(
        "incident.updated", "Something about an incident changed, its status perhaps.", "incidents"
    ),
    EventType("incident.in_triage", "An incident is in triage, from now or again.", "incidents"),
    EventType("incident.mitigated", "An incident was mitigated.", "incidents"),
    EventType("incident.resolved", "An incident was resolved.", "incidents"),
    EventType("incident.cancelled", "An incident was cancelled.", "incidents"),
    EventType("incident.deleted", "An incident that was over was removed.", "incidents"),
    EventType("incident.alert_attached", "Alerts were attached to an incident.", "incidents"),
    EventType("incident.unpaged", "Somebody should have been paged, and nobody was.", "incidents"),
    EventType(
        "incident_event.created",
        "Somebody, or a workflow, put something on an incident's timeline.",
        "incident_events",
    ),
    EventType("incident_event.updated", "An entry of a timeline was changed.", "incident_events"),
    EventType("incident_event.deleted", "An entry of a timeline was removed.", "incident_events"),
    EventType(
        "incident.timeline_updated",
        "As `incident_event.created` and `incident_event.updated`.",
        "incident_events",
        is_alias=True,
    ),
    EventType("page.confirmed", "PagerTree was seen to page people.", "pages"),
    EventType("page.acknowledged", "Somebody acknowledged a page.", "pages"),
    EventType("page.resolved", "A page is resolved in PagerTree.", "pages"),
    EventType("page.dropped", "PagerTree dropped a page: nobody was on call.", "pages"),
    EventType("page.stuck", "PagerTree has a page and pages nobody for it.", "pages"),
    EventType("page.failed", "A page was not sent: PagerTree refused, or was away.", "pages"),
    EventType("page.unknown", "Nobody can tell whether PagerTree has a page.", "pages"),
    EventType(
        "page.resolve_failed",
        "A page could not be resolved in PagerTree: people may still be paged.",
        "pages",
    ),
    EventType("page.acknowledge_failed", "A page could not be acknowledged.", "pages"),
    EventType("page.update_failed", "A page could not be changed.", "pages"),
    EventType(
        "alert.resolve_failed",
        "An alert could not be resolved in PagerTree: people may still be paged.",
        "alerts",
    ),
    EventType("alert.acknowledge_failed", "An alert could not be acknowledged.", "alerts"),
    EventType("alert.update_failed", "An alert could not be changed.", "alerts"),
    EventType(
        "page.paged_elsewhere",
        "A page reached nobody, so the default targets of another account are paged.",
        "pages",
    ),
    EventType("page.canceled", "A page was canceled before it was sent.", "pages"),
    EventType("page.expired", "A page was too old to be sent.", "pages"),
    EventType(
        "directory.reference_broken",
        "Somebody whom workflows or default targets name was renamed, removed or doubled.",
        "broken_references",
    ),
    EventType("workflow_run.completed", "A workflow's run completed.", "workflow_runs"),
    EventType(
        "workflow_run.completed_with_errors",
        "A workflow's run completed although tasks of it failed.",
        "workflow_runs",
    ),
    EventType("workflow_run.failed", "A workflow's run failed.", "workflow_runs"),
    EventType("workflow_run.canceled", "A workflow's run was canceled.", "workflow_runs"),
    EventType(
        "genius_workflow_run.completed",
        "As `workflow_run.completed` and `workflow_run.completed_with_errors`.",
        "workflow_runs",
        is_alias=True,
    ),
    EventType(
        "genius_workflow_run.failed", "As `workflow_run.failed`.", "workflow_runs", is_alias=True
    ),
    EventType(
        "genius_workflow_run.canceled",
        "As `workflow_run.canceled`.",
        "workflow_runs",
        is_alias=True,
    ),
)
"""Every event type that is sent."""

BY_NAME: Final[Mapping[str, EventType]] = MappingProxyType(
    {event_type.name: event_type for event_type in EVENT_TYPES}
)

NEVER_SENT: Final[tuple[str, ...]] = (
    *(
        f"incident.scheduled.{what}"
        for what in ("created", "updated", "in_progress", "completed", "deleted")
    ),
    *(f"incident_post_mortem.{what}" for what in ("created", "updated", "published", "deleted")),
    *(f"incident_status_page_event.{what}" for what in ("created", "updated", "deleted")),
    "pulse.created",
    "shift.started",
    "genius_workflow_run.queued",
    "genius_workflow_run.started",
    "audit_log.created",
)
"""Rootly's event types that pagersync has no event for."""

ALL: Final = "*"
"""What an endpoint that names no event types stands for: everything under its first name."""

_STATUSES: Final = ("in_triage", "mitigated", "resolved", "cancelled")


def types_of(event_type: str, data: Mapping[str, Any]) -> list[str]:
    """Return the event types that a domain event is, its own or Rootly's name for it first.

    Args:
        event_type: of the domain event, for example `incident.updated`.
        data: as `triggers.triggers_of` takes it.
    """
    names = [event_type] if event_type in BY_NAME else []
    match event_type:
        case "alert.status_updated":
            names = ["alert.updated", event_type]
        case "incident.created":
            names += _entered(data.get("status"))
        case "incident.updated":
            names += _entered(data.get("changes", {}).get("status", {}).get("to"))
        case "incident.timeline_updated":
            names = [f"incident_event.{data.get('action', 'created')}", event_type]
        case "workflow_run.completed" | "workflow_run.completed_with_errors":
            names.append("genius_workflow_run.completed")
        case "workflow_run.failed" | "workflow_run.canceled":
            names.append(f"genius_{event_type}")
    return names


def selectors_of(name: str) -> list[str]:
    """Return all that can stand in an endpoint's `event_types` to subscribe to an event type."""
    group = name.partition(".")[0]
    if not BY_NAME[name].is_alias:
        return [name, f"{group}.*", ALL]
    return [name, f"{group}.*"] if group in _ONLY_ALIASES else [name]


def unknown_selectors(selectors: Iterable[str]) -> dict[str, str]:
    """Return what in an endpoint's `event_types` cannot be subscribed to, and why."""
    return {
        selector: "Rootly has this event type, but pagersync never sends it"
        if selector in NEVER_SENT
        else "there is no such event type"
        for selector in selectors
        if selector not in _SELECTORS
    }


def _entered(status: str | None) -> list[str]:
    return [f"incident.{status}"] if status in _STATUSES else []


_ONLY_ALIASES: Final = {name.partition(".")[0] for name in BY_NAME} - {
    name.partition(".")[0] for name, event_type in BY_NAME.items() if not event_type.is_alias
}
_SELECTORS: Final = {selector for name in BY_NAME for selector in selectors_of(name)}
