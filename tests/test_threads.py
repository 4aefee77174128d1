"""What threads that compute leave to the event loop."""

import asyncio
import sys
from collections.abc import Iterator
from threading import Event

import pytest

from pagersync.threads import RENDERING, let_the_loop_go_first, run_in

TIMES = 40


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def compute_until(stop: Event) -> int:
    """Compute, as a long template does."""
    times = 0
    while not stop.is_set():
        times += 1
    return times


async def rounds_s() -> float:
    """Return how long the event loop takes to come round some times beside a computing thread."""
    loop, stop = asyncio.get_running_loop(), Event()
    computing = asyncio.ensure_future(run_in(RENDERING, compute_until, stop))
    await asyncio.sleep(0.01)
    began = loop.time()
    for _ in range(TIMES):
        await asyncio.sleep(0.0001)
    took = loop.time() - began
    stop.set()
    await computing
    return took


async def test_a_thread_that_renders_lets_the_event_loop_go_first() -> None:
    sys.setswitchinterval(0.005)
    before = await rounds_s()
    let_the_loop_go_first()
    assert await rounds_s() < before / 2
