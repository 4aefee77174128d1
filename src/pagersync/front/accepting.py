"""Takes new connections: many at a time, and their sources by turns.

libuv, below uvloop, accepts one connection each time that the event loop comes round, in the order
in which they came. While the loop was busy, a stranger who connected again and again filled the
kernel's queue with 2,048 connections, and PagerTree's waited behind them for seconds. Here the
queue is emptied at once, and of those who wait, each source has its turn.
"""

import asyncio
import errno
import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from pagersync.access.limits import source_of
from pagersync.front.refusals import ANSWERS, Reason, Refusals

T = TypeVar("T")

ACCEPTED_AT_ONCE: Final = 64
BEGUN_AT_ONCE: Final = 4
"""So many begin each time that the event loop comes round: what is under way goes on meanwhile."""

PAUSE_S: Final = 0.5
SHORT: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Turns(Generic[T]):
    """Those who wait, their sources by turns. Pure."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._queues: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    def add(self, source: str, item: T) -> tuple[str, T] | None:
        """Let one more wait; return who cannot: the newest of the source that has most waiting."""
        self._queues.setdefault(source, deque()).append(item)
        self._size += 1
        if self._size <= self._most:
            return None
        longest = max(self._queues, key=lambda each: (len(self._queues[each]), each == source))
        return longest, self._take_from(longest, self._queues[longest].pop)

    def take(self) -> T:
        """Take the one whose turn it is."""
        source = next(iter(self._queues))
        self._queues.move_to_end(source)
        return self._take_from(source, self._queues[source].popleft)

    def _take_from(self, source: str, pop: Callable[[], T]) -> T:
        item = pop()
        self._size -= 1
        if not self._queues[source]:
            del self._queues[source]
        return item


class Door:
    """Accepts the connections of one listening socket."""

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        refusals: Refusals,
        waiting_max: int,
    ) -> None:
        self._listening, self._make_protocol = listening, make_protocol
        self._refusals = refusals
        self._loop = asyncio.get_running_loop()
        self._waiting: Turns[socket.socket] = Turns(waiting_max)
        self._beginning: set[asyncio.Task[Any]] = set()
        self._is_open = self._is_busy = False

    @property
    def has_waiting(self) -> bool:
        """Whether somebody was accepted and has not begun."""
        return bool(self._waiting or self._beginning)

    def open(self, backlog: int) -> None:
        """Begin to accept."""
        self._listening.settimeout(0)
        self._listening.listen(backlog)
        self._is_open = True
        self._listen()

    def close(self) -> None:
        """Accept nobody more."""
        self._is_open = False
        self._loop.remove_reader(self._listening)
        while self._waiting:
            self._waiting.take().close()

    def _listen(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                made, address = self._listening.accept()
            except BlockingIOError:
                break
            except OSError as error:  # else the other end has gone already
                if error.errno in SHORT:
                    self._loop.remove_reader(self._listening)
                    self._loop.call_later(PAUSE_S, self._listen)
                    break
            else:
                self._let_wait(made, source_of(address[0]))
        self._begin_some()

    def _let_wait(self, made: socket.socket, source: str) -> None:
        made.settimeout(0)
        refused = self._waiting.add(source, made)
        if refused is None:
            return
        theirs, other = refused
        self._refusals.count(Reason.ADDRESS_FULL, theirs)
        with suppress(OSError), other:
            other.send(ANSWERS[Reason.ADDRESS_FULL])

    def _begin_some(self) -> None:
        """Begin with a few, and with others when the event loop has come round."""
        for _ in range(min(BEGUN_AT_ONCE, len(self._waiting))):
            task = self._loop.create_task(self._begin(self._waiting.take()))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)
        if self._waiting and not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_busy = False
        self._begin_some()

    async def _begin(self, made: socket.socket) -> None:
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make_protocol, made)
        except OSError:  # it is closed already
            made.close()
