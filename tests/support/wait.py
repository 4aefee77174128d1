"""Waiting for what happens soon."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    ask: Callable[[], Awaitable[T]], is_good: Callable[[T], bool] = bool, *, timeout_s: float = 15
) -> T:
    """Return the first answer that is good; fail with the last one after `timeout_s`."""
    deadline = monotonic() + timeout_s
    while True:
        answer = await ask()
        if is_good(answer):
            return answer
        assert monotonic() < deadline, f"it never came: {answer!r}"
        await asyncio.sleep(0.02)
