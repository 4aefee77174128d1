"""Who causes a row that waits to be worked: the requester, whose rows take turns with others'.

It is kept on what is caused, and goes along with all that follows from that: an incident that a
key declares, the run of the workflow, the page, its call to PagerTree. Sessions of a caller set
it by themselves (`caller.py`). It is empty where nobody asked: PagerTree's webhooks, schedules, and
pagersync itself. What follows from a run that nobody asked for is its workflow's.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

NOBODY: Final = ""

SETTING: Final = "pagersync.requester"
"""PostgreSQL's setting that has the requester of a transaction."""


class Requested:
    """The column of rows that somebody causes."""

    requester: Mapped[str] = mapped_column(
        server_default=text(f"coalesce(current_setting('{SETTING}', true), '')"), sort_order=40
    )
