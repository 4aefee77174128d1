"""Where a page stands, from what its creating call came to and what PagerTree showed since. Pure.

What PagerTree shows comes late, twice and out of order, by webhooks and by asking. So it is folded
as alerts are: the newest status by (`updatedAt`, rank) counts, first times are minima, and
`resolved` absorbs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from pagersync.pagertree.resources import RemoteAlert
from pagersync.pagertree.statuses import RANKS, rank
from pagersync.paging.models import ENDED, OperationState, PageStatus

DROPPED: Final = "dropped"
PAGED: Final = ("open", "acknowledged")
"""Statuses that show that PagerTree has begun to page people."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A page's alert in PagerTree, as one webhook or one answer shows it.

    Attributes:
        pagertree_alert_id: its id as webhooks name it, where that is known.
        pagertree_id: its id in the API, where that is known.
        updated_ms: its `updatedAt` in unix milliseconds; -1 when it names none.
        occurred_at: when this became so, as far as anybody knows.
    """

    pagertree_alert_id: str | None
    pagertree_id: str | None
    status: str | None
    updated_ms: int
    occurred_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None


def seen_in(remote: RemoteAlert, now: datetime) -> Seen:
    """Return what PagerTree's API shows, asked `now`."""
    updated_at = remote.updated_at
    return Seen(
        pagertree_alert_id=remote.prefix_id,
        pagertree_id=remote.id,
        status=remote.status,
        updated_ms=-1 if updated_at is None else round(updated_at.timestamp() * 1000),
        occurred_at=updated_at or now,
        acknowledged_at=remote.acknowledged_at,
        resolved_at=remote.resolved_at,
    )


@dataclass(frozen=True, slots=True)
class PageState:
    """The columns of a page that say how it stands."""

    status: PageStatus
    pagertree_alert_id: str | None = None
    pagertree_id: str | None = None
    remote_status: str | None = None
    remote_updated_ms: int | None = None
    sent_at: datetime | None = None
    confirmed_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    dropped_at: datetime | None = None
    stuck_at: datetime | None = None
    unknown_at: datetime | None = None

    @property
    def is_created(self) -> bool:
        """Whether PagerTree is known to have its alert."""
        return self.pagertree_alert_id is not None or self.pagertree_id is not None


@dataclass(frozen=True, slots=True)
class Creation:
    """How far the call that creates a page's alert has come."""

    state: OperationState
    may_have_been_sent: bool


def see(page: PageState, seen: Seen) -> PageState:
    """Return what is known of a page together with what one webhook or answer shows."""
    known_ms = page.remote_updated_ms
    newest = (seen.updated_ms, rank(seen.status))
    known = (-2 if known_ms is None else known_ms, rank(page.remote_status))
    is_newer = seen.status in RANKS and newest > known and page.remote_status != "resolved"
    resolves = seen.status == "resolved"
    return replace(
        page,
        pagertree_alert_id=page.pagertree_alert_id or seen.pagertree_alert_id,
        pagertree_id=page.pagertree_id or seen.pagertree_id,
        remote_status=seen.status if is_newer or resolves else page.remote_status,
        remote_updated_ms=max(newest[0], known[0]) if seen.status in RANKS else known_ms,
        sent_at=_earliest(page.sent_at, seen.occurred_at, applies=True),
        confirmed_at=_earliest(page.confirmed_at, seen.occurred_at, applies=seen.status in PAGED),
        acknowledged_at=_earliest(
            page.acknowledged_at,
            seen.acknowledged_at or seen.occurred_at,
            applies=seen.status == "acknowledged" or seen.acknowledged_at is not None,
        ),
        acknowledged_by=seen.acknowledged_by or page.acknowledged_by,
        resolved_at=_earliest(
            page.resolved_at, seen.resolved_at or seen.occurred_at, applies=resolves
        ),
        dropped_at=_earliest(page.dropped_at, seen.occurred_at, applies=seen.status == "dropped"),
    )


def _earliest(known: datetime | None, other: datetime, *, applies: bool) -> datetime | None:
    if not applies:
        return known
    return other if known is None else min(known, other)


_BY_REMOTE: Final[Mapping[str | None, PageStatus]] = MappingProxyType(
    {
        "open": PageStatus.CONFIRMED,
        "acknowledged": PageStatus.ACKNOWLEDGED,
        "dropped": PageStatus.DROPPED,
        "resolved": PageStatus.RESOLVED,
    }
)

