"""Something that many ask for at once is found out once, and told to all of them.

Whoever asks while somebody looks gets what that look finds; whoever asks later, a new one. So a
flood of strangers costs as much as one of them, and keeps nobody from an answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedLook(Generic[T]):
    """Looks on behalf of all who ask.

    Args:
        look: finds it out. It ends by itself, whoever has stopped waiting.
    """

    def __init__(self, look: Callable[[], Awaitable[T]]) -> None:
        self._look = look
        self._under_way: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """Return what is found; who is cancelled stops waiting, and the look goes on.

        Raises:
            Exception: what the look raised.
        """
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._wait())
        return await asyncio.shield(self._under_way)

    async def _wait(self) -> T:
        return await self._look()
