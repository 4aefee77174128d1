"""How a request goes out: its head and its body together, on a connection that is kept."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpcore
import pytest

from pagersync.pagertree.client import PagerTree, create_http_client
from pagersync.pagertree.resources import AlertChanges

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Hearing(asyncio.Protocol):
    """Answers each packet that brings the end of a body; keeps what came."""

    def __init__(self, packets: list[bytes], connections: list[asyncio.BaseTransport]) -> None:
        self._packets = packets
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.append(transport)

    def data_received(self, data: bytes) -> None:
        self._packets.append(data)
        if data.endswith(b"}"):
            transport = self._connections[-1]
            assert isinstance(transport, asyncio.WriteTransport)
            transport.write(ANSWER)


@pytest.fixture
async def heard() -> AsyncIterator[tuple[str, list[bytes], list[asyncio.BaseTransport]]]:
    packets: list[bytes] = []
    connections: list[asyncio.BaseTransport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Hearing(packets, connections), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", packets, connections
    for each in connections:
        each.close()
    server.close()


class Watched(httpcore.AnyIOBackend):
    """The network, and what is written to it at once."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    async def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_tcp(*arguments, **options)
        write = stream.write

        async def watched(buffer: bytes, timeout: float | None = None) -> None:
            self.written.append(buffer)
            await write(buffer, timeout)

        stream.write = watched  # type: ignore[method-assign] # it does what it did, and tells
        return stream


async def test_a_request_is_written_at_once_on_the_connection_of_the_one_before(
    heard: tuple[str, list[bytes], list[asyncio.BaseTransport]],
) -> None:
    url, _, connections = heard
    http = create_http_client(timeout_s=5)
    network = Watched()
    http._transport._pool._network_backend._inner = network  # type: ignore[attr-defined] # noqa: SLF001 - httpx hands none through
    pagertree = PagerTree(http, pagertree_url=url, api_key="k", timeout_s=5)
    for _ in range(3):
        await pagertree.update_alert("alt_1", AlertChanges(title="Checkout is down"))
    await http.aclose()
    assert len(connections) == 1
    assert [each.count(b"PUT /alerts/alt_1 HTTP/1.1") for each in network.written] == [1, 1, 1]
    assert all(each.endswith(b'{"title": "Checkout is down"}') for each in network.written)


async def test_a_connection_that_was_closed_meanwhile_is_not_used_again(
    heard: tuple[str, list[bytes], list[asyncio.BaseTransport]],
) -> None:
    url, packets, connections = heard
    http = create_http_client(timeout_s=5)
    pagertree = PagerTree(http, pagertree_url=url, api_key="k", timeout_s=5)
    await pagertree.update_alert("alt_1", AlertChanges(title="Checkout is down"))
    connections[0].close()
    await asyncio.sleep(0.05)  # the end of it comes here
    await pagertree.update_alert("alt_1", AlertChanges(title="Checkout is down"))
    await http.aclose()
    assert len(connections) == len(packets) == 2
