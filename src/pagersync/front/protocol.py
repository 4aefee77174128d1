"""uvicorn's HTTP protocol with limits: what a client may make this process hold, and for how long.

With httptools, uvicorn 0.54 limits neither a request's head nor slow requests nor slow readers.
(`h11_max_incomplete_event_size` is for h11 alone, which takes several times as long per request;
`limit_concurrency` refuses whoever comes next, not whoever holds everything.) This class does.
Bytes are counted before they are parsed, in slices: the parser keeps a limit and a slice at most.
"""

import asyncio
from collections.abc import Callable
from fcntl import ioctl
from struct import unpack
from termios import FIONREAD
from typing import TYPE_CHECKING, Any, Final

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from pagersync.front.refusals import ANSWERS, Reason
from pagersync.front.register import LINGER_S, LOOK_EVERY_S, Front
from pagersync.inbox.endpoint import PREFIX

if TYPE_CHECKING:
    from pagersync.front.server import FrontConfig

SLICE_BYTES: Final = 8 * 1024
"""What is parsed at once; also what an open body counts for before anything of it has come."""

PIPELINED_MAX: Final = 8
WRITE_BUFFER_BYTES: Final = 64 * 1024
"""What an answer may leave unsent before its client counts as one that does not read."""

FRAMING_BYTES_MAX: Final = 64 * 1024
DISCARDED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of what is thrown away: a client that is cut off while it sends never reads its answer."""


class _Refused(Exception):
    """Raised in the middle of parsing."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class _Dropped(list[tuple[bytes, bytes]]):
    """Takes the trailers of a body, which nobody reads, and keeps none."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Do nothing."""


_TRAILERS: Final = _Dropped()


class FrontProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        source: whose connections count together with this one.
        was_served: whether it has had an answer.
    """

    def __init__(
        self,
        config: "FrontConfig",
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.front: Front = config.front
        self.limits = self.front.limits
        self.source = ""
        self.was_served = False
        self._is_deaf = False  # what still comes is thrown away
        self._is_between = True  # no request has begun to arrive
        self._is_in_body = False
        self._holds = False  # in a pool
        self._is_read = False  # the application has begun to read the body
        self._counted = 0  # bytes of the head or body that is arriving
        self._body_bytes = 0  # without chunk sizes, extensions and trailers
        self._head_since: float | None = None
        self._answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        """Take the connection, or refuse it at once."""
        address = get_remote_addr(transport)
        reason = self.front.admit(self, address[0] if address else "")
        if reason is None:
            super().connection_made(transport)
            transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
            return
        self.transport, self._is_deaf = transport, True
        transport.write(ANSWERS[reason])
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.front.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, slice by slice, as far as it is within the limits."""
        size = len(data)
        self._is_read = self._is_in_body  # see `_look_at_body`: only who is read is heard again
        if self._is_deaf:
            self._discard(size)
        elif size <= SLICE_BYTES:
            self._feed(data, size)
        else:
            self._feed_slices(memoryview(data), size)

    def _feed_slices(self, data: memoryview, size: int) -> None:
        for start in range(0, size, SLICE_BYTES):
            if self._is_deaf:
                return
            if self.pipeline:  # several requests at once, and more than a slice
                self.refuse(Reason.PIPELINE)
                return
            part = data[start : start + SLICE_BYTES]
            self._feed(part, len(part))

    def _feed(self, data: bytes | memoryview, size: int) -> None:
        self._counted += size
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:  # we have nothing to upgrade to: the last one of this connection
            self._end_after(self.cycle)
        except (HttpParserError, MemoryError) as error:
            self.refuse(_reason_of(error))
            return
        if self._counted or not self._is_between:
            self._look_at_unfinished()

    def _look_at_unfinished(self) -> None:
        """Look at a request of which only a part has come."""
        if self._is_in_body:
            self._look_at_body()
        elif self._counted > self.limits.head_bytes_max:
            self.refuse(Reason.HEAD_LARGE)
        elif self._head_since is None:
            self._head_since = self.front.now

    def _look_at_body(self) -> None:
        is_answered = self.cycle.response_complete
        if self._counted - self._body_bytes > FRAMING_BYTES_MAX + self._body_bytes:
            self.refuse(Reason.BODY_FRAMING)
        elif is_answered and self._counted > DISCARDED_BYTES_MAX + self.limits.body_bytes_max:
            self.drop()
        else:
            self._hold(0 if is_answered else self._counted)

    def _hold(self, size: int) -> None:
        """Count the bytes of an unfinished body; if there is no room, somebody gives way."""
        if self._is_read:
            self.front.new_bodies.release(self)
            is_webhook = self.scope["path"].startswith(PREFIX)
            pool = self.front.webhook_bodies if is_webhook else self.front.api_bodies
        else:
            pool = self.front.new_bodies
            self.flow.pause_reading()  # until the application has let it in and asks for more
        self._holds = True
        victims = pool.hold(self, size, self.loop.time())
        for each in (self,) if victims is None else victims:
            each.refuse(Reason.BODIES_FULL)

    def _release(self) -> None:
        self._holds = False
        for pool in self.front.pools:
            pool.release(self)

    def on_headers_complete(self) -> None:
        """Begin to serve the request, unless its head or its pipeline is too long."""
        if len(self.url) > self.limits.url_bytes_max:
            raise _Refused(Reason.URL_LONG)
        if len(self.pipeline) >= PIPELINED_MAX:
            raise _Refused(Reason.PIPELINE)
        super().on_headers_complete()
        self.headers = _TRAILERS
        self._is_in_body = True
        self._counted, self._body_bytes = SLICE_BYTES, 0
        self._head_since = None
        self.front.waiting.pop(self, None)
        if self.front.is_ending:
            self.cycle.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header: uvicorn's, with a limit for their number."""
        if len(self.headers) >= self.limits.headers_max:
            raise _Refused(Reason.HEADERS_MANY)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_between = False
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body, unless the request is answered: uvicorn's, without WebSockets."""
        cycle = self.cycle
        self._body_bytes += len(body)
        if cycle.response_complete or cycle.disconnected:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End a request: what comes now is another one."""
        self._is_between, self._is_in_body, self._counted = True, False, 0
        cycle = self.cycle
        if self._holds:
            self._release()
        if cycle.response_complete:
            self._wait()
            return
        cycle.more_body = False
        cycle.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on with the next request that has come; else wait for one."""
        self.server_state.total_requests += 1
        self.was_served = True
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self.front.unread[self] = (self.front.now, 0)
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            if self.pipeline:
                return
        self.flow.resume_reading()
        if self._is_in_body and self.cycle.response_complete:
            self._is_read = True  # it is thrown away
            self._hold(0)
        elif self.cycle.response_complete:
            self._wait()

    def _wait(self) -> None:
        self.front.waiting[self] = self.front.now

    def look_while_waiting(self, waited_s: float) -> None:
        """Close the connection if it has waited too long for a request."""
        limits, head_since = self.limits, self._head_since
        if self._is_deaf:
            if waited_s > LINGER_S:
                self.drop()
        elif head_since is not None:
            if self.front.now - head_since > limits.head_timeout_s + LOOK_EVERY_S:
                self.refuse(Reason.HEAD_SLOW)
        elif self.was_served:
            if waited_s > limits.keep_alive_s + LOOK_EVERY_S:
                self.drop()
        elif waited_s > limits.head_timeout_s + LOOK_EVERY_S:
            self.refuse(Reason.SILENT)

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        super().pause_writing()
        self.front.unread[self] = (self.front.now, 0)

    def resume_writing(self) -> None:
        """Note that it does."""
        super().resume_writing()
        self.front.unread.pop(self, None)

    def refuse(self, reason: Reason) -> None:
        """Answer the request that is arriving with an error, after those before it, and close."""
        self.front.refusals.count(reason, self.source)
        self._is_deaf = True
        self._counted = 0
        if self._is_in_body and not self.cycle.response_complete:
            self._give_up(self.cycle)
        last = self._last_underway()
        if last is not None:
            self._end_after(last)
        elif reason not in ANSWERS or self._has_begun_to_answer():
            self.drop()
        else:
            self._answer_and_linger(ANSWERS[reason])

    def _give_up(self, cycle: RequestResponseCycle) -> None:
        """Let a request whose body will not come have no answer from the application."""
        self._release()
        cycle.disconnected = True
        cycle.message_event.set()
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()

    def _last_underway(self) -> RequestResponseCycle | None:
        """Return the last request that will be answered, if there is one."""
        last = self.pipeline[0][0] if self.pipeline else self._answering
        return last if last is not None and _is_underway(last) else None

    def _has_begun_to_answer(self) -> bool:
        """Whether an answer was begun that will not be finished."""
        cycle = self._answering
        return cycle is not None and cycle.response_started and not cycle.response_complete

    def _end_after(self, cycle: RequestResponseCycle) -> None:
        """Close the connection when that request is answered."""
        self._is_deaf = True
        cycle.keep_alive = False
        self.flow.pause_reading()

    def _answer_and_linger(self, answer: bytes) -> None:
        self.transport.write(answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._wait()

    def drop(self) -> None:
        """Close the connection now."""
        self._is_deaf = True
        is_stuck = self.transport.get_write_buffer_size() > 0
        close: Callable[[], None] = self.transport.abort if is_stuck else self.transport.close
        close()
        self.front.forget(self)

    def _discard(self, size: int) -> None:
        """Throw away what a refused client still sends; close when it is too much."""
        self._counted += size
        if self._counted > DISCARDED_BYTES_MAX:
            self.drop()

    def shutdown(self) -> None:
        """End after the request under way; without one, end now, unless one has just come."""
        if self in self.front.waiting:
            if self._is_deaf or not self._unparsed_bytes():
                self.transport.close()
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def _unparsed_bytes(self) -> int:
        """Return how many bytes have come that the event loop has not read yet."""
        descriptor = self.transport.get_extra_info("socket").fileno()
        if descriptor < 0:
            return 0
        (size,) = unpack("i", ioctl(descriptor, FIONREAD, b"\0\0\0\0"))
        return int(size)


def _is_underway(cycle: RequestResponseCycle) -> bool:
    return not (cycle.response_complete or cycle.disconnected)


def _reason_of(error: BaseException) -> Reason:
    """Return why parsing failed: a limit of ours, memory, or what was sent."""
    cause = error.__context__ if error.__context__ is not None else error
    if isinstance(cause, _Refused):
        return cause.reason
    return Reason.MEMORY if isinstance(cause, MemoryError) else Reason.MALFORMED
