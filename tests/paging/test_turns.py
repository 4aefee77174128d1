"""Requesters take turns at PagerTree: a flood of one delays another's page by one call."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.read_back import read_back
from pagersync.database.base import new_id
from pagersync.database.engine import Connection, raw_connection
from pagersync.integrations.gate import enter
from pagersync.integrations.vault import open_vault
from pagersync.pagertree.client import create_http_client
from pagersync.paging.confirm import Checker
from pagersync.paging.models import Operation, OperationKind, PageStatus
from pagersync.paging.sender import operations_queue
from pagersync.paging.service import request_operation
from pagersync.paging.turn import Turns
from pagersync.paging.waiting import Waits
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.requesters import KEY, by_key
from tests.support.server import running_server

FLOOD = 300
A_FEW = 100
SLOW = Settings().model_copy(update={"pagertree_calls_per_s": 1e-4})
"""One call each time: none is won back meanwhile."""


async def flood(idle: Paging, rows: int = FLOOD, key: UUID | None = None) -> list[UUID]:
    with by_key(*([key] if key else [])):
        return [await idle.page(title="A flood") for _ in range(rows)]


async def ask(idle: Paging, kind: OperationKind, rows: int) -> list[UUID]:
    """Ask for changes of alerts that PagerTree made by itself."""
    ids = []
    async with idle.sessions.begin() as session:
        for _ in range(rows):
            operation = await request_operation(
                session,
                kind,
                integration_id=idle.integration_id,
                requested_by="a test",
                pagertree_alert_id=f"alt_{new_id()}",
            )
            ids.append(operation.id)
    return ids


@pytest.fixture
async def connection(engine: AsyncEngine, idle: Paging) -> AsyncIterator[Connection]:
    """Yield a connection to a database in which the account can make a call now and then."""
    async with raw_connection(engine) as connection:
        await enter(connection, idle.integration_id, calls_per_s=10, burst=1)
        yield connection


class Claims:
    """The claims of one process for an account that can make one call each time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queue = operations_queue(SLOW)

    async def next(self) -> UUID:
        """Claim what is called about next."""
        (row,) = (await self._queue.claim(self._connection, rows_max=8)).rows
        return UUID(str(row["id"]))

    async def until(self, id_: UUID) -> int:
        """Return how many calls go before that of an operation."""
        before = 0
        while await self.next() != id_:
            before += 1
        return before


async def create_of(idle: Paging, page_id: UUID) -> UUID:
    (create,) = await idle.operations(page_id)
    return create.id


async def test_a_page_is_next_although_a_key_asked_for_many_before(
    idle: Paging, connection: Connection
) -> None:
    await flood(idle)
    claims = Claims(connection)
    for _ in range(5):
        await claims.next()
    page_id = await idle.page()
    assert await claims.until(await create_of(idle, page_id)) == 0
    again_id = await idle.page()
    assert await claims.until(await create_of(idle, again_id)) <= 1


async def test_a_page_waits_for_one_call_of_each_of_many_keys_that_flood(
    idle: Paging, connection: Connection
) -> None:
    claims = Claims(connection)
    await claims.until(await create_of(idle, await idle.page()))
    for _ in range(5):
        await flood(idle, 20, new_id())
    page_id = await idle.page()
    assert await claims.until(await create_of(idle, page_id)) <= 5


@pytest.mark.parametrize("kind", [OperationKind.ACKNOWLEDGE_ALERT, OperationKind.RESOLVE_ALERT])
async def test_a_page_goes_before_changes_of_alerts_whoever_asks_for_them(
    idle: Paging, connection: Connection, kind: OperationKind
) -> None:
    claims = Claims(connection)
    await ask(idle, kind, 20)
    with by_key():
        await ask(idle, kind, FLOOD)
    for page in range(3):
        page_id = await idle.page()
        assert await claims.until(await create_of(idle, page_id)) <= 1, page


async def test_changes_of_alerts_have_one_call_of_four_while_a_key_floods_with_pages(
    idle: Paging, connection: Connection
) -> None:
    await flood(idle, 40)
    claims = Claims(connection)
    resolves = await ask(idle, OperationKind.RESOLVE_ALERT, 5)
    claimed = [await claims.next() for _ in range(20)]
    assert [id_ for id_ in claimed if id_ in resolves] == resolves


async def test_changes_of_one_requester_do_not_hold_back_those_of_another(
    idle: Paging, connection: Connection
) -> None:
    with by_key():
        await ask(idle, OperationKind.ACKNOWLEDGE_ALERT, FLOOD)
    claims = Claims(connection)
    await claims.next()
    (resolve,) = await ask(idle, OperationKind.RESOLVE_ALERT, 1)
    assert await claims.until(resolve) <= 1


async def test_pages_of_one_requester_go_out_in_their_order(
    idle: Paging, connection: Connection
) -> None:
    pages = await flood(idle, 10)
    claims = Claims(connection)
    assert [await claims.next() for _ in pages] == [
        await create_of(idle, page_id) for page_id in pages
    ]


async def test_pages_that_expired_do_not_hold_back_one_that_is_to_be_sent(
    idle: Paging, connection: Connection
) -> None:
    await flood(idle, 40)
    await connection.execute("UPDATE pages SET expires_at = now() - interval '1 second'")
    page_id = await idle.page()
    queue = operations_queue(SLOW)
    batches = [await queue.claim(connection, rows_max=8) for _ in range(2)]
    claimed = [row["id"] for batch in batches for row in batch.rows]
    assert await create_of(idle, page_id) in claimed


async def test_a_running_service_sends_an_incidents_page_before_nearly_all_of_a_flood(
    idle: Paging, paging_settings: Settings
) -> None:
    slow = {"pagertree_calls_per_s": 20.0, "pagertree_burst_calls": 1}
    await flood(idle)
    async with running_server(paging_settings.model_copy(update=slow)):
        page_id = await idle.page(title="An incident")
        await idle.reaches(page_id, PageStatus.SENT, PageStatus.CONFIRMED)
    async with idle.sessions() as session:
        is_sent = (Operation.requester == KEY) & (Operation.state == "done")
        sent = await session.scalar(select(func.count()).select_from(Operation).where(is_sent))
    assert (sent or 0) < A_FEW


async def test_a_page_says_how_many_of_the_same_requester_are_before_it(idle: Paging) -> None:
    await idle.page()
    ids = await flood(idle, 4)
    creates = [(await idle.operations(page_id))[0] for page_id in ids]
    async with idle.sessions() as session:
        reasons = await Waits(10).of(session, creates)
    assert reasons[creates[3].id].endswith("behind 3 that a test asked for before.")
    assert creates[0].id not in reasons


async def test_checks_leave_the_calls_of_an_account_to_its_pages(
    idle: Paging, engine: AsyncEngine, connection: Connection, settings: Settings
) -> None:
    await idle.page()
    await connection.execute(
        "UPDATE pages SET status = 'sent', pagertree_alert_id = 'alt_1', check_at = now()"
    )
    await connection.execute("UPDATE integration_gates SET tokens = -0.5")
    slow = settings.model_copy(update={"pagertree_calls_per_s": 1e-4})
    async with create_http_client(timeout_s=1) as http:
        turns = Turns(
            engine,
            operations_queue(slow),
            http=http,
            vault=open_vault(slow),
            settings=slow,
            read_back=read_back,
        )
        async with asyncio.timeout(10):
            assert await Checker(turns, stuck_s=60).check_due() == 1
        await turns.aclose()
    assert await connection.fetchval("SELECT tokens FROM integration_gates") == -0.5
