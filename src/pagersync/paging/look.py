"""Looking for an alert that may have been created: one search, and what it means.

`settle.py` says when an empty search may be believed, `search.py` searches, `lags.py` knows how
far the search of an account lags behind.
"""

from dataclasses import replace
from time import monotonic
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.database.queue import Outcome
from pagersync.errors import PagerTreeError
from pagersync.pagertree.client import PagerTree
from pagersync.pagertree.resources import RemoteAlert
from pagersync.paging import settle, step
from pagersync.paging.lags import (
    load_lags,
    load_references,
    misses_earlier,
    sees_later,
)
from pagersync.paging.models import marker_of
from pagersync.paging.newest import NewestAlerts
from pagersync.paging.search import Search, find_by_id, find_marked, search_of
from pagersync.paging.settle import Settle, may_settle, settle_of
from pagersync.paging.step import End, Work
from pagersync.settings import Settings

READS_MAX: Final = 8
"""How often one call of a search is tried within a turn."""

LONG_S: Final = 86_400.0
"""How long ago a call ended of which nobody knows when it did."""


class Looking:
    """Looks for alerts that may have been created.

    Args:
        engine: of the database.
        settings: limits.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._engine = engine
        self._mode = settings.search_settle
        self._upper_s = settings.search_settle_s
        self._attempts_max = settings.operation_attempts_max
        self._newest = NewestAlerts()

    async def aclose(self) -> None:
        """Break off the listings that are under way."""
        await self._newest.aclose()

    async def look(
        self, pagertree: PagerTree, work: Work, *, delayed_s: float
    ) -> tuple[End, RemoteAlert | None, PagerTreeError | None]:
        """Search for the alert of an operation; return how it goes on, and what was seen.

        Args:
            pagertree: the account.
            work: the operation.
            delayed_s: how long ago the operation was read.
        """
        # Counted to the beginning of the search: what it finds is as old as that.
        waited_s = LONG_S if work.sent_ago_s is None else work.sent_ago_s + delayed_s
        wait = await self._settle(work)
        try:
            search = await self._search(pagertree, work, wait, waited_s)
            if search.alert is not None:
                return End(Outcome.done(work.id)), search.alert, None
            return await self._after_empty(pagertree, work, search, wait, waited_s), None, None
        except PagerTreeError as error:
            return self._after_failure(work, error, waited_s), None, error

    async def look_at_once(
        self, pagertree: PagerTree, work: Work, *, took_s: float
    ) -> tuple[End, RemoteAlert | None, PagerTreeError | None]:
        """Search for the alert of a call that has just ended in doubt, as `look` does.

        Args:
            pagertree: the account.
            work: the operation, as it was when the call went out.
            took_s: how long the call took.
        """
        began_s = monotonic()
        just_sent = replace(work, lookups=0, sent_ago_s=0.0, last_sent_at=None)
        end, remote, error = await self.look(pagertree, just_sent, delayed_s=0.0)
        outcome = replace(end.outcome, is_attempt=True)  # the call was one
        grace_s = took_s - (monotonic() - began_s)  # the search took its part of it
        return replace(end, outcome=outcome, grace_s=grace_s), remote, error

    async def _search(
        self, pagertree: PagerTree, work: Work, wait: Settle, waited_s: float
    ) -> Search:
        """Search by one call; by all that there is where an empty answer may be believed."""
        marker = marker_of(work.id)
        found = await find_by_id(pagertree, marker)
        if found.alert is not None or not may_settle(
            wait, looks=work.lookups + 1, waited_s=waited_s
        ):
            return found
        sent_after = work.first_sent_at or work.created_at
        recent = await self._newest.list(pagertree, work.integration_id, sent_after=sent_after)
        return search_of(recent, marker)

    def _after_failure(self, work: Work, error: PagerTreeError, waited_s: float) -> End:
        return step.after_failed_lookup(
            work,
            error,
            attempts_max=self._attempts_max,
            waited_s=waited_s,
            longest_s=self._upper_s,
        )

    async def _after_empty(
        self, pagertree: PagerTree, work: Work, search: Search, wait: Settle, waited_s: float
    ) -> End:
        sees_later = await self._sees_later(work, search, wait)
        finds_others = None
        if settle.is_settled(
            wait, looks=work.lookups + 1, waited_s=waited_s, sees_later=sees_later
        ) and not await self._misses_earlier(work, search, wait, waited_s):
            finds_others = await self._finds_others(pagertree, work, search)
        return step.after_empty_lookup(
            work,
            finds_others=finds_others,
            attempts_max=self._attempts_max,
            settle=wait,
            waited_s=waited_s,
        )

    async def _settle(self, work: Work) -> Settle:
        async with raw_connection(self._engine) as connection:
            lags = await load_lags(connection, work.integration_id)
        return settle_of(lags, mode=self._mode, upper_s=self._upper_s)

    async def _sees_later(self, work: Work, search: Search, wait: Settle) -> bool:
        if wait.in_order_s is None or work.last_sent_at is None or not search.is_whole:
            return False
        async with raw_connection(self._engine) as connection:
            return await sees_later(
                connection, work.integration_id, search.others, work.last_sent_at
            )

    async def _misses_earlier(
        self, work: Work, search: Search, wait: Settle, waited_s: float
    ) -> bool:
        """Tell whether the search still misses an alert that was there before ours could be.

        Then it lags further behind than was waited, whatever was measured before.
        """
        if waited_s >= wait.longest_s or work.last_sent_at is None or not search.is_whole:
            return False
        async with raw_connection(self._engine) as connection:
            return await misses_earlier(
                connection,
                work.integration_id,
                search.others,
                work.last_sent_at,
                within_s=wait.longest_s,
            )

    async def _finds_others(self, pagertree: PagerTree, work: Work, search: Search) -> bool:
        """Tell whether the search finds an alert that was certainly created.

        Where its own list was cut off, ours could be among what was not seen: then only what is
        found by its third-party id counts.
        """
        async with raw_connection(self._engine) as connection:
            references = await load_references(connection, work)
        if search.is_whole and any(each in search.others for each, _ in references):
            return True
        for operation_id, sent_at in references:
            marker = marker_of(operation_id)
            other = await find_marked(pagertree, marker, sent_after=sent_at)
            if other.alert is not None and (search.is_whole or other.is_filtered):
                return True
        return False
