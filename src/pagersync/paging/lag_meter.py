"""How far PagerTree's search lags behind, measured for each account.

Some of the alerts whose creation PagerTree confirmed are looked for by their mark until the search
finds them. Measuring uses calls that nobody else needs at that moment, so it delays no page.
`settle.py` decides what follows from the samples.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.errors import PagerTreeError
from pagersync.integrations import gate
from pagersync.pagertree.client import PagerTree
from pagersync.paging import settle
from pagersync.paging.lags import Begun, begin_lag, end_lag, load_lags, note_missing
from pagersync.paging.models import marker_of
from pagersync.paging.search import Search, find_marked
from pagersync.paging.settle import Lags
from pagersync.paging.store import Account
from pagersync.settings import Settings

AT_ONCE_UNKNOWN: Final = 4
AT_ONCE_KNOWN: Final = 1
EVERY_S: Final = 10.0
"""How often the lag of an account is measured once it is known, where pages go out."""

CONSIDERED_EVERY_S: Final = 0.2
CALLS_A_LOOK: Final = 2
READS_MAX: Final = 4
REST_S: Final = 0.25
"""How long to wait while others need the calls."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Probe:
    """One alert that is looked for.

    Attributes:
        called_at: when the call that created it began, by this machine's clock.
        called_s: the same by the monotonic clock.
        missing_s: when it was last looked for and not found, from then on.
    """

    account: Account
    operation_id: UUID
    called_at: datetime
    called_s: float
    missing_s: float = 0.0

    @property
    def waited_s(self) -> float:
        return monotonic() - self.called_s


class LagMeter:
    """Looks for some of the alerts that a process has created, until the search finds them.

    Args:
        engine: of the database.
        settings: limits.
        open_account: returns a client of an account's PagerTree.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        open_account: Callable[..., PagerTree],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._longest_s = settings.search_settle_s
        self._open = open_account
        self._tasks: set[asyncio.Task[None]] = set()
        self._considered_s: dict[UUID, float] = {}
        self._is_running = False

    def start(self) -> None:
        """Measure from now on."""
        self._is_running = self._settings.search_settle == "measured"

    async def aclose(self) -> None:
        """End what is being measured; it counts as far as it came."""
        self._is_running = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def consider(self, account: Account, operation_id: UUID, called_at: datetime) -> None:
        """Measure by an alert that PagerTree has just confirmed, if it is time to.

        Args:
            account: where it was created.
            operation_id: what created it.
            called_at: when the call that created it began, by this machine's clock.
        """
        now_s = monotonic()
        if not self._is_running or now_s < self._considered_s.get(account.id, 0.0):
            return
        self._considered_s[account.id] = now_s + CONSIDERED_EVERY_S
        took_s = max(0.0, (datetime.now(called_at.tzinfo) - called_at).total_seconds())
        probe = _Probe(account, operation_id, called_at, now_s - took_s)
        task = asyncio.ensure_future(self._measure(probe))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _measure(self, probe: _Probe) -> None:
        try:
            async with raw_connection(self._engine) as connection:
                lags = await load_lags(connection, probe.account.id)
                is_known = len(lags.found_s) >= settle.SAMPLES_MIN
                begun = await begin_lag(
                    connection,
                    probe.account.id,
                    probe.operation_id,
                    at_once=AT_ONCE_KNOWN if is_known else AT_ONCE_UNKNOWN,
                    every_s=EVERY_S if is_known else 0.0,
                    longest_s=2 * self._longest_s,
                )
            if begun is not None:
                await self._look_until_found(probe, begun, lags)
        except Exception as error:  # noqa: BLE001 - measuring must not harm who sends
            log.info("the lag of a search could not be measured", error=repr(error))

    async def _look_until_found(self, probe: _Probe, begun: Begun, lags: Lags) -> None:
        """Look for the alert; forget the measurement where it may have been there for long."""
        pause_s = settle.first_probe_s(lags) - probe.waited_s
        found_s: float | None = None
        while found_s is None:
            await asyncio.sleep(pause_s)
            found_s = await self._look(probe, begun)
            pause_s = settle.next_probe_s(probe.waited_s)
        is_measured = settle.is_timely(missing_s=probe.missing_s, found_s=found_s)
        async with raw_connection(self._engine) as connection:
            await end_lag(connection, begun, found_s if is_measured else None)

    async def _look(self, probe: _Probe, begun: Begun) -> float | None:
        """Look for the alert once; return when it was found, or was waited for long enough."""
        began_s = probe.waited_s
        if began_s >= self._longest_s:
            return self._longest_s
        search = await self._search(probe)
        if search is None:
            return None
        if search.alert is not None:
            return probe.waited_s
        probe.missing_s = began_s
        async with raw_connection(self._engine) as connection:
            await note_missing(
                connection,
                begun,
                missing_s=began_s,
                others=search.others,
                searched_s=probe.waited_s - began_s,
            )
        return None

    async def _search(self, probe: _Probe) -> Search | None:
        """Search for the alert; None when there was no answer, or calls are short."""
        async with raw_connection(self._engine) as connection:
            is_spare = await gate.take_spare(
                connection,
                probe.account.id,
                calls=CALLS_A_LOOK,
                calls_per_s=self._settings.pagertree_calls_per_s,
                burst=self._settings.pagertree_burst_calls,
            )
        if not is_spare:
            await asyncio.sleep(REST_S)
            return None
        marker = marker_of(probe.operation_id)
        try:
            return await find_marked(
                self._open(probe.account, reads_max=READS_MAX), marker, sent_after=probe.called_at
            )
        except PagerTreeError:
            return None
