"""The awaits at which a run of the tests kills: a sixth, by the day, or those that one asks for."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from uuid import UUID

from tests.support.kill_points import Moment

AT_ONCE = 4
EVERY = int(os.environ.get("PAGERSYNC_KILL_EVERY", "6"))
SEED = int(os.environ.get("PAGERSYNC_KILL_SEED") or os.environ["TESTS_DAY"])
NOBODY = 10_000
"""The number of an await that nobody reaches."""
MOMENTS: tuple[tuple[Moment, int], ...] = (("suspended", 1), ("resumed", 2))
"""When processes are killed, and at which awaits: at every one, at every second.

To be killed when an await goes on is nearly the same as to be killed when the next one begins.
"""

Prepare = Callable[[], Awaitable[UUID]]
Kill = Callable[[UUID, int], Awaitable[int | None]]


def chosen(step: int) -> Iterator[int]:
    """Yield the numbers of the awaits at which this run kills: 1 for all, 2 for every second.

    Unless all are wanted, it is every sixth of these.
    """
    print(f"PAGERSYNC_KILL_SEED={SEED} PAGERSYNC_KILL_EVERY={EVERY}")  # noqa: T201 - shown when a test fails
    return count(1 + SEED % EVERY * step, EVERY * step)


async def everywhere(prepare: Prepare, kill: Kill, *, step: int = 1, least: int = 60) -> list[UUID]:
    """Kill a process at an early await, another at a later one, until one survives.

    Args:
        prepare: returns something that is to be worked on.
        kill: has it worked on by a process that is killed at an await; returns how many there
            were if it survives.
        step: as for `chosen`.
        least: how many there are at least.
    """
    subjects: list[UUID] = []
    ends: list[int | None] = [None]
    fatal = chosen(step)
    while all(passed is None for passed in ends):
        batch = [await prepare() for _ in range(AT_ONCE)]
        ends = await asyncio.gather(*(kill(subject, next(fatal)) for subject in batch))
        subjects += batch
    assert next(fatal) > least, "hardly anything was awaited"
    return subjects
