"""PagerTree's alert states, and which of two in the same millisecond is the later one. Pure.

The states are those of PagerTree's documentation ("Alert States"); their order is the one of its
diagram.
"""

from typing import Final

RANKS: Final = ("queued", "open", "dropped", "acknowledged", "resolved")


def rank(status: str | None) -> int:
    """Return how late in its life an alert with this status is; -1 for one that is not known."""
    return RANKS.index(status) if status in RANKS else -1
