"""What an HTTP server may send before its answer: a few interim answers (1xx), not a flood.

httpcore bounds one head (100 KiB), and reads interim answers for as long as they come: parsing them
takes the event loop's time. They are counted here, before they are parsed.
"""

import select
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import httpcore

INTERIM_MAX: Final = 16
INTERIM_BYTES_MAX: Final = 128 * 1024
UNSENT_BYTES_MAX: Final = 64 * 1024

_STATUS: Final = len(b"HTTP/1.1 ")
"""Where the status stands in an answer."""


class InterimCounter:
    """Counts the interim answers in what a server sends, up to its real answer."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew: something was sent to the server."""
        self._head, self._count, self._is_over = b"", 0, False

    def feed(self, data: bytes) -> bool:
        """Look at what came; return whether it is still within the limits."""
        if self._is_over:
            return True
        self._head += data
        while self._head[_STATUS : _STATUS + 1] == b"1":
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return len(self._head) <= INTERIM_BYTES_MAX
            self._count += 1
            if self._count > INTERIM_MAX:
                return False
            self._head = self._head[end + 4 :]
        if len(self._head) > _STATUS:
            self._is_over, self._head = True, b""
        return True


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that counts interim answers, and sends a request's head and body together.

    httpcore writes them one after another: two packets, and two turns of both event loops. What is
    written here goes out when it is long, or when the answer is waited for.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._counter = InterimCounter()
        self._unsent = bytearray()
        self._poll: select.poll | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        with suppress(httpcore.WriteError):  # as httpcore: it may have answered before it closed
            await self._send(timeout)
        data = await self._inner.read(max_bytes, timeout)
        if not self._counter.feed(data):
            raise httpcore.ReadError(f"more than {INTERIM_MAX} interim answers (1xx)")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        self._counter.restart()
        self._unsent += buffer
        if len(self._unsent) > UNSENT_BYTES_MAX:
            await self._send(timeout)

    async def _send(self, timeout: float | None) -> None:  # noqa: ASYNC109 - httpcore's
        if self._unsent:
            unsent, self._unsent = bytes(self._unsent), bytearray()
            await self._inner.write(unsent, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(self, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(*arguments, **options))

    def get_extra_info(self, info: str) -> Any:
        return self._is_readable() if info == "is_readable" else self._inner.get_extra_info(info)

    def _is_readable(self) -> bool:
        """Tell whether something came, or the server has closed: httpcore asks at each request."""
        if self._poll is None:
            self._socket = self._inner.get_extra_info("socket")
            self._poll = select.poll()
            self._poll.register(self._socket.fileno(), select.POLLIN)
        return self._socket.fileno() < 0 or bool(self._poll.poll(0))


class CountingBackend(httpcore.AsyncNetworkBackend):
    """Opens connections on which interim answers are counted."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection."""
        return _Stream(
            await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)
