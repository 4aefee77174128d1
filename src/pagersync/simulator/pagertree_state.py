"""What the simulated PagerTree remembers: alerts, who was paged, and what was asked of it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pagersync.simulator.account import prefixed_id, seeded, ulid
from pagersync.simulator.directory import AccountUser, Destination, Directory, Team

DEDUPLICATED_STATUSES = frozenset({"queued", "open", "acknowledged", "dropped"})
"""An alert in one of these takes in a new one with its `thirdparty_id`, where that is done."""


@dataclass(slots=True)
class Alert:
    """An alert; the lifecycle changes it in place.

    Attributes:
        fields: What its creator said: title, description, urgency, tags, meta, thirdparty_id.
        destinations: Where it was sent.
        source: Whose it is: the API key's account user, or None for the monitoring integration.
        d_team: The team that has it now.
        d_user: Who is on call for it now.
        handoffs: As webhooks show them.
        comments: As the API shows them.
    """

    id: str
    prefix_id: str
    tiny_id: int
    created_at: datetime
    updated_at: datetime
    log_id: str
    fields: dict[str, Any]
    destinations: list[Destination]
    source: AccountUser | None
    status: str = "queued"
    acknowledged_at: datetime | None = None
    acknowledged_by: AccountUser | None = None
    resolved_at: datetime | None = None
    resolved_by: AccountUser | None = None
    d_team: Team | None = None
    d_user: AccountUser | None = None
    handoffs: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)

    def touch(self) -> datetime:
        """Move `updated_at` on, by a millisecond at least, and return it."""
        self.updated_at = max(now(), self.updated_at + timedelta(milliseconds=1))
        return self.updated_at

    def has_marker(self, marker: str) -> bool:
        """Tell whether the marker is the alert's `thirdparty_id` or one of its tags."""
        return marker == self.fields["thirdparty_id"] or marker in self.fields["tags"]


@dataclass(frozen=True, slots=True)
class Notification:
    """A target was paged, because an alert opened there."""

    at: datetime
    alert: Alert
    target: Destination


@dataclass(slots=True)
class SeenRequest:
    """A request to the API; `status` is None while it is worked on, and if nothing was answered."""

    number: int
    method: str
    path: str
    query: str
    status: int | None = None
    fault: str | None = None


class PagerTreeState:
    """Everything that a reset forgets."""

    def __init__(self, seed: int, directory: Directory) -> None:
        self.directory = directory
        self.alerts: dict[str, Alert] = {}
        self.notifications: list[Notification] = []
        self.requests: list[SeenRequest] = []
        self._rng: random.Random = seeded(seed, "state")
        self._tiny_id = 0

    def add_alert(
        self, fields: dict[str, Any], destinations: list[Destination], source: AccountUser | None
    ) -> Alert:
        """Keep a new alert, which is queued."""
        at = now()
        self._tiny_id += 1
        alert = Alert(
            id=ulid(self._rng, at),
            prefix_id=prefixed_id(self._rng, "alt"),
            tiny_id=self._tiny_id,
            created_at=at,
            updated_at=at,
            log_id=prefixed_id(self._rng, "log"),
            fields=fields,
            destinations=destinations,
            source=source,
        )
        self.alerts[alert.id] = alert
        return alert

    def find_alert(self, id_: str) -> Alert | None:
        """Return the alert that has this id, which may be a ULID or a prefixed one."""
        if id_ in self.alerts:
            return self.alerts[id_]
        return next((alert for alert in self.alerts.values() if alert.prefix_id == id_), None)

    def with_thirdparty_id(self, thirdparty_id: str) -> Iterator[Alert]:
        """Yield the alerts that would take in a new one with this `thirdparty_id`."""
        for alert in self.alerts.values():
            is_same = alert.fields["thirdparty_id"] == thirdparty_id
            if is_same and alert.status in DEDUPLICATED_STATUSES:
                yield alert

    def add_comment(self, alert: Alert, body: str, author: AccountUser) -> dict[str, Any]:
        """Keep a comment on an alert; the prefix of its id is ours, none is documented."""
        at = now()
        comment = {
            "id": ulid(self._rng, at),
            "prefix_id": prefixed_id(self._rng, "com"),
            "account_user_id": author.id,
            "created_by_name": author.name,
            "created_at": at,
            "updated_at": at,
            "body": body,
        }
        alert.comments.append(comment)
        return comment


def now() -> datetime:
    """Return the time, to the millisecond, as PagerTree keeps it."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
