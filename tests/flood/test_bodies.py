"""Bodies that are still arriving: a budget, and a share of it for webhooks."""

import asyncio
from contextlib import suppress

from tests.flood.attack import GONE, Watch, connection, metric, resident_mib, sockets_to
from tests.support.program import Program

SIZE = 1_000_000


def opened(token: str, path: str = "/v1/pages") -> bytes:
    """Return a request whose body is all there but its last byte."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {SIZE}\r\n\r\n"
    )
    return head.encode() + b" " * (SIZE - 1)


async def hold(url: str, request: bytes) -> bytes:
    """Send an unfinished request, and return what is answered."""
    answer = b""
    with suppress(*GONE):
        async with connection(url, source="127.0.0.20") as (reader, writer):
            writer.write(request)
            await writer.drain()
            answer = await reader.read(65536)
    return answer


async def test_open_bodies_have_a_budget_and_webhooks_a_share_of_it(
    program: Program, watch: Watch, token: str
) -> None:
    before = resident_mib(program)
    large = b'{"type": "alert.open", "data": {"id": "alt_2"}, "x": "' + b"a" * 500_000 + b'"}'
    async with watch.looking():
        holding = [asyncio.create_task(hold(watch.url, opened(token))) for _ in range(150)]
        for _ in range(5):
            await watch.webhook(large)  # larger than what is read at once
        answers = await asyncio.gather(*holding)
    assert resident_mib(program) - before < 80
    busy = [each for each in answers if b"Too many request bodies" in each]
    assert len(busy) >= 30
    assert all(each.startswith(b"HTTP/1.1 503") for each in busy)
    assert all(b"retry-after: " in each.lower() for each in busy)
    assert await metric(watch.url, "too_many_open_bodies") >= len(busy)


async def test_bodies_of_strangers_take_nothing_of_the_share_of_webhooks(watch: Watch) -> None:
    path = watch.url.partition("127.0.0.1")[2].partition("/")[2]
    request = opened("wrong", f"/{path}?secret=wrong")
    large = b'{"type": "alert.open", "data": {"id": "alt_3"}, "x": "' + b"a" * 500_000 + b'"}'
    with sockets_to(watch.url, 100, source="127.0.0.21", send=request):
        async with watch.looking():
            for _ in range(5):
                await watch.webhook(large)


async def test_a_whole_request_that_comes_at_once_needs_no_budget(watch: Watch, token: str) -> None:
    holding = [asyncio.create_task(hold(watch.url, opened(token))) for _ in range(20)]
    body = b'{"data": {"type": "pages", "attributes": {}}}'
    head = (
        f"POST /v1/pages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    async with connection(watch.url) as (reader, writer):
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 422")
    await asyncio.gather(*holding)
