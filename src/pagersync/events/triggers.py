"""What workflows call the things that happen. Pure.

Incident and alert triggers have Rootly's names, but for `incident_restarted`. One change of an
incident is one event, whatever number of its fields it changes, so a workflow that several of its
triggers fit runs once.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

INCIDENT_TRIGGERS: Final = (
    "incident_created",
    "incident_in_triage",
    "incident_started",
    "incident_restarted",
    "incident_updated",
    "title_updated",
    "summary_updated",
    "status_updated",
    "severity_updated",
    "timeline_updated",
    "alert_attached",
    "incident_unpaged",
)
ALERT_TRIGGERS: Final = ("alert_created", "alert_status_updated", "alert_unpaged")
PAGE_TRIGGERS: Final = (
    "page_confirmed",
    "page_acknowledged",
    "page_dropped",
    "page_stuck",
    "page_failed",
    "page_unknown",
    "page_resolve_failed",
    "page_acknowledge_failed",
    "page_update_failed",
    "page_paged_elsewhere",
)
ACCOUNT_TRIGGERS: Final = ("reference_broken",)
TRIGGERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "incident": INCIDENT_TRIGGERS,
        "alert": ALERT_TRIGGERS,
        "page": PAGE_TRIGGERS,
        "account": ACCOUNT_TRIGGERS,
        "simple": (),
    }
)
"""The triggers of each kind of workflow; a simple one is started by hand only."""

_PLAIN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alert.created": "alert_created",
        "alert.status_updated": "alert_status_updated",
        "incident.timeline_updated": "timeline_updated",
        "incident.alert_attached": "alert_attached",
        "directory.reference_broken": "reference_broken",
        "incident.unpaged": "incident_unpaged",
        "alert.unpaged": "alert_unpaged",
        **{name.replace("_", ".", 1): name for name in PAGE_TRIGGERS},
    }
)
_FIELDS: Final = ("title", "summary", "status", "severity")
_ENDED: Final = ("mitigated", "resolved", "closed", "cancelled")

OURS_ONLY: Final = frozenset({"incident_restarted", "incident_unpaged", "alert_unpaged"})
"""Triggers of Rootly's kinds of workflows that Rootly does not have."""


def triggers_of(event_type: str, data: Mapping[str, Any]) -> list[str]:
    """Return the triggers that an event is.

    Args:
        event_type: for example `incident.updated`.
        data: of a change, with `changes`: `{"status": {"from": "started", "to": "resolved"}}`; of
            a creation, with `status`.
    """
    if event_type == "incident.created":
        return ["incident_created", *_entered(data.get("status"))]
    if event_type == "incident.updated":
        changes = data.get("changes", {})
        status = changes.get("status", {})
        restarted = ["incident_restarted"] if is_restart(status) else []
        return [
            "incident_updated",
            *(f"{name}_updated" for name in _FIELDS if name in changes),
            *_entered(status.get("to")),
            *restarted,
        ]
    return [_PLAIN[event_type]] if event_type in _PLAIN else []


def is_restart(change: Mapping[str, Any]) -> bool:
    """Tell whether a change of status, `{"from", "to"}`, starts an incident again that had ended.

    One that was mitigated had: its people may have gone.
    """
    return change.get("to") == "started" and change.get("from") in _ENDED


def _entered(status: str | None) -> list[str]:
    return [f"incident_{status}"] if status in ("started", "in_triage") else []
