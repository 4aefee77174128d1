"""The sender: claims operations of requesters by turns, and works several at a time."""

import asyncio
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from pagersync.database.complaints import complain
from pagersync.database.engine import Connection
from pagersync.database.insist import insist
from pagersync.database.pool import Pool
from pagersync.database.queue import Queue
from pagersync.database.trouble import trouble_of
from pagersync.metrics import OPERATION_SECONDS
from pagersync.paging.batches import CLAIMED, loaded
from pagersync.paging.claim import LANE, claimable
from pagersync.paging.store import show_lost
from pagersync.paging.turn import Turns
from pagersync.paging.waiting import tell_waits
from pagersync.settings import Settings

POLL_S: Final = 1.0
"""How long a gate that opens by itself, or a lost wake-up call, can delay an operation."""

HELD_PER_CALL: Final = 2
"""While some operations are called about, as many others are loaded or recorded."""

SEARCHES: Final = 4
"""So many operations are looked for while one call is made that changes something."""

CALL_BACK_S_MAX: Final = 10.0
"""After longer pauses an operation waits for the next poll."""

NEVER_BURIED: Final = 2**31 - 1
"""The sender itself ends what has used up its attempts: the page must learn of it too."""

log = structlog.get_logger()


def _wake_in(loop: asyncio.AbstractEventLoop, wake: asyncio.Event, delay_s: float) -> None:
    """Look for work when a short pause is over, which the poll would see late."""
    if delay_s <= CALL_BACK_S_MAX:
        loop.call_later(delay_s, wake.set)


_IN_DOUBT_NOW: Final = """,
    last_sent_at = CASE WHEN q.may_have_been_sent THEN now() ELSE q.last_sent_at END"""
"""A call that was under way ended in doubt when its process did: it is looked for from now on."""


def operations_queue(settings: Settings, *, looks: bool = False) -> Queue:
    """Return the queue of calls that PagerTree must see.

    Args:
        settings: limits.
        looks: claims what is to be looked for, because it may have been sent, instead of the rest.
    """
    return Queue(
        "operations",
        columns=(),
        attempts_max=NEVER_BURIED,
        lease_s=settings.operation_lease_s,
        head=claimable(settings.pagertree_calls_per_s, looks=looks),
        shown=CLAIMED.replace("SELECT", "SELECT o.lane,", 1),
        if_lost=_IN_DOUBT_NOW,
        lane=LANE,
    )


async def _tidy_up(connection: Connection) -> None:
    await show_lost(connection)
    await tell_waits(connection)


class Sender:
    """Works the operations of all integrations until it is told to stop.

    What may have been sent is looked for beside all the rest: while PagerTree fails, this takes
    long, and holds up no new page.
    """

    def __init__(self, turns: Turns, settings: Settings) -> None:
        self._turns = turns
        self._looks = Pool(
            turns.engine,
            operations_queue(settings, looks=True),
            self._take_turn,
            concurrency=SEARCHES * settings.operation_concurrency,
            poll_s=POLL_S,
        )
        self._pool = Pool(
            turns.engine,
            turns.queue,
            self._take_turn,
            concurrency=HELD_PER_CALL * settings.operation_concurrency,
            poll_s=POLL_S,
            after_expiry=_tidy_up,
        )

    async def run(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what was claimed by then is finished first."""
        self._turns.lags.start()
        loop, look = asyncio.get_running_loop(), asyncio.Event()
        self._turns.call_back = partial(_wake_in, loop, wake)
        self._turns.look_back = partial(_wake_in, loop, look)
        try:
            await asyncio.gather(self._pool.run(wake, stop), self._looks.run(look, stop))
        finally:
            await self._turns.lags.aclose()
            await self._turns.aclose()

    async def _take_turn(self, token: UUID, row: asyncpg.Record) -> None:
        try:
            with OPERATION_SECONDS.time():
                await self._turns.take(token, loaded(row))
        except Exception as error:
            if trouble_of(error) is None:
                log.exception("an operation was interrupted", operation_id=str(row["id"]))
            else:
                complain("an operation was interrupted", error)
            await insist(partial(self._turns.give_back, token, row["id"]))
