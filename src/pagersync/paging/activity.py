"""What becomes of pages, as activity on the incidents that they are for. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol
from uuid import UUID

from pagersync.events.publish import Fact
from pagersync.incidents.activity import Activity

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "page.stuck": "PagerTree has the page {title!r} and pages nobody yet",
        "page.failed": "The page {title!r} failed",
        "page.unknown": "Nobody can tell whether PagerTree has the page {title!r}",
        "page.expired": "The page {title!r} was not sent",
        "page.canceled": "The page {title!r} was canceled",
    }
)
"""What pagersync itself finds out. What PagerTree shows, its alert's events say."""


class PageLike(Protocol):
    """A page, however it was read."""

    @property
    def id(self) -> UUID:
        """Its id."""

    @property
    def incident_id(self) -> UUID | None:
        """The incident that it is for."""

    @property
    def title(self) -> str:
        """What it is about."""


def page_activity(fact: Fact, page: PageLike, *, reason: str | None) -> Activity | None:
    """Return what a fact about a page is for its incident, if it has one.

    Args:
        fact: what happened.
        page: the page.
        reason: why, for people.
    """
    sentence = SENTENCES.get(fact.type)
    if sentence is None or page.incident_id is None:
        return None
    return Activity(
        incident_id=page.incident_id,
        event=sentence.format(title=page.title) + (f": {reason}" if reason else "."),
        source="system",
        occurred_at=fact.occurred_at,
        delivery_id=fact.delivery_id,
        page_id=page.id,
    )
