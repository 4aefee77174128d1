"""An alert in PagerTree's v3 format, and what each event changes about it.

The documentation shows one sample and does not say which type every key has. Assumed here:
`livecall` is null for an alert that nobody phoned in, `handoffs[].acknowledged` is a boolean,
`handoffs[].to` and `from` are teams, and whoever is on call (`d_user_id`) is who acknowledges.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pagersync.simulator.account import Account, prefixed_id
from pagersync.simulator.incidents import draw_trouble

STATUS_AFTER: Mapping[str, str] = {
    "alert.created": "queued",
    "alert.open": "open",
    "alert.timeout": "open",
    "alert.rejected": "open",
    "alert.handoff": "open",
    "alert.acknowledged": "acknowledged",
    "alert.dropped": "dropped",
    "alert.resolved": "resolved",
}
"""The status of an alert once an event has happened to it."""

NOT_YET_KEYS = (
    "acknowledged",
    "acknowledgedby",
    "resolved",
    "resolvedby",
    "archived",
    "archivedby",
)
"""What is null, or left out, until it has happened."""

_RESOLVED_BY_MONITORING_RATE = 0.3


@dataclass(frozen=True, slots=True)
class Moment:
    """When an event happens, in which account, and what draws its details."""

    at: datetime
    account: Account
    rng: random.Random


def new_alert(moment: Moment, *, tiny_id: int) -> dict[str, Any]:
    """Draw an alert that was created at this moment and is not routed yet: all 34 keys."""
    at, account, rng = moment.at, moment.account, moment.rng
    trouble = draw_trouble(rng)
    return {
        "sid": account.id,
        "id": prefixed_id(rng, "alt"),
        "createdAt": iso_millis(at),
        "updatedAt": iso_millis(at),
        "meta": dict(trouble.meta),
        "tinyId": tiny_id,
        "parent_id": None,
        "thirdparty_id": f"{rng.getrandbits(64):016x}",
        "destination_ids": [rng.choice(account.teams).id],
        "title": trouble.title,
        "description": trouble.description,
        "type": "alert",
        "subtype": "alert",
        "status": STATUS_AFTER["alert.created"],
        "urgency": trouble.urgency,
        "d_team_id": None,
        "d_user_id": None,
        "s_log_id": prefixed_id(rng, "log"),
        "created": int(at.timestamp()),
        **dict.fromkeys(NOT_YET_KEYS),
        "livecall": None,
        "source_id": account.integration_id,
        "response_requested": False,
        "responses": [],
        "responses_recorded": {},
        "tags": list(trouble.tags),
        "additional_data": [dict(item) for item in trouble.additional_data],
        "stakeholder_ids": [],
        "handoffs": [],
    }


def alert_after(event_type: str, alert: Mapping[str, Any], moment: Moment) -> dict[str, Any]:
    """Give the alert as it is once the event has happened; the given one stays as it was."""
    change = _CHANGES.get(event_type)
    return {
        **alert,
        **(change(alert, moment) if change else {}),
        "status": STATUS_AFTER[event_type],
        "updatedAt": iso_millis(moment.at),
    }


def iso_millis(at: datetime) -> str:
    """Write an aware time as PagerTree does: UTC, milliseconds, a Z at the end."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _open(alert: Mapping[str, Any], moment: Moment) -> dict[str, Any]:
    on_call = moment.rng.choice(moment.account.users)
    return {"d_team_id": alert["destination_ids"][0], "d_user_id": on_call.id}


def _escalate(_alert: Mapping[str, Any], moment: Moment) -> dict[str, Any]:
    return {"d_user_id": moment.rng.choice(moment.account.users).id}


def _acknowledge(alert: Mapping[str, Any], moment: Moment) -> dict[str, Any]:
    """A second acknowledgement does not move the documented first time."""
    return {
        "acknowledged": alert["acknowledged"] or int(moment.at.timestamp()),
        "acknowledgedby": alert["d_user_id"],
        "handoffs": [{**handoff, "acknowledged": True} for handoff in alert["handoffs"]],
    }


def _hand_off(alert: Mapping[str, Any], moment: Moment) -> dict[str, Any]:
    before = alert["d_team_id"]
    team = moment.rng.choice([team for team in moment.account.teams if team.id != before])
    handoff = {
        "to": team.id,
        "from": before,
        "time": int(moment.at.timestamp()),
        "acknowledged": False,
    }
    return {
        "d_team_id": team.id,
        "d_user_id": moment.rng.choice(moment.account.users).id,
        "handoffs": [*alert["handoffs"], handoff],
    }


def _resolve(alert: Mapping[str, Any], moment: Moment) -> dict[str, Any]:
    by_monitoring = moment.rng.random() < _RESOLVED_BY_MONITORING_RATE
    return {
        "resolved": int(moment.at.timestamp()),
        "resolvedby": None if by_monitoring else alert["acknowledgedby"],
    }


_CHANGES: Mapping[str, Callable[[Mapping[str, Any], Moment], dict[str, Any]]] = {
    "alert.open": _open,
    "alert.timeout": _escalate,
    "alert.rejected": _escalate,
    "alert.acknowledged": _acknowledge,
    "alert.handoff": _hand_off,
    "alert.resolved": _resolve,
}
