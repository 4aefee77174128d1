"""The newest alerts of accounts, listed once for all who look at the same moment.

While PagerTree fails, many pages are looked for at once, and each of them needs the same list.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from pagersync.pagertree.client import Exchange, PagerTree
from pagersync.pagertree.resources import RemoteAlert
from pagersync.paging.search import CLOCKS_APART

Key: TypeAlias = tuple[UUID, datetime]
MINUTE: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Asked:
    """Who waits for a listing.

    Attributes:
        next: those for whom the next listing is made.
        task: makes one listing after another while somebody waits.
    """

    next: list[tuple[PagerTree, asyncio.Future[list[RemoteAlert]]]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class NewestAlerts:
    """Lists what is new at accounts.

    Whoever asks while a listing is under way gets the next one: it begins after the question, so
    that what was there then is in it.
    """

    def __init__(self) -> None:
        self._asked: dict[Key, Asked] = {}

    async def list(
        self, pagertree: PagerTree, integration_id: UUID, *, sent_after: datetime
    ) -> list[RemoteAlert]:
        """Return the alerts that an account has had since a little before a moment, newest first.

        Raises:
            PagerTreeError: the listing did not end in an answer.
        """
        since = (sent_after - CLOCKS_APART).replace(second=0, microsecond=0)
        key = (integration_id, since)
        asked = self._asked.setdefault(key, Asked())
        answer: asyncio.Future[list[RemoteAlert]] = asyncio.get_running_loop().create_future()
        asked.next.append((pagertree, answer))
        if asked.task is None:
            asked.task = asyncio.create_task(self._list_all(key, asked))
        return await answer

    async def aclose(self) -> None:
        """Break off what is under way; nobody waits for it any more."""
        tasks = [asked.task for asked in self._asked.values() if asked.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _list_all(self, key: Key, asked: Asked) -> None:
        try:
            while asked.next:
                waiting, asked.next = asked.next, []
                await _answer(waiting, since=key[1])
        finally:
            del self._asked[key]
            for _, answer in asked.next:
                answer.cancel()


async def _answer(
    waiting: list[tuple[PagerTree, asyncio.Future[list[RemoteAlert]]]], *, since: datetime
) -> None:
    """Make one listing; each who waits for it records its calls as its own."""
    exchanges: list[Exchange] = []
    try:
        alerts = await waiting[0][0].recorded_by(exchanges.append).list_alerts(created_after=since)
    except BaseException as error:  # nobody may wait for ever
        for pagertree, answer in waiting:
            pagertree.record(exchanges)
            if not answer.done():
                answer.set_exception(error)
        if not isinstance(error, Exception):
            raise
        return
    for pagertree, answer in waiting:
        pagertree.record(exchanges)
        if not answer.done():
            answer.set_result(alerts)
