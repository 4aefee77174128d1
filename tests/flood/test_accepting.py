"""New connections: many at a time, and sources by turns."""

import asyncio
import socket
from contextlib import suppress
from functools import partial

from pagersync.front.accepting import Door, Turns
from pagersync.front.refusals import Refusals
from tests.flood.attack import sockets_to
from tests.support.wait import eventually


def test_sources_take_turns() -> None:
    turns: Turns[str] = Turns(10)
    for item in ("a1", "a2", "a3", "b1", "c1"):
        assert turns.add(item[0], item) is None
    assert [turns.take() for _ in range(len(turns))] == ["a1", "b1", "c1", "a2", "a3"]


def test_without_room_the_newest_of_the_source_with_the_most_is_refused() -> None:
    turns: Turns[str] = Turns(3)
    for item in ("a1", "a2", "a3"):
        turns.add("a", item)
    assert turns.add("a", "a4") == ("a", "a4")
    assert turns.add("b", "b1") == ("a", "a3")
    assert turns.add("b", "b2") == ("b", "b2")
    assert [turns.take() for _ in range(len(turns))] == ["a1", "b1", "a2"]


async def test_who_comes_behind_many_of_a_stranger_begins_before_most_of_them() -> None:
    sources: list[str] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            sources.append(transport.get_extra_info("peername")[0])

    with socket.create_server(("127.0.0.1", 0), backlog=500) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with sockets_to(url, 200, source="127.0.0.20"), sockets_to(url, 1, source="127.0.0.21"):
            door = Door(listening, Protocol, Refusals(), waiting_max=256)
            door.open(500)
            try:
                await eventually(partial(_is_empty, door))
            finally:
                door.close()
    assert len(sources) == 201
    assert sources.index("127.0.0.21") < 50


async def test_with_no_room_connections_are_refused_with_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with sockets_to(url, 30, source="127.0.0.20") as sockets:
            door = Door(listening, asyncio.Protocol, Refusals(), waiting_max=10)
            door.open(500)
            try:
                await eventually(partial(_is_empty, door))
            finally:
                door.close()
            answers = [_read(each) for each in sockets]
    assert answers.count(b"HTTP/1.1 503") >= 10
    assert answers.count(b"") >= 10  # they began


async def _is_empty(door: Door) -> bool:
    await asyncio.sleep(0.1)  # the event loop accepts
    return not door.has_waiting


def _read(each: socket.socket) -> bytes:
    with suppress(BlockingIOError):
        return each.recv(12)
    return b""
