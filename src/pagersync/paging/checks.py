"""When PagerTree is asked how a page stands: soon at first, then ever more rarely. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from pagersync.paging.models import PageStatus

CHECKS_MAX: Final = 200

FIRST_S: Final[Mapping[PageStatus, float]] = MappingProxyType(
    {
        PageStatus.SENT: 2,
        PageStatus.STUCK: 60,
        PageStatus.CONFIRMED: 60,
        PageStatus.DROPPED: 300,
        PageStatus.ACKNOWLEDGED: 600,
    }
)
LONGEST_S: Final[Mapping[PageStatus, float]] = MappingProxyType({PageStatus.SENT: 30})
HOUR_S: Final = 3600.0


def next_check_at(
    before: PageStatus, status: PageStatus, checks: int, now: datetime
) -> datetime | None:
    """Return when PagerTree is asked next how a page stands; None when it no longer is.

    Args:
        before: the status that it had.
        status: the status that it has.
        checks: how often it was asked while it had `before`.
        now: the time.
    """
    first_s = FIRST_S.get(status)
    if first_s is None or checks >= CHECKS_MAX:
        return None
    same = checks if status == before else 0
    pause_s = min(first_s * 2.0 ** min(same, 20), LONGEST_S.get(status, HOUR_S))
    return now + timedelta(seconds=pause_s)
