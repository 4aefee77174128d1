"""Lives of alerts for the tests of the fold, and the eight events in their true order."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pagersync.alerts.fold import AlertState
from pagersync.alerts.handlers import handle
from pagersync.pagertree.payloads import read_snapshot

BEGAN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)

EIGHT: tuple[tuple[str, str], ...] = (
    ("alert.created", "queued"),
    ("alert.open", "open"),
    ("alert.rejected", "open"),
    ("alert.timeout", "open"),
    ("alert.dropped", "dropped"),
    ("alert.acknowledged", "acknowledged"),
    ("alert.handoff", "open"),
    ("alert.resolved", "resolved"),
)
"""Every event once, with the status that its snapshot carries."""


def at(minutes: float) -> str:
    """Return a time as PagerTree writes it."""
    moment = BEGAN + timedelta(minutes=minutes)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def eight_bodies(alert_id: str = "alt_1") -> list[dict[str, Any]]:
    """Return the eight events of one alert, a minute apart, in their true order."""
    return [
        {
            "type": event_type,
            "data": {
                "id": alert_id,
                "createdAt": at(0),
                "updatedAt": at(minute),
                "title": f"as of minute {minute}",
                "status": status,
                "urgency": "high",
            },
        }
        for minute, (event_type, status) in enumerate(EIGHT)
    ]


def state_of(body: dict[str, Any]) -> AlertState:
    """Return what one webhook body says about its alert."""
    snapshot = read_snapshot(json.dumps(body).encode())
    return AlertState.of(snapshot, handle(snapshot).implied_status)
