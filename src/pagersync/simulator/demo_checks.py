"""What has to be kept of what the demo sent, worked out from the simulated lives alone. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pagersync.simulator.life import WebhookEvent

Row = dict[str, Any]
"""A resource of the API: its attributes, and its id."""

STATUS_OF: Final[Mapping[str, str]] = {
    "queued": "open",
    "open": "triggered",
    "acknowledged": "acknowledged",
    "resolved": "resolved",
    "dropped": "open",
}
"""What PagerTree's states are in pagersync; written down a second time, to find mistakes."""

DIFFERENCES_SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and the digest of the one body that told of it."""

    event: WebhookEvent
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What went to the webhook.

    Attributes:
        lives: The events of each alert in true order, by PagerTree's id of the alert.
        others: Events about no alert.
        unreadable_sha256: Digest of the body that nobody can read.
        requests: How many were sent, those that had to be refused included.
        duplicates: How many of them repeated a success.
        accepted: How many were answered 2xx.
        given_up: Deliveries that were never answered 2xx.
        answers: The status code that each of the wrong requests was answered.
    """

    lives: Mapping[str, Sequence[Told]]
    others: Sequence[Told]
    unreadable_sha256: str
    requests: int
    duplicates: int
    accepted: int
    given_up: int
    answers: Mapping[str, int]

    @property
    def events(self) -> int:
        """How many events the lives have."""
        return sum(map(len, self.lives.values()))


@dataclass(frozen=True, slots=True)
class Kept:
    """What the API shows afterwards.

    Attributes:
        alerts: All of them.
        events: Those of each alert, by the alert's id in pagersync.
        deliveries: All of them.
        refusals: How many requests were turned away, by reason.
    """

    alerts: Sequence[Row]
    events: Mapping[str, Sequence[Row]]
    deliveries: Sequence[Row]
    refusals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that has to hold: what is seen is what is expected, entry by entry."""

    name: str
    expected: Mapping[str, object]
    seen: Mapping[str, object]

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return dict(self.expected) == dict(self.seen)

    def differences(self) -> Iterator[str]:
        """Say of the first few entries that differ what was expected, and what is seen."""
        keys = sorted(self.expected.keys() | self.seen.keys())
        wrong = [key for key in keys if self.expected.get(key) != self.seen.get(key)]
        for key in wrong[:DIFFERENCES_SHOWN_MAX]:
            expected, seen = self.expected.get(key, "nothing"), self.seen.get(key, "nothing")
            yield f"{key}: expected {expected}, seen {seen}"
        if len(wrong) > DIFFERENCES_SHOWN_MAX:
            yield f"... and {len(wrong) - DIFFERENCES_SHOWN_MAX} more"


def compare(sent: Sent, kept: Kept) -> list[Check]:
    """Hold what is kept against what was sent."""
    return [
        Check(
            f"the {len(sent.lives)} alerts are there, once each",
            expected=dict.fromkeys(sent.lives, 1),
            seen=Counter(alert["external_id"] for alert in kept.alerts),
        ),
        Check(
            "each has the status of what happened last, whatever arrived last",
            expected={id_: expected_status(life) for id_, life in sent.lives.items()},
            seen={alert["external_id"]: alert["status"] for alert in kept.alerts},
        ),
        Check(
            f"their histories hold all {sent.events} events, once each and in true order",
            expected={
                id_: _path(told.event.type for told in sent.lives[id_]) for id_ in sent.lives
            },
            seen={
                alert["external_id"]: _history(kept.events[alert["id"]]) for alert in kept.alerts
            },
        ),
        *_compare_deliveries(sent, kept),
        Check(
            "what had to be refused was refused, and counted",
            expected={"wrong secret": 401, "unreadable body": 422, "counted: wrong_secret": 1},
            seen={
                **sent.answers,
                **{f"counted: {reason}": times for reason, times in kept.refusals.items()},
            },
        ),
    ]


def expected_status(life: Sequence[Told]) -> str:
    """Return the status of an alert after its life; nothing leads out of resolved."""
    told = [step.event.data["status"] for step in life]
    return STATUS_OF["resolved" if "resolved" in told else told[-1]]


def _path(event_types: Iterable[str]) -> str:
    return " ".join(event_type.removeprefix("alert.") for event_type in event_types)


def _history(events: Sequence[Row]) -> str:
    return _path(event["event_type"] for event in sorted(events, key=happened_at))


def happened_at(event: Row) -> datetime:
    """Return when an alert event took place in PagerTree."""
    return datetime.fromisoformat(event["occurred_at"])


def _compare_deliveries(sent: Sent, kept: Kept) -> Iterator[Check]:
    bodies = [told.body_sha256 for life in sent.lives.values() for told in life]
    bodies += [told.body_sha256 for told in sent.others]
    bodies += [sent.unreadable_sha256]
    yield Check(
        f"{len(set(bodies))} different bodies are kept, once each, byte for byte (SHA-256)",
        expected=dict.fromkeys(bodies, 1),
        seen=Counter(delivery["body_sha256"] for delivery in kept.deliveries),
    )
    yield Check(
        "every event is applied, and nothing else is",
        expected=+Counter(done=sent.events, ignored=len(sent.others), invalid=1),
        seen=Counter(delivery["state"] for delivery in kept.deliveries),
    )
    received = sent.accepted + 1
    yield Check(
        f"all {received} requests with the right secret are counted, none was given up",
        expected={"received": received, "given up": 0},
        seen={
            "received": sum(delivery["times_received"] for delivery in kept.deliveries),
            "given up": sent.given_up,
        },
    )


def received_at(delivery: Row) -> datetime:
    """Return when a delivery came for the first time."""
    return datetime.fromisoformat(delivery["received_at"])


def count_overtaken(sent: Sent, kept: Kept) -> int:
    """Count the events that came after a newer one of the same alert."""
    came_at = {delivery["body_sha256"]: received_at(delivery) for delivery in kept.deliveries}
    lives = [
        [came_at[told.body_sha256] for told in life if told.body_sha256 in came_at]
        for life in sent.lives.values()
    ]
    return sum(is_overtaken(life, place) for life in lives for place in range(len(life)))


def is_overtaken(came_at: Sequence[datetime], place: int) -> bool:
    """Tell whether a newer event came before the one in this place of the true order."""
    return any(newer < came_at[place] for newer in came_at[place + 1 :])
