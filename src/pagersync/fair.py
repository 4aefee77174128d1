"""Few at a time, and callers by turns: who asks for much waits for himself.

Each caller has a queue of his own; whoever is next is taken from the callers in turn, so that a
hundred requests of one delay another's by one.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from pagersync.errors import BusyError, RateLimitedError

WAIT_S: Final = 5.0
WAITING_MAX: Final = 100
NO_LIMIT: Final = 2**30
RETRY_AFTER_S: Final = 1


class TooManyAtOnceError(RateLimitedError):
    """A caller's own requests use all places that it may have, and a new one waited too long."""

    code = "too_many_at_once"
    title = "Too many requests at once"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a gate lets in.

    Attributes:
        slots: how many at once.
        of_one: how many of one caller at once.
        wait_s: how long one waits at most; None for as long as it takes.
        waiting_max: how many of one caller wait at most.
    """

    slots: int
    of_one: int
    wait_s: float | None = WAIT_S
    waiting_max: int = WAITING_MAX


def by_turns(slots: int, of_one: int) -> "Gate":
    """Return a gate before which everybody waits for as long as it takes, callers by turns."""
    return Gate(Limits(slots=slots, of_one=of_one, wait_s=None, waiting_max=NO_LIMIT))


class Gate:
    """Lets few in at a time, callers by turns."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inside: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def enter(self, caller: str) -> None:
        """Come in, now or when it is the caller's turn; `leave` must follow.

        Raises:
            TooManyAtOnceError: the caller's own requests are in the way.
            BusyError: those of others are.
        """
        if not self._waiting.get(caller) and self._has_room(caller):
            self._inside[caller] += 1
            return
        queue = self._waiting.setdefault(caller, deque())
        if len(queue) >= self._limits.waiting_max:
            raise self._refusal(caller)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await turn
        except BaseException as error:
            self._give_up(caller, turn)
            if isinstance(error, TimeoutError):
                raise self._refusal(caller) from None
            raise

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Be inside while the context lasts; raises what `enter` does."""
        await self.enter(caller)
        try:
            yield
        finally:
            self.leave(caller)

    def leave(self, caller: str) -> None:
        """Make room for who is next."""
        self._inside[caller] -= 1
        if not self._inside[caller]:
            del self._inside[caller]
        self._let_in()

    def _has_room(self, caller: str) -> bool:
        limits = self._limits
        return self._inside.total() < limits.slots and self._inside[caller] < limits.of_one

    def _let_in(self) -> None:
        """Let in who waits, one of each caller in turn, while there is room."""
        for caller in list(self._waiting):
            if self._inside.total() >= self._limits.slots:
                return
            queue = self._waiting[caller]
            while queue and queue[0].done():
                del queue[0]
            if queue and self._has_room(caller):
                self._inside[caller] += 1
                queue.popleft().set_result(None)
                self._waiting.move_to_end(caller)
            if not queue:
                del self._waiting[caller]

    def _give_up(self, caller: str, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():  # it was let in at this very moment
            self.leave(caller)
            return
        turn.cancel()
        queue = self._waiting.get(caller)
        if queue and turn in queue:
            queue.remove(turn)
        if queue is not None and not queue:
            del self._waiting[caller]

    def _refusal(self, caller: str) -> TooManyAtOnceError | BusyError:
        if self._inside[caller] >= self._limits.of_one:
            return TooManyAtOnceError(
                f"{self._inside[caller]} of your requests are at work and others wait, which is as "
                f"many as one caller may have: send fewer at once, and this one again in "
                f"{RETRY_AFTER_S} s",
                retry_after_s=RETRY_AFTER_S,
            )
        return BusyError(
            f"too many requests are at work: try again in {RETRY_AFTER_S} s",
            retry_after_s=RETRY_AFTER_S,
        )
