"""Rows that are given back also while the database is away for a moment.

A row that its worker could not give back is held until its lease ends, a minute later: the worker
lives, so nobody takes it for gone. It was lost at first in the same moment as the work itself, when
connections broke.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

TIMES: Final = 10
PAUSE_S: Final = 0.5


async def insist(
    give_back: Callable[[], Awaitable[object]], *, times: int = TIMES, pause_s: float = PAUSE_S
) -> None:
    """Give back what failed, again and again for a few seconds; then its lease ends it.

    Args:
        give_back: may be called again when it is not known whether it was done.
        times: how often it is tried.
        pause_s: the time between two tries.
    """
    for left in reversed(range(times)):
        try:
            await give_back()
        except Exception:  # noqa: BLE001 - whatever it was, the lease ends it at last
            if left:
                await asyncio.sleep(pause_s)
        else:
            return
