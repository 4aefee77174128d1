"""Costly work: in a process of its own, for as long as it may, callers by turns."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from pagersync import costly
from pagersync.costly import CostlyWork, CpuUsedUpError
from pagersync.errors import BusyError
from pagersync.fair import TooManyAtOnceError


@pytest.fixture
async def work() -> AsyncIterator[CostlyWork]:
    work = CostlyWork(cpu_s=0.3, cpu_s_per_minute=5)
    yield work
    await work.aclose()


def count_to(most: int) -> Iterator[int]:
    yield from range(most)


def loop_for_ever() -> Iterator[int]:
    yield os.getpid()
    while True:
        pass


def sleep_for_ever() -> Iterator[int]:
    time.sleep(600)
    yield 1


def environment() -> Iterator[dict[str, str]]:
    yield dict(os.environ)


def fail() -> Iterator[int]:
    raise ValueError("planted")


async def test_a_job_is_done_in_another_process_without_secrets(
    work: CostlyWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGERSYNC_SECRET_KEY", "planted")
    assert (await work.run("a", count_to, 3)).results == [0, 1, 2]
    (seen,) = (await work.run("a", environment)).results
    assert "planted" not in seen.values()


async def test_a_job_whose_time_is_up_ends_with_what_there_is_and_the_next_is_done(
    work: CostlyWork,
) -> None:
    done = await work.run("a", loop_for_ever)
    assert not done.is_complete
    assert done.results[0] != os.getpid()
    again = await work.run("a", count_to, 2)
    assert (again.results, again.is_complete) == ([0, 1], True)


async def test_a_process_that_does_not_answer_is_replaced(
    work: CostlyWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    await work.run("a", count_to, 1)
    with monkeypatch.context() as impatient:
        impatient.setattr(costly, "ANSWER_S", 0.2)
        with pytest.raises(BusyError) as refused:
            await work.run("a", sleep_for_ever)
    assert refused.value.retry_after_s > 0
    assert (await work.run("a", count_to, 2)).results == [0, 1]


async def test_a_job_that_fails_fails_alone(work: CostlyWork) -> None:
    with pytest.raises(RuntimeError, match="planted"):
        await work.run("a", fail)
    assert (await work.run("a", count_to, 1)).results == [0]


async def test_one_caller_uses_up_its_time_and_another_has_its_own() -> None:
    work = CostlyWork(cpu_s=0.3, cpu_s_per_minute=0.2)
    await work.run("greedy", loop_for_ever)
    with pytest.raises(CpuUsedUpError) as refused:
        await work.run("greedy", count_to, 1)
    assert 1 <= refused.value.retry_after_s <= 120
    assert (await work.run("modest", count_to, 1)).is_complete
    await work.aclose()


async def test_jobs_of_one_caller_beyond_the_queue_are_refused_and_others_get_their_turn(
    work: CostlyWork,
) -> None:
    jobs = [asyncio.create_task(work.run("greedy", loop_for_ever)) for _ in range(12)]
    await asyncio.sleep(0)
    modest = await work.run("modest", count_to, 1)
    assert modest.is_complete
    ends = await asyncio.gather(*jobs, return_exceptions=True)
    assert sum(isinstance(end, TooManyAtOnceError) for end in ends) >= 7