_BY_CREATION: Final[Mapping[OperationState, PageStatus]] = MappingProxyType(
    {
        OperationState.QUEUED: PageStatus.QUEUED,
        OperationState.RUNNING: PageStatus.SENDING,
        OperationState.DONE: PageStatus.SENT,
        OperationState.FAILED: PageStatus.FAILED,
        OperationState.DEAD: PageStatus.FAILED,
        OperationState.UNKNOWN: PageStatus.UNKNOWN,
        OperationState.CANCELED: PageStatus.CANCELED,
        OperationState.EXPIRED: PageStatus.EXPIRED,
    }
)


def status_of(page: PageState, creation: Creation) -> PageStatus:
    """Return the status of a page: what PagerTree shows counts before what we did."""
    if page.remote_status in _BY_REMOTE:
        return _BY_REMOTE[page.remote_status]
    if page.is_created:
        return PageStatus.STUCK if page.stuck_at else PageStatus.SENT
    if creation.may_have_been_sent and creation.state == OperationState.QUEUED:
        return PageStatus.UNKNOWN
    return _BY_CREATION[creation.state]


_SILENT: Final = (
    PageStatus.QUEUED,
    PageStatus.SENDING,
    PageStatus.SENT,
    PageStatus.CONFIRMED,  # published when it first is, below
    PageStatus.UNKNOWN,  # published when it lasts, by whoever finds that it does
)


def events_between(before: PageState, after: PageState) -> list[str]:
    """Return the domain events that a change of a page publishes.

    `page.unknown` is published when the ambiguity outlasts the search for the alert, not for
    every answer that was lost.
    """
    events = []
    if after.unknown_at is not None and before.unknown_at is None:
        events.append("page.unknown")
    if after.confirmed_at is not None and before.confirmed_at is None:
        events.append("page.confirmed")
    if after.status != before.status and after.status not in _SILENT:
        events.append(f"page.{after.status.value}")
    return events


_REMOTE: Final = frozenset(
    {
        PageStatus.SENT,
        PageStatus.CONFIRMED,
        PageStatus.ACKNOWLEDGED,
        PageStatus.DROPPED,
        PageStatus.STUCK,
        PageStatus.RESOLVED,
    }
)
"""Statuses that PagerTree shows; they can follow any that is not final, in any order."""

PAGE_TRANSITIONS: Final[Mapping[PageStatus, frozenset[PageStatus]]] = MappingProxyType(
    {
        PageStatus.QUEUED: _REMOTE
        | {
            PageStatus.SENDING,
            PageStatus.UNKNOWN,
            PageStatus.FAILED,
            PageStatus.CANCELED,
            PageStatus.EXPIRED,
        },
        PageStatus.SENDING: _REMOTE
        | {PageStatus.QUEUED, PageStatus.UNKNOWN, PageStatus.FAILED, PageStatus.CANCELED},
        PageStatus.UNKNOWN: _REMOTE | {PageStatus.QUEUED, PageStatus.FAILED, PageStatus.SENDING},
        PageStatus.FAILED: _REMOTE | {PageStatus.QUEUED, PageStatus.UNKNOWN},
        PageStatus.CANCELED: _REMOTE | {PageStatus.QUEUED},
        PageStatus.EXPIRED: _REMOTE | {PageStatus.QUEUED},
        **{status: _REMOTE - {status} for status in _REMOTE},
        PageStatus.RESOLVED: frozenset(),
    }
)
"""Which status may follow which; a trigger in the database refuses the rest."""

OPERATION_TRANSITIONS: Final[Mapping[OperationState, frozenset[OperationState]]] = MappingProxyType(
    {
        OperationState.QUEUED: frozenset({OperationState.RUNNING, OperationState.CANCELED}),
        OperationState.RUNNING: frozenset({*ENDED, OperationState.QUEUED, OperationState.DONE}),
        **{state: frozenset({OperationState.QUEUED, OperationState.DONE}) for state in ENDED},
        OperationState.DONE: frozenset(),
    }
)
"""As `PAGE_TRANSITIONS`. What ended goes back to `queued` by a redrive; to `done` when a webhook
shows that PagerTree has the alert after all."""
