import asyncio
from uuid import UUID

import pytest
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
                " probing_until = probing_until - make_interval(secs => :s)"
            ),
            {"s": seconds},
        )


@pytest.mark.parametrize(
    ("error", "failures", "seconds"),
    [
        (DOWN, 1, None),
        (DOWN, FAILURES_MAX - 1, None),
        (DOWN, FAILURES_MAX, SHUT_FIRST_S),
        (DOWN, FAILURES_MAX + 1, 2 * SHUT_FIRST_S),
        (DOWN, 10_000, SHUT_MAX_S),
        (Ambiguous("x"), FAILURES_MAX, SHUT_FIRST_S),
        (Contract("x"), FAILURES_MAX, SHUT_FIRST_S),
        (CredentialsRefused("x"), 1, SHUT_MAX_S),
        (Unavailable("x", retry_after_s=77), 1, 77),
        (Unavailable("x", http_status=429), 1, 1),
        (Unavailable("x", http_status=429), 4, 8),
        (Unavailable("x", http_status=429, retry_after_s=0), 1, 0.1),
    ],
)
def test_how_long_a_failure_shuts_the_gate(
    error: PagerTreeError, failures: int, seconds: float | None
) -> None:
    assert shut_s(error, failures) == seconds


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
        await later(engine, SHUT_FIRST_S + 1)
        probe = await knock(connection, integration_id)
        assert probe is not None
        assert probe.is_probe
        assert await knock(connection, integration_id) is None
        await record_failure(connection, integration_id, DOWN)
        assert await knock(connection, integration_id) is None
        await later(engine, SHUT_FIRST_S + 1)
        assert await knock(connection, integration_id) is None
        await later(engine, SHUT_FIRST_S)
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
