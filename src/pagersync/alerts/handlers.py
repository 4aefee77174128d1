"""The event router: what each of PagerTree's eight events means to an alert. Pure.

The table at the end is the documentation. Each handler says which status the event stands for
(used where the body names none) and how the event reads on the alert's own history, in the words
of Rootly's alert events (`kind`, `action`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pagersync.pagertree.payloads import AlertSnapshot, EventType


@dataclass(frozen=True, slots=True)
class Happening:
    """What one event means.

    Attributes:
        implied_status: the PagerTree status that the event's type stands for; None where the
            type alone changes nothing.
        kind: Rootly's kind of alert event.
        action: Rootly's action of alert event.
        details: one sentence for people.
    """

    implied_status: str | None
    kind: str
    action: str
    details: str


def on_created(_: AlertSnapshot) -> Happening:
    """The alert exists in PagerTree; nobody was paged yet."""
    return Happening("queued", "informational", "created", "Created in PagerTree.")


def on_open(_: AlertSnapshot) -> Happening:
    """The alert was routed to its first destination: people are being paged."""
    return Happening("open", "status_update", "triggered", "Opened in PagerTree: paging began.")


def on_acknowledged(snapshot: AlertSnapshot) -> Happening:
    """Somebody took the alert. May happen again after a hand-off."""
    by = f" by {snapshot.acknowledged_by}" if snapshot.acknowledged_by else ""
    return Happening(
        "acknowledged", "status_update", "acknowledged", f"Acknowledged in PagerTree{by}."
    )


def on_rejected(_: AlertSnapshot) -> Happening:
    """Somebody declined. The status stays; PagerTree asks the next person or layer."""
    return Happening(None, "action", "skipped", "Rejected in PagerTree by a person on call.")


def on_timeout(_: AlertSnapshot) -> Happening:
    """An escalation layer ran out of time. The status stays; the next layer is paged."""
    return Happening(
        None, "action", "escalated", "Nobody on this layer answered in PagerTree: escalated."
    )


def on_resolved(snapshot: AlertSnapshot) -> Happening:
    """The alert is over."""
    by = f" by {snapshot.resolved_by}" if snapshot.resolved_by else ""
    return Happening("resolved", "status_update", "resolved", f"Resolved in PagerTree{by}.")


def on_dropped(_: AlertSnapshot) -> Happening:
    """Nobody is on call, or nobody acknowledged: PagerTree gave up paging."""
    return Happening(
        "dropped",
        "status_update",
        "open",
        "Dropped by PagerTree: nobody was on call, or nobody acknowledged.",
    )


def on_handoff(snapshot: AlertSnapshot) -> Happening:
    """The alert went to another team or router. The status is whatever the snapshot says."""
    to = f" to {snapshot.handed_off_to}" if snapshot.handed_off_to else ""
    return Happening(None, "action", "updated", f"Handed off in PagerTree{to}.")


HANDLERS: Final[Mapping[EventType, Callable[[AlertSnapshot], Happening]]] = MappingProxyType(
    {
        EventType.CREATED: on_created,
        EventType.OPEN: on_open,
        EventType.ACKNOWLEDGED: on_acknowledged,
        EventType.REJECTED: on_rejected,
        EventType.TIMEOUT: on_timeout,
        EventType.RESOLVED: on_resolved,
        EventType.DROPPED: on_dropped,
        EventType.HANDOFF: on_handoff,
    }
)


def handle(snapshot: AlertSnapshot) -> Happening:
    """Route an event to its handler."""
    return HANDLERS[EventType(snapshot.event_type)](snapshot)
