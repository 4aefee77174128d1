"""A database that takes no changes, or is nearly full: said, answered 503, and paging goes on."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions, raw_connection
from pagersync.database.trouble import is_unreachable, trouble_of
from pagersync.doctor import examine
from pagersync.http import AsyncClient, Response
from pagersync.settings import Settings
from tests.paging.conftest import (
    Paging,
    directory,
    idle,
    pagertree,
    paging,
    paging_settings,
    service_url,
)
from tests.support.account import Account, event
from tests.support.server import running_server
from tests.support.wait import eventually

__all__ = ["directory", "idle", "pagertree", "paging", "paging_settings", "service_url"]

MIB = 1024 * 1024


@asynccontextmanager
async def a_client(settings: Settings, token: str) -> AsyncIterator[AsyncClient]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        running_server(settings) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client,
    ):
        yield client


async def change(client: AsyncClient, path: str, kind: str, **attributes: str) -> Response:
    return await client.post(path, json={"data": {"type": kind, "attributes": attributes}})


@pytest.fixture
async def token(sessions: Sessions) -> str:
    async with sessions.begin() as session:
        return (await create_key(session, "test", [Scope.ADMIN])).token


async def test_before_the_disk_is_full_what_can_be_sent_again_is_refused_and_pages_go_out(
    paging: Paging, paging_settings: Settings, token: str, sessions: Sessions
) -> None:
    short = paging_settings.model_copy(update={"disk_free_mib_min": 10**9})
    async with a_client(short, token) as client:
        path = f"{client.base_url}/webhooks/pagertree/{paging.integration_id}"
        account = Account(paging.integration_id, path, paging.webhook_secret, client)
        for answer in (
            await account.post(event("alert.created")),
            await change(client, "/v1/workflows", "workflows", name="w"),
            await change(client, "/v1/incidents", "incidents", title="t"),
        ):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
            assert "make room" in answer.text
        assert (await client.get("/v1/alerts")).status_code == 200
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert "PAGERSYNC_DISK_FREE_MIB_MIN" in ready.json()["writes"]
        await paging.reaches(await paging.page(), "sent", "confirmed")
        found = await examine(sessions, short)
        assert "disk_nearly_full" in {finding.code for finding in found}


async def test_while_some_room_is_left_on_the_disk_only_what_pages_nobody_is_refused(
    settings: Settings, token: str
) -> None:
    free_mib = shutil.disk_usage(settings.data_dir).free // MIB
    low = settings.model_copy(update={"disk_free_mib_min": int(free_mib * 1.5)})
    async with a_client(low, token) as client:
        refused = await change(client, "/v1/workflows", "workflows", name="w")
        assert refused.status_code == 503
        declared = await change(client, "/v1/incidents", "incidents", title="t")
        assert declared.status_code == 201, declared.text


async def test_a_read_only_database_is_told_and_used_again_when_it_takes_changes(
    settings: Settings, token: str, engine: AsyncEngine
) -> None:
    async with raw_connection(engine) as connection:
        database = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {database} SET default_transaction_read_only=on")
    try:
        async with a_client(settings, token) as client:
            ready = await client.get("/readyz")
            refused = await change(client, "/v1/workflows", "workflows", name="w")
            async with raw_connection(engine) as connection:
                await connection.execute(
                    "SET default_transaction_read_only=off;"
                    f"ALTER DATABASE {database} RESET default_transaction_read_only"
                )
            assert (ready.status_code, "read-only" in ready.json()["writes"]) == (503, True)
            assert (refused.status_code, "read-only" in refused.text) == (503, True)
            assert "Retry-After" in refused.headers

            async def made() -> int:
                return (await change(client, "/v1/workflows", "workflows", name="w")).status_code

            await eventually(made, lambda status: status == 201)

            async def is_ready() -> int:
                return (await client.get("/readyz")).status_code

            await eventually(is_ready, lambda status: status == 200)
    finally:
        async with raw_connection(engine) as connection:
            await connection.execute(
                f"ALTER DATABASE {database} RESET default_transaction_read_only"
            )


@pytest.mark.parametrize(
    ("error", "words", "kind"),
    [
        (asyncpg.DiskFullError("x"), "disk is full", "ill"),
        (asyncpg.ReadOnlySQLTransactionError("x"), "read-only", "ill"),
        (asyncpg.InvalidPasswordError("x"), "password", "ill"),
        (asyncpg.TooManyConnectionsError("x"), "no connection left", "ill"),
        (asyncpg.AdminShutdownError("x"), "shutting down", "ill"),
        (asyncpg.UndefinedTableError("x"), "pagersync migrate", "ill"),
        (asyncpg.QueryCanceledError("x"), "took too long", "busy"),
        (asyncpg.LockNotAvailableError("x"), "somebody else", "busy"),
    ],
)
def test_what_is_wrong_with_the_database_is_said_in_words(
    error: Exception, words: str, kind: str
) -> None:
    assert words in (trouble_of(error) or "")
    assert is_unreachable(error) is (kind == "ill")


def test_a_statement_that_is_wrong_is_no_trouble_of_the_database() -> None:
    assert trouble_of(asyncpg.UniqueViolationError("x")) is None
    assert trouble_of(asyncpg.DataError("x")) is None
