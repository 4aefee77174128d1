"""Wake-up calls: PostgreSQL tells every process that a table has work.

A call that is lost costs seconds, never work: whoever waits also looks by itself now and then.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from pagersync.database.complaints import complain
from pagersync.database.engine import raw_connection
from pagersync.database.presence import BEAT_S, GiveBack, Presence
from pagersync.database.writes import WRITES

CHANNEL: Final = "pagersync"
RECONNECT_S: Final = 0.25


async def notify(session: AsyncSession, table: str) -> None:
    """Wake whoever waits for `table`, when this transaction commits."""
    await session.execute(select(func.pg_notify(CHANNEL, table)))


class Listener:
    """Holds one connection that listens, and sets an event per table that was named.

    The same connection tells that this process is there.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._give_back: Mapping[str, GiveBack] = {}
        self._events: defaultdict[str, list[asyncio.Event]] = defaultdict(list)

    def give_back(self, give_back: Mapping[str, GiveBack]) -> None:
        """Let rows of tables be given back when the process that holds them is gone."""
        self._give_back = give_back

    def subscribe(self, table: str) -> asyncio.Event:
        """Return an event that is set whenever `table` may have changed; the caller clears it."""
        event = asyncio.Event()
        self._events[table].append(event)
        return event

    async def run(self) -> None:
        """Listen until cancelled, connecting again as often as it takes."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - a listener that gave up would slow everything silently
                complain("listening for wake-ups was interrupted", error)
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        """Listen on one connection; however it ends, the connection goes back to nobody."""
        lost = asyncio.Event()
        async with raw_connection(self._engine) as connection:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._wake)
            presence = Presence(connection, self._give_back)
            await presence.enter()
            self._wake_all()  # whatever was said while nobody listened
            while not lost.is_set():
                await presence.beat()
                WRITES.is_not_read_only()
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await lost.wait()
            raise ConnectionError("the listening connection was closed")

    def _wake(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for event in self._events[str(payload)]:
            event.set()

    def _wake_all(self) -> None:
        for events in self._events.values():
            for event in events:
                event.set()
