"""kill -9 at any moment: what was answered is there, and is applied once."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from pagersync.database.engine import raw_connection
from tests.support.databases import engine_at
from tests.support.program import Setup, embedded_setup, embedded_url
from tests.support.traffic import (
    Traffic,
    assert_applied_once,
    assert_promises_kept,
    wait_until_applied,
)

pytestmark = pytest.mark.long

KILLS = 12


@pytest.fixture
def setup() -> Iterator[Setup]:
    """Yield an installation whose killed workers are noticed soon and often."""
    with embedded_setup(
        PAGERSYNC_APPLY_LEASE_S="2",
        PAGERSYNC_APPLY_BATCH_ROWS_MAX="20",
    ) as setup:
        yield setup


@pytest.mark.timeout(170)
async def test_nothing_that_was_answered_is_lost_or_applied_twice_by_kills(setup: Setup) -> None:
    rng = Random(20)
    added = await setup.ask("integrations", "add", "acme", "--api-key", "k", "--no-verify")
    traffic = Traffic.to(added["webhook_url"], added["webhook_secret"], seed=20)
    for _ in range(KILLS):
        async with setup.running("serve") as program:
            sending = asyncio.create_task(traffic.send(await program.url()))
            await asyncio.sleep(rng.uniform(0.01, 0.6))
            if rng.random() < 0.3:
                os.kill(postmaster_pid(setup.directory), signal.SIGKILL)
            program.process.kill()
            await sending
    async with setup.running("serve") as program:
        await traffic.finish(await program.url())
        await check(setup, traffic)
        assert await program.terminate() == 0


async def check(setup: Setup, traffic: Traffic) -> None:
    async with engine_at(embedded_url(setup)) as engine, raw_connection(engine) as connection:
        await assert_promises_kept(connection, traffic)
        await wait_until_applied(connection)
        await assert_applied_once(connection, traffic)


def postmaster_pid(directory: Path) -> int:
    return int((directory / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
