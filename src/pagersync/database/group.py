"""Group commit: what several tasks ask of the database at the same time is done together.

One flush is in flight; whatever is asked meanwhile is the next one. There is no timed window: an
idle process works at once, and under load groups grow by themselves.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.database.trouble import is_unreachable

Item = TypeVar("Item")
Result = TypeVar("Result")
Work: TypeAlias = Callable[[Connection, Sequence[Item]], Awaitable[Sequence[Result]]]
"""Does what several items ask for, and returns their results in their order.

It commits all of it or nothing, so that it can be tried again with one item at a time.
"""


class Group(Generic[Item, Result]):
    """Does what tasks ask for, those of one moment together.

    Args:
        engine: of the database.
        work: does it.
        items_max: how many items at most are one group.
        lock_wait_s: a group of several waits no longer for a lock: which of them needs it shows
            when each is alone. An item that is alone waits as long as any statement.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        work: Work[Item, Result],
        *,
        items_max: int = 100,
        lock_wait_s: float = 2.0,
    ) -> None:
        self._engine = engine
        self._work = work
        self._items_max = items_max
        self._lock_wait_s = lock_wait_s
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._flush: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Return the result of an item, once its group is committed.

        Raises:
            Exception: what `work` raised about this item alone, or that the database is away.
        """
        asked: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, asked))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.ensure_future(self._flush_all())
        return await asked

    async def aclose(self) -> None:
        """Break off what is under way; nobody waits for it any more."""
        if self._flush is not None:
            self._flush.cancel()
            await asyncio.gather(self._flush, return_exceptions=True)

    async def _flush_all(self) -> None:
        group: list[tuple[Item, asyncio.Future[Result]]] = []
        try:
            while self._waiting:
                count = min(len(self._waiting), self._items_max)
                group = [self._waiting.popleft() for _ in range(count)]
                await self._do_together(group)
        except BaseException as error:  # nobody may wait for ever
            for _, asked in (*group, *self._waiting):
                if not asked.done():
                    asked.set_exception(error)
            self._waiting.clear()
            if isinstance(error, asyncio.CancelledError):
                raise

    async def _do_together(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        """Do a group; if it fails by itself, each item alone, so that one spoils no other."""
        try:
            async with self._connection(len(group)) as connection:
                results = await self._work(connection, [item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - passed on to whoever asked
            if len(group) > 1 and not is_unreachable(error):
                for one in group:
                    await self._do_together([one])
                return
            for _, asked in group:
                if not asked.done():
                    asked.set_exception(error)
            return
        for (_, asked), result in zip(group, results, strict=True):
            if not asked.done():
                asked.set_result(result)

    @asynccontextmanager
    async def _connection(self, items: int) -> AsyncIterator[Connection]:
        async with raw_connection(self._engine) as connection:
            if items == 1:
                yield connection
                return
            await connection.execute(f"SET lock_timeout = {round(self._lock_wait_s * 1000)}")
            try:
                yield connection
            except Exception as error:
                if not is_unreachable(error):  # else nobody gets the connection any more
                    await connection.execute("RESET lock_timeout")
                raise
            await connection.execute("RESET lock_timeout")
