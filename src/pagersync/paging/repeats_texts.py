"""How it is told that somebody is paged once more for a page. Pure."""

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from pagersync.paging.repeats_due import Due, Why

PREFIX: Final = "(may be a repeat) "
CANNOT_PAGE: Final = " cannot page) "
PAGED_FOR_IT: Final = " paged for it"
IN_ACCOUNT: Final = " in the account "
UNKNOWN: Final = "nobody could tell whether PagerTree has it"


@dataclass(frozen=True, slots=True)
class Told:
    """How the new page says what it is.

    Attributes:
        prefix: of its title.
        note: why it is sent; a clause without a full stop.
        perhaps: what follows `was paged for it`.
        where: what stands between them, if that was elsewhere.
    """

    prefix: str
    note: str
    perhaps: str = ""
    where: str = ""


class PageLike(Protocol):
    """The first page."""

    @property
    def id(self) -> UUID:
        """Its id."""

    @property
    def status(self) -> str:
        """How it stands."""


def told_again(page_id: UUID, for_s: float) -> Told:
    """Return how it is told that the same targets are paged again."""
    note = f"page {page_id} may not have arrived: for {round(for_s)} s {UNKNOWN}"
    return Told(PREFIX, note, ", perhaps again")


def told_elsewhere(due: Due, page: PageLike, own: str, other: str, problem: str | None) -> Told:
    """Return how it is told that the default targets of another account are paged.

    Args:
        due: why.
        page: the first page.
        own: the name of its account.
        other: the name of the account that pages.
        problem: why the first account cannot page now, if that is known.
    """
    so = f"so the default targets of the account {other!r} are paged"
    for_s = round(due.for_s)
    error = (due.error or "no reason is known").rstrip(".")
    where = f"{IN_ACCOUNT}{other!r}"
    first = f"page {page.id} of the account {own!r}"
    match due.why:
        case Why.UNKNOWN:
            note = f"{first} may not have arrived: for {for_s} s {UNKNOWN}, {so}"
            return Told(PREFIX, note, ", perhaps again", where)
        case Why.WAITS:
            why = problem or f"PagerTree fails for its account: {error}"
            note = f"{first} has waited for {for_s} s ({why}), {so}"
        case _ if page.status == "canceled":
            note = f"{first} was not sent ({error}), {so}"
        case _:
            note = f"{first} failed ({error}), {so}"
    return Told(f"({own}{CANNOT_PAGE}", note, where=where)
