"""A small real HTTP server that keeps what it gets and answers what it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Received:
    target: str
    headers: dict[str, str]
    body: bytes


def always(status: int) -> Callable[[int], int]:
    return lambda _number: status


ACCEPTED = always(202)


@dataclass
class Receiver:
    """`answer` maps the number of a request (from 0) to a status; 0 hangs up without one."""

    answer: Callable[[int], int] = ACCEPTED
    pause_s: float = 0.0
    url: str = ""
    received: list[Received] = field(default_factory=list)
    under_way: int = 0
    under_way_most: int = 0

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        number = len(self.received)
        self.received.append(Received(first.split(" ")[1], headers, body))
        self.under_way += 1
        self.under_way_most = max(self.under_way_most, self.under_way)
        await asyncio.sleep(self.pause_s)
        self.under_way -= 1
        status = self.answer(number)
        location = "location: /elsewhere\r\n" if 300 <= status < 400 else ""
        if status:
            writer.write(f"HTTP/1.1 {status} -\r\n{location}content-length: 0\r\n\r\n".encode())
            await writer.drain()
        return status != 0


@asynccontextmanager
async def receiving(
    answer: Callable[[int], int] = ACCEPTED, *, pause_s: float = 0.0
) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer, pause_s)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks/pagertree/1"
    async with server:
        yield receiver
