"""All connections of a process: who may connect, who must give way, and whose time is over.

One look every second serves all of them; no connection has a timer or a task of its own.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from uvicorn.middleware.proxy_headers import _TrustedHosts

from pagersync.access.limits import source_of
from pagersync.front.decisions import SLOW_S, Pool, Unread, is_too_slow, unread_to_close
from pagersync.front.limits import NEW_BODIES_BYTES_MAX, Limits
from pagersync.front.refusals import Reason, Refusals

if TYPE_CHECKING:
    from pagersync.front.protocol import FrontProtocol

LOOK_EVERY_S: Final = 1.0
"""Deadlines are kept as precisely as this."""

LINGER_S: Final = 2.0
"""How long a client may still send after it was refused: closed earlier, it loses the answer."""

_source_of: Final = lru_cache(maxsize=8192)(source_of)
"""Cached: most connections come from a few addresses."""


class Front:
    """The connections of one process.

    Attributes:
        now: the loop's time at the last look, up to a second old: cheap to read.
        new_bodies: what came of bodies that the application has not begun to read. The oldest give
            way at once: whoever is let in is read within milliseconds.
        waiting: connections without a request under way, oldest first.
        unread: those whose client does not read its answer, since when, and how much it was.
        is_ending: whether the process ends, so that each answer is the last of its connection.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.refusals = Refusals()
        self.now = 0.0
        self.is_ending = False
        self.waiting: OrderedDict[FrontProtocol, float] = OrderedDict()
        self.new_bodies: Pool[FrontProtocol] = Pool(NEW_BODIES_BYTES_MAX, slow_s=0)
        self.api_bodies: Pool[FrontProtocol] = Pool(limits.api_bodies_bytes_max)
        self.webhook_bodies: Pool[FrontProtocol] = Pool(limits.webhook_bodies_bytes_max)
        self.unread: OrderedDict[FrontProtocol, tuple[float, int]] = OrderedDict()
        self._sources: dict[str, set[FrontProtocol]] = {}
        self._connections = 0
        self._proxies = _TrustedHosts(limits.trusted_proxies or [])
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def pools(self) -> tuple["Pool[FrontProtocol]", ...]:
        """What the bodies that are arriving hold."""
        return self.new_bodies, self.api_bodies, self.webhook_bodies

    def admit(self, connection: "FrontProtocol", address: str) -> Reason | None:
        """Take a new connection, or say why not."""
        if self._loop is None:
            self._begin(connection.loop)
        source = connection.source = _source_of(address)
        if (reason := self._lacks_room(source, is_proxy=address in self._proxies)) is not None:
            self.refusals.count(reason, source)
            return reason
        self._sources.setdefault(source, set()).add(connection)
        self._connections += 1
        self.waiting[connection] = self.now
        return None

    def _lacks_room(self, source: str, *, is_proxy: bool) -> Reason | None:
        """Make room for one more connection; return a reason if there is none."""
        theirs = self._sources.get(source, ())
        if not is_proxy and len(theirs) >= self.limits.connections_per_address_max:
            if (victim := self._victim_of(theirs)) is None:
                return Reason.ADDRESS_FULL
            self._evict(victim)
        elif self._connections >= self.limits.connections_max:
            if (victim := self._victim()) is None:
                return Reason.FULL
            self._evict(victim)
        return None

    def _victim(self) -> "FrontProtocol | None":
        """Return who gives way to a new connection: never one that is being answered and reads."""
        if self.waiting:
            return next(iter(self.waiting))
        now = self.clock()
        slow = [each for pool in self.pools if (each := pool.oldest_slow(now)) is not None]
        stuck = (each for each, (since, _) in self.unread.items() if now - since >= SLOW_S)
        return slow[0] if slow else next(stuck, None)

    def _victim_of(self, theirs: "Collection[FrontProtocol]") -> "FrontProtocol | None":
        """Return who of one address gives way, by the same rule: many may be behind one proxy."""
        if idle := [each for each in theirs if each in self.waiting]:
            return min(idle, key=self.waiting.__getitem__)
        now = self.clock()
        bodies = (item for pool in self.pools for item in pool.items())
        for holders in (bodies, self.unread.items()):
            slow = {e: since for e, (since, _) in holders if e in theirs and now - since >= SLOW_S}
            if slow:
                return min(slow, key=slow.__getitem__)
        return None

    def _evict(self, victim: "FrontProtocol") -> None:
        self.refusals.count(Reason.EVICTED, victim.source)
        victim.drop()

    def forget(self, connection: "FrontProtocol") -> None:
        """Forget a connection that is closed."""
        self.waiting.pop(connection, None)
        self.unread.pop(connection, None)
        for pool in self.pools:
            pool.release(connection)
        theirs = self._sources.get(connection.source)
        if theirs is None or connection not in theirs:
            return
        theirs.discard(connection)
        self._connections -= 1
        if not theirs:
            del self._sources[connection.source]

    def clock(self) -> float:
        """Return the loop's time."""
        return self._loop.time() if self._loop is not None else self.now

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._look()

    def _look(self) -> None:
        """Close what has taken too long, once a second."""
        loop = self._loop
        assert loop is not None  # noqa: S101 - set before the first look
        loop.call_later(LOOK_EVERY_S, self._look)
        self.now = loop.time()
        self._look_at_waiting()
        self._look_at_bodies()
        self._look_at_unread()
        self.refusals.say(self.now)

    def _look_at_waiting(self) -> None:
        for connection, since in list(self.waiting.items()):
            connection.look_while_waiting(self.now - since)

    def _look_at_bodies(self) -> None:
        limits = self.limits
        for pool in self.pools:
            for connection, (since, size) in pool.items():
                if connection.flow.read_paused:  # we have not read, so the client could not send
                    pool.postpone(connection, LOOK_EVERY_S)
                elif is_too_slow(
                    self.now - since,
                    size,
                    grace_s=limits.body_timeout_s,
                    bytes_per_s=limits.slowest_bytes_per_s,
                ):
                    connection.refuse(Reason.BODY_SLOW)

    def _look_at_unread(self) -> None:
        limits, answers = self.limits, []
        for connection, (since, most) in self.unread.items():
            left = connection.transport.get_write_buffer_size()
            self.unread[connection] = (since, max(most, left))
            answers.append(Unread(connection, self.now - since, max(most, left), left))
        for connection in unread_to_close(
            answers,
            grace_s=limits.body_timeout_s,
            bytes_per_s=limits.slowest_bytes_per_s,
            bytes_max=limits.unread_answers_bytes_max,
        ):
            self.refusals.count(Reason.UNREAD, connection.source)
            connection.drop()
