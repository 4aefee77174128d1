import asyncio
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.database.engine import Connection, raw_connection
from pagersync.errors import (
    Ambiguous,
    Contract,
    CredentialsRefused,
    PagerTreeError,
    Rejected,
    Unavailable,
)
from pagersync.integrations.gate import (
    FAILURES_MAX,
    SHUT_FIRST_S,
    SHUT_MAX_S,
    Permit,
    enter,
    is_working,
    record_failure,
    record_success,
    shut_s,
    take_spare,
)

DOWN = Unavailable("down")


async def knock(connection: Connection, integration_id: UUID) -> Permit | None:
    return await enter(connection, integration_id, calls_per_s=10, burst=3)


async def later(engine: AsyncEngine, seconds: float) -> None:
    """Move every gate's times into the past, as if so long had gone by."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE integration_gates SET"
                " refilled_at = refilled_at - make_interval(secs => :s),"
                " open_until = open_until - make_interval(secs => :s),"
                " failing_since = failing_since - make_interval(secs => :s),"
                " probing_until = probing_until - make_interval(secs => :s)"
            ),
            {"s": seconds},
        )


@pytest.mark.parametrize(
    ("error", "failures", "failing_s", "seconds"),
    [
        (DOWN, 1, 0, None),
        (DOWN, FAILURES_MAX - 1, 3600, None),
        (DOWN, FAILURES_MAX, 0, SHUT_FIRST_S),
        (DOWN, FAILURES_MAX, 3600, SHUT_FIRST_S),
        (DOWN, FAILURES_MAX + 5, 10, 5),
        (DOWN, 10_000, 60, 30),
        (DOWN, 10_000, 3600, SHUT_MAX_S),
        (Ambiguous("x"), FAILURES_MAX, 0, SHUT_FIRST_S),
        (Contract("x"), FAILURES_MAX, 0, SHUT_FIRST_S),
        (CredentialsRefused("x"), 1, 0, SHUT_MAX_S),
        (Unavailable("x", retry_after_s=77), 1, 0, 77),
        (Unavailable("x", http_status=429), 1, 0, 1),
        (Unavailable("x", http_status=429), 4, 0, 8),
        (Unavailable("x", http_status=429, retry_after_s=0), 1, 0, 0.1),
    ],
)
def test_how_long_a_failure_shuts_the_gate(
    error: PagerTreeError, failures: int, failing_s: float, seconds: float | None
) -> None:
    assert shut_s(error, failures, failing_s) == seconds


@given(
    failures=st.integers(1, 10_000),
    failing_s=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
)
def test_a_gate_is_never_shut_for_longer_than_calls_have_failed_but_for_the_first_moment(
    failures: int, failing_s: float, jitter: float
) -> None:
    pause_s = shut_s(DOWN, failures, failing_s, jitter)
    assert pause_s is None or pause_s <= min(max(1.1 * SHUT_FIRST_S, failing_s), SHUT_MAX_S)


def test_an_api_that_is_away_for_an_hour_is_tried_rarely() -> None:
    """Five calls fail at once, and then one after each pause."""
    failing_s, failures, tries = 0.0, FAILURES_MAX, 0
    while failing_s < 3600:
        failing_s += shut_s(DOWN, failures, failing_s) or 0
        failures, tries = failures + 1, tries + 1
    assert tries < 40


async def test_calls_that_can_wait_leave_some_to_the_others(engine: AsyncEngine) -> None:
    integration_id = new_id()

    async def takes(connection: Connection) -> bool:
        return await take_spare(connection, integration_id, calls=2, calls_per_s=0.2, burst=8)

    async with raw_connection(engine) as connection:
        assert not await takes(connection), "an account that was never called has no gate"
        await enter(connection, integration_id, calls_per_s=0.2, burst=8)
        assert [await takes(connection) for _ in range(4)] == [True, True, False, False]
        for _ in range(FAILURES_MAX):
            await record_failure(connection, integration_id, DOWN)
        await later(engine, 0.1)
        assert not await takes(connection), "the gate is shut"


def test_a_refusal_of_one_call_says_that_the_service_works() -> None:
    assert is_working(Rejected("no"))
    assert not any(map(is_working, (DOWN, Ambiguous("x"), Contract("x"), CredentialsRefused("x"))))


async def test_all_processes_together_keep_the_rate(engine: AsyncEngine) -> None:
    integration_id = new_id()
    async with raw_connection(engine) as one, raw_connection(engine) as other:
        waits = []
        for connection in (one, other, one, other, one):
            permit = await knock(connection, integration_id)
            assert permit is not None
            waits.append(permit.wait_s)
    assert waits[:3] == [0, 0, 0]
    assert 0 < waits[3] < waits[4] <= 0.2


async def test_who_would_wait_too_long_is_sent_away(engine: AsyncEngine) -> None:
    integration_id = new_id()
    async with raw_connection(engine) as connection:
        permits = [await knock(connection, integration_id) for _ in range(80)]
        assert None in permits
        assert max(permit.wait_s for permit in permits if permit) <= 5.2
        await later(engine, 10)
        assert await knock(connection, integration_id) is not None


async def test_failures_in_a_row_shut_the_gate_and_one_call_tries_it(
    engine: AsyncEngine,
) -> None:
    integration_id = new_id()
    async with raw_connection(engine) as connection:
        for _ in range(FAILURES_MAX):
            assert await knock(connection, integration_id) is not None
            await record_failure(connection, integration_id, DOWN)
        assert await knock(connection, integration_id) is None
        await later(engine, 2 * SHUT_FIRST_S)
        assert await knock(connection, integration_id) is not None
        await record_success(connection, integration_id)
        assert await knock(connection, integration_id) is not None


async def test_of_many_that_find_a_gate_that_may_be_tried_one_gets_through(
    engine: AsyncEngine,
) -> None:
    integration_id = new_id()
    async with raw_connection(engine) as connection:
        await knock(connection, integration_id)
        await record_failure(connection, integration_id, CredentialsRefused("no"))
    await later(engine, SHUT_MAX_S + 1)

    async def arrive() -> bool:
        async with raw_connection(engine) as connection:
            return await knock(connection, integration_id) is not None

    assert sum(await asyncio.gather(*(arrive() for _ in range(6)))) == 1


async def test_a_prober_that_never_comes_back_does_not_shut_the_gate_for_ever(
    engine: AsyncEngine,
) -> None:
    integration_id = new_id()
    async with raw_connection(engine) as connection:
        await knock(connection, integration_id)
        await record_failure(connection, integration_id, Unavailable("x", retry_after_s=1))
        await later(engine, 2)
        assert await knock(connection, integration_id) is not None
        await later(engine, 61)
        assert await knock(connection, integration_id) is not None
