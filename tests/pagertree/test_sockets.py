"""What only a real connection does: closing, breaking off, saying nothing, not being there."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pagersync.errors import Ambiguous, Contract, PagerTreeError, Rejected, Unavailable
from pagersync.http import AsyncClient
from pagersync.pagertree.client import ATTEMPTS_MAX, Exchange, PagerTree
from pagersync.pagertree.resources import NewAlert

TIMEOUT_S = 0.2
HALF = b'HTTP/1.1 %d x\r\nContent-Length: 100\r\n\r\n{"id": "A'
Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def close(_writer: asyncio.StreamWriter) -> None:
    """Close without a word."""


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def say_nothing(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def speak_nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 smtp.example ESMTP\r\n")
    await writer.drain()


def half_of(status: int) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(HALF % status)
        await writer.drain()

    return reply


def half_of_then_nothing(status: int) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        await half_of(status)(writer)
        await say_nothing(writer)

    return reply


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a byte often enough for every timeout but the whole call's."""
    writer.write(HALF % 200)
    while True:
        await writer.drain()
        await asyncio.sleep(TIMEOUT_S / 10)
        writer.write(b" ")


@contextlib.asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[str]:
    """Yield the address of a server that reads a request and then does as `reply` does."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await reply(writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.ensure_future(talk(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def ended_in(
    http: AsyncClient, url: str, call: Callable[[PagerTree], Awaitable[object]]
) -> tuple[type[PagerTreeError], list[Exchange]]:
    exchanges: list[Exchange] = []
    pagertree = PagerTree(
        http, pagertree_url=url, api_key="k-planted", timeout_s=TIMEOUT_S, record=exchanges.append
    )
    with pytest.raises(PagerTreeError) as raised:
        await call(pagertree)
    assert all(done.error and "k-planted" not in done.error for done in exchanges)
    return type(raised.value), exchanges


def create(pagertree: PagerTree) -> Awaitable[object]:
    return pagertree.create_alert(NewAlert(title="Disk full"))


def read(pagertree: PagerTree) -> Awaitable[object]:
    return pagertree.list_teams()


BROKEN = [
    (close, None, Ambiguous, Unavailable),
    (reset, None, Ambiguous, Unavailable),
    (say_nothing, None, Ambiguous, Unavailable),
    (speak_nonsense, None, Ambiguous, Unavailable),
    (half_of(201), 201, Contract, Unavailable),
    (half_of_then_nothing(201), 201, Contract, Unavailable),
    (drip, 200, Contract, Unavailable),
    (half_of(422), 422, Rejected, Rejected),
    (half_of(500), 500, Ambiguous, Unavailable),
]


@pytest.mark.parametrize(("reply", "status", "error", "_reading"), BROKEN)
async def test_a_broken_answer_to_a_change_is_never_taken_for_nothing_sent(
    http: AsyncClient,
    reply: Reply,
    status: int | None,
    error: type[PagerTreeError],
    _reading: object,
) -> None:
    async with serving(reply) as url:
        kind, exchanges = await ended_in(http, url, create)
    assert kind is error
    assert [done.status for done in exchanges] == [status]


@pytest.mark.parametrize(("reply", "status", "_changing", "error"), BROKEN)
async def test_a_broken_answer_to_a_question_is_asked_for_again(
    http: AsyncClient,
    reply: Reply,
    status: int | None,
    error: type[PagerTreeError],
    _changing: object,
) -> None:
    async with serving(reply) as url:
        kind, exchanges = await ended_in(http, url, read)
    assert kind is error
    assert [done.status for done in exchanges] == [status] * (
        ATTEMPTS_MAX if error is Unavailable else 1
    )


async def test_where_nothing_listens_nothing_was_sent(http: AsyncClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port
        kind, exchanges = await ended_in(http, f"http://127.0.0.1:{taken.getsockname()[1]}", create)
    assert kind is Unavailable
    assert len(exchanges) == 1


async def test_where_no_connection_comes_about_in_time_nothing_was_sent(http: AsyncClient) -> None:
    """TLS to a server that accepts and says nothing: the request cannot have been written."""
    async with serving(say_nothing) as url:
        kind, exchanges = await ended_in(http, url.replace("http:", "https:"), create)
    assert kind is Unavailable
    assert [done.status for done in exchanges] == [None]
