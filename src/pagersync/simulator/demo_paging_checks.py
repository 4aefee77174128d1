"""What has to be true of the pages that the demo sent, told by the simulated PagerTree. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pagersync.simulator.demo_checks import Check, Row

MARKER_PREFIX: Final = "pagersync:"
"""What the mark of an alert begins with; written down a second time, to find mistakes."""

ALERTS: Final = "/api/v4/alerts"
LOST: Final = "lost_response"


@dataclass(frozen=True, slots=True)
class Step:
    """A status that a page showed, and how long after it was asked for."""

    status: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class WatchedPage:
    """A page of the demo.

    Attributes:
        story: What happens to it on its way.
        page: How the API shows it in the end, with its operations and attempts.
        steps: The statuses that it showed.
    """

    story: str
    page: Row
    steps: Sequence[Step]

    @property
    def mark(self) -> str:
        """By which its alert can be found in PagerTree."""
        return f"{MARKER_PREFIX}{self.page['operations'][0]['id']}"

    @property
    def attempts(self) -> Sequence[Row]:
        """Every exchange that it led to."""
        return [
            attempt for operation in self.page["operations"] for attempt in operation["attempts"]
        ]


@dataclass(frozen=True, slots=True)
class Paged:
    """The pages, and all that the simulated PagerTree saw and did.

    Attributes:
        team: The name of the team that was paged.
        pages: In the order in which they were sent.
        alerts: Those that were created through the API.
        notifications: Who was paged.
        requests: What was asked of the API.
    """

    team: str
    pages: Sequence[WatchedPage]
    alerts: Sequence[Row]
    notifications: Sequence[Row]
    requests: Sequence[Row]

    @property
    def attempts(self) -> Sequence[Row]:
        """Every exchange of every page."""
        return [attempt for watched in self.pages for attempt in watched.attempts]

    @property
    def alert_requests(self) -> Sequence[Row]:
        """The requests that created alerts or searched for them."""
        return [request for request in self.requests if request["path"] == ALERTS]


def compare_paging(paged: Paged) -> Iterator[Check]:
    """Hold the pages against what the simulated PagerTree knows."""
    yield Check(
        f"all {len(paged.pages)} pages are confirmed, and acknowledged",
        expected={watched.page["title"]: "confirmed, acknowledged" for watched in paged.pages},
        seen={watched.page["title"]: _standing(watched.page) for watched in paged.pages},
    )
    yield Check(
        f"PagerTree has one alert for each, and paged {paged.team} once for it",
        expected=_once_each(paged),
        seen=_what_pagertree_did(paged),
    )
    posts = [request for request in paged.alert_requests if request["method"] == "POST"]
    lost = sum(request["fault"] == LOST for request in posts)
    yield Check(
        "each was sent once; the one whose answer was lost was looked for",
        expected={"sent": len(paged.pages), "lost": 1, "looked for": True},
        seen={
            "sent": len(posts),
            "lost": lost,
            "looked for": _has_search(paged.alert_requests) and _has_search(paged.attempts),
        },
    )
    # Beside them PagerTree sees searches that only measure how far its search lags.
    unseen = Counter(_searches(paged.attempts)) - Counter(_searches(paged.alert_requests))
    yield Check(
        "every call that could page somebody is kept as an attempt, and every attempt was seen",
        expected=_creates(posts) | {"searches that PagerTree did not see": "0"},
        seen=_creates(paged.attempts)
        | {"searches that PagerTree did not see": str(unseen.total())},
    )


def _searches(exchanges: Sequence[Row]) -> list[str]:
    return [row["method"] for row in exchanges if row["method"] == "GET"]


def _has_search(exchanges: Sequence[Row]) -> bool:
    return bool(_searches(exchanges))


def _standing(page: Row) -> str:
    confirmed = "confirmed" if page["confirmed_at"] else "not confirmed"
    return f"{confirmed}, {page['status']}"


def _once_each(paged: Paged) -> Mapping[str, int]:
    marks = [watched.mark for watched in paged.pages]
    keys = [*(f"alerts, {mark}" for mark in marks), *(f"{paged.team}, {mark}" for mark in marks)]
    return dict.fromkeys(keys, 1)


def _what_pagertree_did(paged: Paged) -> Mapping[str, int]:
    return Counter(
        [
            *(f"alerts, {alert['thirdparty_id']}" for alert in paged.alerts),
            *(f"{each['target_name']}, {each['thirdparty_id']}" for each in paged.notifications),
        ]
    )


def _creates(exchanges: Sequence[Row]) -> dict[str, str]:
    """Return the creating calls among requests or attempts, in their order."""
    posts = [row for row in exchanges if row["method"] == "POST"]
    return {
        f"call {number}": f"POST {row.get('http_status', row.get('status')) or 'unanswered'}"
        for number, row in enumerate(posts, start=1)
    }
