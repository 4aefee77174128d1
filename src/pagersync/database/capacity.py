"""How the connections of one process are shared out. Pure.

What leads to a page has connections of its own, which nothing else takes: the inbox, applying,
matching, workflow runs, the sender and its checks. Requests of the API have theirs, and so has what
may come later: webhook endpoints, syncs of directories, retention.
"""

from dataclasses import dataclass
from typing import Final

CONNECTIONS_MIN: Final = 15
LOOPS: Final = 5
"""Connections that are held all the time: the listener, the inbox, and three worker loops."""

HEALTH: Final = 1
LOGIN: Final = 2
INTERACTIVE_MIN: Final = 5
BACKGROUND_MIN: Final = 2


@dataclass(frozen=True, slots=True)
class Capacity:
    """The connections of one process, by whose work they are for.

    Attributes:
        paging: for what leads to a page.
        interactive: for requests of the API, and for health checks.
        background: for what can wait.
    """

    paging: int
    interactive: int
    background: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.paging + self.interactive + self.background

    @property
    def runs(self) -> int:
        """How many workflow runs use the database at once: half of what the loops leave."""
        return max(1, (self.paging - LOOPS) // 2)


def share_out(connections_max: int) -> Capacity:
    """Return who gets how many of a process's connections; fewer than 15 are taken for 15."""
    total = max(connections_max, CONNECTIONS_MIN)
    interactive = max(INTERACTIVE_MIN, total // 3)
    background = max(BACKGROUND_MIN, total // 8)
    return Capacity(total - interactive - background, interactive, background)


def share_of_keys(interactive: int) -> tuple[int, int]:
    """Return how many connections for requests API keys have, and how many one has: never all."""
    keys = interactive - HEALTH - LOGIN
    return keys, (keys + 1) // 2
