"""Connections that say nothing, say half of it, or do not read."""

import asyncio
import resource
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions
from pagersync.front.decisions import SLOW_S
from tests.flood.attack import (
    Watch,
    descriptors,
    metric,
    open_ones,
    resident_mib,
    sockets_to,
)
from tests.flood.conftest import watch_at
from tests.support.program import Program, Setup
from tests.support.wait import eventually

HALF = b"POST /webhooks/pagertree/x HTTP/1.1\r\nhost: x\r\nx-half: "
OPEN_FILES = 320


async def none_open(sockets: list[socket.socket]) -> None:
    """Wait until the service has closed all of them."""

    async def count() -> int:
        return len(open_ones(sockets))

    await eventually(count, lambda left: left == 0, timeout_s=20)


async def test_with_few_open_files_silent_connections_lock_nobody_out(
    setup: Setup, engine: AsyncEngine, sessions: Sessions, tmp_path: Path
) -> None:
    del engine
    anew = replace(setup, is_quick=False, directory=tmp_path)
    async with anew.running("serve", "--no-workers") as program:
        resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        watch = await watch_at(await program.url(), sessions)
        with ExitStack() as stack:
            for host in range(2, 6):
                some = sockets_to(watch.url, 100, source=f"127.0.0.{host}", send=HALF[: host - 2])
                stack.enter_context(some)
            async with watch.looking():
                assert descriptors(program) < OPEN_FILES
        await program.says("connections were refused or closed")
        reasons = ("gave_way", "too_many_from_address")  # the latter while they wait to begin
        assert sum([await metric(watch.url, each) for each in reasons]) > 200


async def test_an_address_has_a_share_of_the_connections(watch: Watch) -> None:
    before = await metric(watch.url, "gave_way")
    with sockets_to(watch.url, 250, source="127.0.0.7", send=HALF) as sockets:
        async with watch.looking():
            await asyncio.sleep(0.1)
        assert await metric(watch.url, "gave_way") - before >= 50
        assert len(open_ones(sockets)) <= 200


async def test_slow_bodies_from_an_address_keep_nobody_out_who_comes_from_there(
    watch: Watch,
) -> None:
    """Behind a proxy that is not listed, PagerTree and all others have one address."""
    target = f"{urlsplit(watch.url).path}?secret={watch.secret}"
    slow = f"POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{{".encode()
    before = await metric(watch.url, "gave_way")
    with sockets_to(watch.url, 200, source="127.0.0.1", send=slow) as sockets:
        await asyncio.sleep(SLOW_S + 0.1)  # who has just begun need not give way
        async with watch.looking():
            assert len(open_ones(sockets)) > 100
    assert await metric(watch.url, "gave_way") > before


async def test_what_never_becomes_a_request_is_closed_in_time(watch: Watch) -> None:
    with (
        sockets_to(watch.url, 50, source="127.0.0.8") as silent,
        sockets_to(watch.url, 50, source="127.0.0.9", send=HALF) as half,
    ):
        async with watch.looking():
            for each in half:
                await asyncio.sleep(0.02)
                each.send(b"a")  # a byte now and then changes nothing
            await none_open([*silent, *half])
    assert await metric(watch.url, "said_nothing") >= 50
    assert await metric(watch.url, "head_too_slow") >= 50


async def test_a_body_that_does_not_arrive_is_closed_in_time(watch: Watch, token: str) -> None:
    head = (
        f"POST /v1/pages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"
        "content-type: application/json\r\ncontent-length: 900000\r\n\r\n{"
    )
    with sockets_to(watch.url, 50, source="127.0.0.10", send=head.encode()) as sockets:
        async with watch.looking():
            await none_open(sockets)
    assert await metric(watch.url, "body_too_slow") >= 50


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/assets/swagger-ui-bundle.js"])
async def test_who_does_not_read_is_closed_in_time(
    program: Program, watch: Watch, path: str
) -> None:
    memory, before = resident_mib(program), await metric(watch.url, "answer_not_read")
    requests = f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() * 20
    with sockets_to(watch.url, 20, source="127.0.0.11", send=requests):
        async with watch.looking():
            await eventually(
                lambda: metric(watch.url, "answer_not_read"), lambda times: times - before >= 20
            )
    assert resident_mib(program) - memory < 100
