"""What is folded into alerts: webhook events, what PagerTree showed, and what people did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from pagersync.alerts.fold import AlertState
from pagersync.alerts.handlers import Happening
from pagersync.alerts.store import AlertKey
from pagersync.events.publish import Cause
from pagersync.pagertree.payloads import AlertSnapshot
from pagersync.paging.confirm import Sighting, sighting


@dataclass(frozen=True, slots=True)
class Event:
    """What a readable delivery says, or what PagerTree's API showed, and what that means.

    Attributes:
        is_read_back: whether it is what PagerTree's API showed when it was asked.
        cause: who did it, if it was done here.
    """

    delivery_id: UUID | None
    integration_id: UUID
    received_at: datetime
    snapshot: AlertSnapshot
    happening: Happening
    is_read_back: bool = False
    cause: Cause | None = None

    @property
    def key(self) -> AlertKey:
        """The alert it is about."""
        return AlertKey(self.integration_id, self.snapshot.alert_id)

    @property
    def state(self) -> AlertState:
        """What it says about the alert."""
        return AlertState.of(self.snapshot, self.happening.implied_status)

    @property
    def sighting(self) -> Sighting:
        """What it says about a page, if its alert is one's."""
        return sighting(
            self.integration_id,
            self.delivery_id,
            self.snapshot,
            status=self.snapshot.status or self.happening.implied_status,
            occurred_at=self.occurred_at,
        )

    @property
    def occurred_at(self) -> datetime:
        """Its own time, or that of its arrival where it names none."""
        return self.snapshot.updated_at or self.received_at


Events: TypeAlias = Mapping[AlertKey, Sequence[Event]]
