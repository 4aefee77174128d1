"""Looking in PagerTree for an alert by its mark, and whether an empty answer means anything."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pagersync.pagertree.client import ALERT_ROWS_MAX, PagerTree
from pagersync.pagertree.resources import RemoteAlert
from pagersync.paging.models import marks_of, operation_of

CLOCKS_APART: Final = timedelta(minutes=5)
"""How far PagerTree's clock and ours may be apart."""


@dataclass(frozen=True, slots=True)
class Search:
    """What came of looking for a mark.

    Attributes:
        alert: the oldest alert that carries it.
        is_filtered: PagerTree found just that by its third-party id, however many there are.
        is_whole: nothing was cut off: every alert since then was looked at.
        others: the operations whose marks the other alerts carry, where these were looked at.
    """

    alert: RemoteAlert | None
    is_filtered: bool = False
    is_whole: bool = True
    others: frozenset[UUID] = frozenset()


async def find_marked(pagertree: PagerTree, marker: str, *, sent_after: datetime) -> Search:
    """Look for the alert that carries `marker`: by its third-party id, then by tag and time.

    What PagerTree answers is looked at again, since it is not known that it filters by everything
    that it is asked to.

    Raises:
        PagerTreeError: the search did not end in an answer.
    """
    found = await find_by_id(pagertree, marker)
    if found.alert is not None:
        return found
    recent = await pagertree.list_alerts(created_after=sent_after - CLOCKS_APART)
    return search_of(recent, marker)


async def find_by_id(pagertree: PagerTree, marker: str) -> Search:
    """Look for the alert that carries `marker` by its third-party id alone: one call.

    Raises:
        PagerTreeError: the search did not end in an answer.
    """
    found = await pagertree.list_alerts(thirdparty_id=marker, rows_max=100)
    is_filtered = bool(found) and all(each.thirdparty_id == marker for each in found)
    return Search(_oldest(found, marker), is_filtered=is_filtered, is_whole=False)


def search_of(recent: list[RemoteAlert], marker: str) -> Search:
    """Return what the newest alerts say of the one that carries `marker`. Pure."""
    return Search(
        _oldest(recent, marker),
        is_whole=len(recent) < ALERT_ROWS_MAX,
        others=frozenset(_operations_of(recent)),
    )


def _oldest(alerts: list[RemoteAlert], marker: str) -> RemoteAlert | None:
    marked = [alert for alert in alerts if marker in marks_of(alert.thirdparty_id, alert.tags)]
    return min(marked, key=lambda alert: alert.id, default=None)


def _operations_of(alerts: list[RemoteAlert]) -> list[UUID]:
    marks = [mark for alert in alerts for mark in marks_of(alert.thirdparty_id, alert.tags)]
    return [operation_id for mark in marks if (operation_id := operation_of(mark))]
