"""Which processes are there: what one held that is gone is given back at once.

A lease says for how long a silent worker is waited for, and that is long: a machine may be busy.
A process that was killed will never come back. Its lease tokens carry its number. It holds an
advisory lock on that number as long as its listening connection is open, and says all the time
that it is there. One that has not said so for a while, and whose lock is free, is gone.

Both are asked for: a stalled process keeps its lock, and one whose connection broke comes back and
says that it is there. When the database starts again, all have lost their locks: then who looks
waits until the others had time to come back.
"""

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Final, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import BigInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base
from pagersync.database.engine import Connection

BEAT_S: Final = 0.5
GONE_S: Final = 2.0
COME_BACK_S: Final = 1.0
"""From when a process is connected until it may find that others are gone."""

YOUNG_S: Final = 10.0
"""A database that started since may have taken the locks of those that are about to come back."""

log = structlog.get_logger()


class Process(Base):
    """A process that may hold rows.

    Attributes:
        id: its number, which its lease tokens begin with.
        seen_at: when it last said that it is there.
    """

    __tablename__ = "processes"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class _Number:
    """The number of this process; a fork gets another one."""

    def __init__(self) -> None:
        self.draw()
        os.register_at_fork(after_in_child=self.draw)

    def draw(self) -> None:
        self.value = secrets.randbits(63)


_number: Final = _Number()


def new_token() -> UUID:
    """Return a lease token of this process: no two are the same."""
    return UUID(int=_number.value << 64 | secrets.randbits(64))


GiveBack: TypeAlias = Callable[[Connection, UUID, UUID], Awaitable[int]]
"""Gives back the rows of one table that are held under tokens from one to another; counts them."""


class Presence:
    """Tells that this process is there, as long as a connection is open.

    Args:
        connection: one that nobody else uses.
        give_back: what is done for each table when a process is gone, by the table's name.
        come_back_s: how long others may take to be there again after the database has started.
    """

    def __init__(
        self,
        connection: Connection,
        give_back: Mapping[str, GiveBack],
        *,
        come_back_s: float = COME_BACK_S,
    ) -> None:
        self._connection = connection
        self._give_back = give_back
        self._come_back_s = come_back_s
        self._may_look_at = monotonic()

    async def enter(self) -> None:
        """Take the lock by which others see that this process is there."""
        is_young = await self._connection.fetchval(_ENTER, _number.value, YOUNG_S)
        self._may_look_at = monotonic() + (self._come_back_s if is_young else 0.0)

    async def beat(self) -> None:
        """Say that this process is still there, and give back what those held that are gone."""
        silent = await self._connection.fetch(_BEAT, _number.value, GONE_S)
        if self._give_back and monotonic() >= self._may_look_at:
            for process in silent:
                await self._bury(process["id"])

    async def _bury(self, number: int) -> None:
        """Give back what a process held if it is gone: then nobody has its lock."""
        connection = self._connection
        first = UUID(int=number << 64)
        last = UUID(int=first.int | (1 << 64) - 1)
        async with connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", number):
                return
            rows = {
                table: await give_back(connection, first, last)
                for table, give_back in self._give_back.items()
            }
            for table, count in rows.items():
                if count:
                    await connection.execute("SELECT pg_notify('pagersync', $1)", table)
            await connection.execute("DELETE FROM processes WHERE id = $1", number)
        if held := {table: count for table, count in rows.items() if count}:
            log.warning("a process is gone, and what it held is given back", rows=held)


_ENTER: Final = """
SELECT now() - pg_postmaster_start_time() < make_interval(secs => $2)
FROM pg_try_advisory_lock($1)
"""

_BEAT: Final = """
WITH mine AS (
    INSERT INTO processes AS p (id, seen_at) VALUES ($1, now())
    ON CONFLICT (id) DO UPDATE SET seen_at = now()
)
SELECT id FROM processes WHERE seen_at < now() - make_interval(secs => $2) AND id <> $1
"""
