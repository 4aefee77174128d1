"""The life of one alert, as the outgoing webhook tells it.

The statuses of an alert, and the events that move it from one to another::

    queued        --open-->          open
    open          --timeout-->       open           (again and again)
    open          --rejected-->      open           (again and again)
    open          --dropped-->       dropped        (at most once)
    open, dropped --acknowledged-->  acknowledged
    acknowledged  --handoff-->       open           (assumed: no status is documented)
    open, dropped, acknowledged --resolved--> resolved

Everything here is pure: the same draws, account and options give the same events.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pagersync.simulator.account import Account
from pagersync.simulator.snapshot import (
    NOT_YET_KEYS,
    STATUS_AFTER,
    Moment,
    alert_after,
    new_alert,
)

ALERT_EVENT_TYPES = tuple(STATUS_AFTER)
"""The eight events that happen to an alert."""

_FULL_PATH = (
    "alert.created",
    "alert.open",
    "alert.rejected",
    "alert.timeout",
    "alert.dropped",
    "alert.acknowledged",
    "alert.handoff",
    "alert.acknowledged",
    "alert.resolved",
)

# What can follow in each status, with its weight; None is the end of the life.
_NEXT: Mapping[str, Mapping[str | None, int]] = {
    "queued": {"alert.open": 98, None: 2},
    "open": {
        "alert.acknowledged": 60,
        "alert.timeout": 15,
        "alert.rejected": 10,
        "alert.dropped": 8,
        "alert.resolved": 5,
        None: 2,
    },
    "dropped": {"alert.acknowledged": 50, "alert.resolved": 20, None: 30},
    "acknowledged": {"alert.resolved": 75, "alert.handoff": 15, None: 10},
    "resolved": {None: 1},
}
_EVENTS_MAX = 24

# How long an alert waits before each event: least and most, in milliseconds.
_WAIT_MS: Mapping[str, tuple[int, int]] = {
    "alert.open": (60, 2_000),
    "alert.acknowledged": (8_000, 240_000),
    "alert.rejected": (5_000, 90_000),
    "alert.timeout": (300_000, 301_500),
    "alert.dropped": (1_000, 300_000),
    "alert.handoff": (60_000, 900_000),
    "alert.resolved": (60_000, 2_400_000),
}
_MACHINE_WAIT_MS = (1, 40)
_MACHINE_RATE = 0.05
_LEFT_OUT_RATE = 0.3


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One event with the snapshot that PagerTree took for it.

    Attributes:
        type: The event's name, such as "alert.created".
        data: What the event is about; for an alert the documented 34 keys of the v3 format.
        at: When it happened, in UTC; for an alert the time in `data["updatedAt"]`.
    """

    type: str
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class LifeOptions:
    """What is given, not drawn, about an alert.

    Attributes:
        started_at: When the alert is created; an aware time, kept to the millisecond.
        tiny_id: The alert's number within its account.
    """

    started_at: datetime
    tiny_id: int = 1


def alert_life(
    rng: random.Random, account: Account, options: LifeOptions
) -> tuple[WebhookEvent, ...]:
    """Draw one alert's life, in the order in which it happened; some lives end unresolved."""
    return life_along(_draw_path(rng), rng, account, options)


def full_life(
    rng: random.Random, account: Account, options: LifeOptions
) -> tuple[WebhookEvent, ...]:
    """Draw a life that holds all eight kinds of event: nine events, two are acknowledgements."""
    return life_along(_FULL_PATH, rng, account, options)


def life_along(
    path: Sequence[str], rng: random.Random, account: Account, options: LifeOptions
) -> tuple[WebhookEvent, ...]:
    """Tell the life that goes through the given events.

    Args:
        path: Types of alert events; the first is "alert.created". Whether PagerTree could send
            them in this order is not checked.
        rng: Draws everything that is not given.
        account: Where the alert lives.
        options: The alert's start and number.

    Returns:
        One event for each type, with strictly increasing times.
    """
    moment = Moment(_to_millisecond(options.started_at), account, rng)
    alert = new_alert(moment, tiny_id=options.tiny_id)
    leaves_out = rng.random() < _LEFT_OUT_RATE
    events = [_take_snapshot(path[0], alert, moment.at, leaves_out=leaves_out)]
    for event_type in path[1:]:
        moment = Moment(moment.at + _draw_wait(rng, event_type), account, rng)
        alert = alert_after(event_type, alert, moment)
        events.append(_take_snapshot(event_type, alert, moment.at, leaves_out=leaves_out))
    return tuple(events)


def _draw_path(rng: random.Random) -> list[str]:
    path = ["alert.created"]
    while len(path) < _EVENTS_MAX:
        choices = dict(_NEXT[STATUS_AFTER[path[-1]]])
        if "alert.dropped" in path:
            choices.pop("alert.dropped", None)
        following = rng.choices(list(choices), weights=list(choices.values()))[0]
        if following is None:
            break
        path.append(following)
    return path


def _to_millisecond(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)


def _draw_wait(rng: random.Random, event_type: str) -> timedelta:
    """Draw a wait; now and then a machine acts, within milliseconds of the event before."""
    is_machine = rng.random() < _MACHINE_RATE
    least_ms, most_ms = _MACHINE_WAIT_MS if is_machine else _WAIT_MS[event_type]
    return timedelta(milliseconds=rng.randint(least_ms, most_ms))


def _take_snapshot(
    event_type: str, alert: Mapping[str, Any], at: datetime, *, leaves_out: bool
) -> WebhookEvent:
    """Keep the alert as it is now; what has not happened yet is null, or left out."""
    absent = {key for key in NOT_YET_KEYS if leaves_out and alert[key] is None}
    return WebhookEvent(event_type, {key: alert[key] for key in alert if key not in absent}, at)
