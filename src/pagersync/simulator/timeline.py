"""What a whole account sends: many lives, told in the order in which everything happened."""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from pagersync.simulator.account import Account
from pagersync.simulator.life import LifeOptions, WebhookEvent, alert_life
from pagersync.simulator.other_events import CommentAction, comment_event, reminder_event

_GAP_S_MAX = 60.0
_SHIFT = timedelta(hours=8)
_SECOND_ACTIONS: tuple[CommentAction | None, ...] = ("updated", "destroyed", None)


def timeline(
    rng: random.Random, account: Account, *, alerts: int, started_at: datetime
) -> list[WebhookEvent]:
    """Draw the lives of many alerts, up to a minute apart, merged in true order.

    The draws do not depend on `started_at`: another start moves every event by the same time.
    """
    lives = []
    for tiny_id in range(1, alerts + 1):
        lives.append(alert_life(rng, account, LifeOptions(started_at, tiny_id)))
        started_at += timedelta(seconds=rng.uniform(0, _GAP_S_MAX))
    return in_order(event for life in lives for event in life)


def comments_on(
    rng: random.Random, account: Account, events: Sequence[WebhookEvent]
) -> Iterator[WebhookEvent]:
    """Comment on each acknowledgement after a second; some comments are edited or taken back."""
    for event in events:
        if event.type != "alert.acknowledged":
            continue
        at = event.at + timedelta(seconds=1)
        created = comment_event(rng, account, action="created", at=at)
        yield created
        action = rng.choice(_SECOND_ACTIONS)
        if action is not None:
            at += timedelta(seconds=30)
            comment_id = created.data["id"]
            yield comment_event(rng, account, action=action, at=at, comment_id=comment_id)


def reminders_during(
    rng: random.Random, account: Account, events: Sequence[WebhookEvent]
) -> Iterator[WebhookEvent]:
    """Tell of a change of shift at the first event and every eight hours until the last."""
    at, end = events[0].at, events[-1].at
    while at <= end:
        yield reminder_event(rng, account, action="going_off_call", at=at)
        yield reminder_event(rng, account, action="going_on_call", at=at)
        at += _SHIFT


def in_order(events: Iterable[WebhookEvent]) -> list[WebhookEvent]:
    """Sort events by the time at which they happened; equal times stay as they were given."""
    return sorted(events, key=lambda event: event.at)
