"""Looking in PagerTree for an alert by its mark, and whether an empty answer means anything."""

from datetime import datetime, timedelta
from typing import Final

from pagersync.pagertree.client import PagerTree
from pagersync.pagertree.resources import RemoteAlert

CLOCKS_APART: Final = timedelta(minutes=5)
"""How far PagerTree's clock and ours may be apart."""


async def find_marked(
    pagertree: PagerTree, marker: str, *, sent_after: datetime
) -> RemoteAlert | None:
    """Return the oldest alert that carries `marker`: by its third-party id, then by tag and time.

    What PagerTree answers is looked at again, since it is not known that it filters by everything
    that it is asked to.

    Raises:
        PagerTreeError: the search did not end in an answer.
    """
    found = await pagertree.list_alerts(thirdparty_id=marker, rows_max=100)
    marked = [alert for alert in found if alert.has_marker(marker)]
    if not marked:
        recent = await pagertree.list_alerts(created_after=sent_after - CLOCKS_APART)
        marked = [alert for alert in recent if alert.has_marker(marker)]
    return min(marked, key=lambda alert: alert.id, default=None)
