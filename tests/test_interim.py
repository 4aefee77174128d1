"""Interim answers (1xx): a few are read past, a flood of them ends the call at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.http_stream import INTERIM_BYTES_MAX, INTERIM_MAX, InterimCounter
from pagersync.outbound import OutboundError, create_outbound_client, send

INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def server(before: bytes, times: int) -> AsyncIterator[str]:
    """Yield the address of a server that sends something many times, and then an answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for _ in range(times):
                writer.write(before)
                await writer.drain()
            writer.write(ANSWER)
            await writer.drain()
        except OSError:
            pass
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}/"


async def call(url: str, *, timeout_s: float = 10) -> bytes:
    async with create_outbound_client(
        timeout_s=timeout_s, allows_private=True, setting="X"
    ) as client:
        return (await send(client, client.build_request("GET", url), timeout_s=timeout_s)).body


async def test_a_few_interim_answers_are_read_past() -> None:
    async with server(INTERIM, INTERIM_MAX) as url:
        assert await call(url) == b"ok"


@pytest.mark.parametrize("part", [INTERIM * 1000, b"HTTP/1.1 100 " + b"x" * 65536])
async def test_a_flood_of_interim_answers_ends_the_call(part: bytes) -> None:
    async with server(part, 10_000) as url:
        before = process_time()
        with pytest.raises(OutboundError, match="did not answer"):
            await call(url)
    assert process_time() - before < 2  # of the CPU's time: parsing all took ten times as much


@given(st.integers(0, INTERIM_MAX + 5), st.lists(st.integers(1, 50), max_size=40))
def test_it_does_not_matter_in_which_pieces_answers_come(many: int, sizes: list[int]) -> None:
    data, counter, is_fine = INTERIM * many + ANSWER * 30, InterimCounter(), True
    for size in [*sizes, len(data)]:
        is_fine = is_fine and counter.feed(data[:size])
        data = data[size:]
    assert is_fine is (many <= INTERIM_MAX)


def test_what_was_sent_begins_the_count_anew() -> None:
    counter = InterimCounter()
    assert counter.feed(INTERIM * INTERIM_MAX)
    counter.restart()
    assert counter.feed(INTERIM * INTERIM_MAX)
    assert not counter.feed(INTERIM)


def test_an_interim_answer_without_end_has_a_limit() -> None:
    counter = InterimCounter()
    assert counter.feed(b"HTTP/1.1 100 " + b"x" * 1000)
    assert not counter.feed(b"x" * INTERIM_BYTES_MAX)
