"""The program's processes: starting, sharing a database, ending."""

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, Sessions, raw_connection
from pagersync.integrations import service
from pagersync.settings import Settings
from tests.support.program import START_S, Program, Setup
from tests.support.traffic import (
    Traffic,
    assert_applied_once,
    assert_promises_kept,
    wait_until_applied,
)
from tests.support.wait import eventually

pytestmark = pytest.mark.long


@pytest.fixture
def setup(settings: Settings, tmp_path: Path) -> Setup:
    """Return an installation on the external database that tests share."""
    assert settings.database_url is not None
    return Setup(tmp_path, {"PAGERSYNC_DATABASE_URL": settings.database_url.get_secret_value()})


@pytest.fixture
def anew(setup: Setup) -> Setup:
    """Return the same installation, whose processes import the program themselves."""
    return replace(setup, is_quick=False)


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[Connection]:
    async with raw_connection(engine) as connection:
        yield connection


@pytest.fixture
async def traffic(sessions: Sessions, settings: Settings) -> Traffic:
    async with sessions.begin() as session:
        new = await service.add_integration(session, name="acme")
    url = service.webhook_url(settings, new.integration.id)
    return Traffic.to(url, new.webhook_secret, seed=1)


async def send(traffic: Traffic, *urls: str, requests: int) -> None:
    """Send until so many more requests have been answered 2xx, and nothing waits for an answer."""
    stop = asyncio.Event()
    sending = [asyncio.create_task(traffic.send(url, stop)) for url in urls]
    await promised(traffic, requests)
    stop.set()
    await asyncio.gather(*sending)
    await traffic.finish(urls[0])


async def promised(traffic: Traffic, requests: int) -> None:
    wanted = len(traffic.promises) + requests

    async def count() -> int:
        return len(traffic.promises)

    await eventually(count, lambda answered: answered >= wanted, timeout_s=30)


def assert_content(*programs: Program) -> None:
    """No program had anything to complain about."""
    for program in programs:
        assert [line for line in program.said() if line.get("level") != "info"] == []


async def test_serve_ends_well_under_load_and_keeps_what_it_answered(
    anew: Setup, connection: Connection, traffic: Traffic
) -> None:
    async with anew.running("serve") as program:
        sending = asyncio.create_task(traffic.send(await program.url()))
        await promised(traffic, 300)
        assert await program.terminate() == 0
        await sending
        assert_content(program)
    await assert_promises_kept(connection, traffic)
    assert await connection.fetchval("SELECT count(*) FROM deliveries WHERE state = 'running'") == 0


async def test_receiving_and_applying_can_be_processes_of_their_own(
    setup: Setup, connection: Connection, traffic: Traffic
) -> None:
    async with setup.running("serve", "--no-workers") as api:
        url = await api.url()
        await send(traffic, url, requests=50)
        states = await connection.fetch("SELECT DISTINCT state FROM deliveries")
        assert [row["state"] for row in states] == ["queued"]
        async with setup.running("worker") as worker:
            await worker.says("pagersync works")
            await send(traffic, url, requests=200)
            await wait_until_applied(connection)
            assert await worker.terminate() == 0
            assert await api.terminate() == 0
            assert_content(api, worker)
    await assert_promises_kept(connection, traffic)
    await assert_applied_once(connection, traffic)


async def test_many_processes_on_one_database_apply_everything_once(
    setup: Setup, connection: Connection, traffic: Traffic
) -> None:
    async with AsyncExitStack() as stack:
        first, second, *workers = [
            await stack.enter_async_context(setup.running(command))
            for command in ("serve", "serve", "worker", "worker")
        ]
        for worker in workers:
            await worker.says("pagersync works")
        await send(traffic, await first.url(), await second.url(), requests=600)
        await wait_until_applied(connection)
        programs = (first, second, *workers)
        assert await asyncio.gather(*(program.terminate() for program in programs)) == [0] * 4
        assert_content(*programs)
    await assert_promises_kept(connection, traffic)
    await assert_applied_once(connection, traffic)


async def test_several_processes_serve_one_port_and_end_together(
    anew: Setup, connection: Connection, traffic: Traffic
) -> None:
    hasty = anew.having(PAGERSYNC_APPLY_LEASE_S="2")
    async with hasty.running("serve", "--processes", "2") as program:
        url = await url_of_two(program)
        await send(traffic, url, requests=200)
        killed, kept = servers(program)
        os.kill(killed, signal.SIGKILL)
        await eventually(servers_of(program), lambda pids: len(pids) == 2 and pids[0] == kept)
        await send(traffic, url, requests=100)
        await wait_until_applied(connection)
        both = servers(program)
        assert await program.terminate() == 0
        assert not alive(both)
    await assert_promises_kept(connection, traffic)
    await assert_applied_once(connection, traffic)


@pytest.mark.usefixtures("engine")
async def test_several_processes_end_when_the_one_that_started_them_is_killed(
    anew: Setup,
) -> None:
    async with anew.running("serve", "--processes", "2") as program:
        await url_of_two(program)
        children = [pid for pid, parent in processes() if parent == program.process.pid]
        assert set(servers(program)) <= set(children)
        program.process.kill()
        program.process.wait()
        await eventually(lambda: asyncio.to_thread(alive, children), lambda pids: not pids)


async def url_of_two(program: Program) -> str:
    """Return the address at which two processes serve."""
    await eventually(servers_of(program), lambda pids: len(pids) == 2, timeout_s=START_S)
    return f"http://127.0.0.1:{(await program.says('pagersync starts'))['port']}"


def servers_of(program: Program) -> Callable[[], Awaitable[list[int]]]:
    return lambda: asyncio.to_thread(servers, program)


def servers(program: Program) -> list[int]:
    """Return the living processes that serve, oldest first."""
    said = re.findall(r"Started server process \[(\d+)\]", program.log.read_text())
    return alive(map(int, said))


def alive(pids: Iterable[int]) -> list[int]:
    living = {pid for pid, _ in processes()}
    return [pid for pid in pids if pid in living]


def processes() -> list[tuple[int, int]]:
    """Return the numbers of all living processes and of their parents."""
    command = ["/bin/ps", "-axo", "pid=,ppid=,stat="]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in shown.stdout.splitlines()]
    return [(int(pid), int(parent)) for pid, parent, state in rows if state[0] != "Z"]


@pytest.mark.usefixtures("engine")
async def test_a_taken_port_is_one_line(setup: Setup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await setup.run("serve", "--port", str(port))
    assert ended.returncode == 1
    assert ended.stderr == f"pagersync: cannot listen on 127.0.0.1:{port}: Address already in use\n"
