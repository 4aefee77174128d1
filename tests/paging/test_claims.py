"""Operations are claimed account by account: what cannot be called costs nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.database.engine import Connection, raw_connection
from pagersync.errors import CredentialsRefused
from pagersync.integrations import service as integrations
from pagersync.integrations.gate import enter, enter_many, record_failure
from pagersync.integrations.vault import open_vault
from pagersync.paging.claim import claimable
from pagersync.paging.sender import operations_queue
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.pagertree import API_KEY

BACKLOG = 2000
NO_TURNS: tuple[list[str], list[int], int, int] = ([], [], 8, 0)


async def another_account(paging: Paging, settings: Settings) -> UUID:
    async with paging.sessions.begin() as session:
        new = await integrations.add_integration(
            session,
            name="other",
            pagertree_url="http://127.0.0.1:9/api/v4",
            api_key_encrypted=open_vault(settings).encrypt(API_KEY),
        )
    return new.integration.id


async def add_backlog(connection: Connection, integration_id: UUID, rows: int) -> None:
    await connection.execute(
        "INSERT INTO operations (id, integration_id, kind, requested_by, pagertree_alert_id,"
        " lock_key) SELECT id, $2, 'resolve_alert', 'a test', id::text, id::text"
        " FROM unnest($1::uuid[]) AS id",
        [new_id() for _ in range(rows)],
        integration_id,
    )
    await connection.execute("ANALYZE operations")


async def shut(connection: Connection, integration_id: UUID) -> None:
    await record_failure(connection, integration_id, CredentialsRefused("no"))


def rows_read(plan: dict[str, Any]) -> int:
    """Return how many rows of operations a plan looked at."""
    own = 0
    if plan.get("Relation Name") == "operations":
        seen = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        own = int(seen * plan["Actual Loops"])
    return own + sum(rows_read(child) for child in plan.get("Plans", ()))


async def test_the_backlog_of_a_shut_account_is_not_looked_at(
    idle: Paging, engine: AsyncEngine, settings: Settings
) -> None:
    other = await another_account(idle, settings)
    async with raw_connection(engine) as connection:
        await add_backlog(connection, other, BACKLOG)
        await shut(connection, other)
        page_id = await idle.page()
        statement = (
            "EXPLAIN (ANALYZE, FORMAT JSON) WITH lease AS (SELECT $2::int, $3::int), "  # noqa: S608 - a constant
            f"{claimable(10, looks=False)} SELECT * FROM head"
        )
        plan = (await connection.fetchval(statement, 8, None, None, *NO_TURNS))[0]["Plan"]
        assert rows_read(plan) < 50
        batch = await operations_queue(settings).claim(connection, rows_max=8)
    (create,) = await idle.operations(page_id)
    assert [row["id"] for row in batch.rows] == [create.id]


async def test_of_an_account_no_more_is_claimed_than_its_rate_allows(
    idle: Paging, engine: AsyncEngine, settings: Settings
) -> None:
    other = await another_account(idle, settings)
    async with raw_connection(engine) as connection:
        await add_backlog(connection, other, 20)
        await enter(connection, other, calls_per_s=0.2, burst=4)
        page_id = await idle.page()
        slow = settings.model_copy(update={"pagertree_calls_per_s": 0.2})
        batch = await operations_queue(slow).claim(connection, rows_max=16)
    (create,) = await idle.operations(page_id)
    claimed = [row["id"] for row in batch.rows]
    assert create.id in claimed
    assert len(claimed) == 1 + 4


async def test_a_page_that_is_too_old_is_claimed_although_its_account_is_shut(
    idle: Paging, engine: AsyncEngine, settings: Settings
) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    old, _ = await idle.page(expires_at=past), await idle.page()
    async with raw_connection(engine) as connection:
        await shut(connection, idle.integration_id)
        batch = await operations_queue(settings).claim(connection, rows_max=8)
    (create,) = await idle.operations(old)
    assert [row["id"] for row in batch.rows] == [create.id]


async def test_an_account_that_was_shut_is_tried_with_one_operation(
    idle: Paging, engine: AsyncEngine, settings: Settings
) -> None:
    for _ in range(3):
        await idle.page()
    async with raw_connection(engine) as connection:
        await shut(connection, idle.integration_id)
        await connection.execute("UPDATE integration_gates SET open_until = now()")
        batch = await operations_queue(settings).claim(connection, rows_max=8)
    assert len(batch.rows) == 1


@pytest.mark.parametrize("calls", [1, 2, 5])
async def test_several_permits_at_once_are_as_many_one_after_another(
    engine: AsyncEngine, calls: int
) -> None:
    together, single = new_id(), new_id()
    async with raw_connection(engine) as connection, connection.transaction():  # `now()` stands
        for each in (together, single):
            await enter(connection, each, calls_per_s=10, burst=3)
        many = await enter_many(connection, together, calls=calls, calls_per_s=10, burst=3)
        ones = [await enter(connection, single, calls_per_s=10, burst=3) for _ in range(calls)]
    assert many == ones


async def test_of_many_that_ask_a_limiter_that_may_be_tried_the_first_gets_through(
    engine: AsyncEngine,
) -> None:
    account = new_id()
    async with raw_connection(engine) as connection:
        await shut(connection, account)
        assert await enter_many(connection, account, calls=2, calls_per_s=10, burst=3) == [None] * 2
        await connection.execute("UPDATE integration_gates SET open_until = now()")
        first, *others = await enter_many(connection, account, calls=4, calls_per_s=10, burst=3)
    assert first is not None
    assert first.is_probe
    assert others == [None] * 3
