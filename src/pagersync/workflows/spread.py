"""When runs beyond a workflow's limit a minute begin. Pure.

They wait for a minute that has room, in their order. Runs that somebody needs never wait for longer
than `NEEDED_MINUTES_MAX`: then the limit gives way, and the rest is spread evenly.
"""

from collections.abc import Sequence
from itertools import chain, islice, repeat
from typing import Final

NEEDED_MINUTES_MAX: Final = 5
"""Longest wait of runs that page people, or that lead to it or end it."""

OTHERS_MINUTES_MAX: Final = 60
"""Longest wait of other runs; what finds no room by then does not run."""


def minutes_max(*, is_needed: bool) -> int:
    """Return how many minutes ahead of this one runs can be put."""
    return NEEDED_MINUTES_MAX if is_needed else OTHERS_MINUTES_MAX


def spread(room: Sequence[int], runs: int, *, is_needed: bool) -> list[int | None]:
    """Return the minute in which each of some runs begins, in their order.

    Args:
        room: how many runs each minute can take, this minute first; at least two minutes.
        runs: how many begin.
        is_needed: whether they begin in any case.

    Returns:
        The minute, 0 for this one; None for a run that does not begin.
    """
    free = chain.from_iterable(repeat(minute, max(0, n)) for minute, n in enumerate(room))
    fitting: list[int] = list(islice(free, runs))
    rest = runs - len(fitting)
    if not is_needed:
        return [*fitting, *repeat(None, rest)]
    later = len(room) - 1
    return [*sorted(fitting + [1 + index * later // rest for index in range(rest)])]
