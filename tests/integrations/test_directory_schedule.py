"""Whose turn it is to be synced, and that one process takes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import func, update
from structlog.testing import capture_logs

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.connect import take_api_key
from pagersync.integrations.directory_schedule import sync_due
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import Vault
from pagersync.settings import Settings
from tests.integrations.conftest import connect, kept, reread
from tests.support.lists import GOOD_KEY, Lists
from tests.support.server import running_server
from tests.support.wait import eventually

Due = Callable[[], Awaitable[bool]]


@pytest.fixture
def due(sessions: Sessions, http: AsyncClient, vault: Vault, settings: Settings) -> Due:
    often = settings.model_copy(update={"directory_sync_s": 900})
    return lambda: sync_due(sessions, http, vault, often)


async def make_due(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Integration).values(directory_sync_at=func.now()))


def syncs(lists: Lists) -> int:
    return lists.requests.count(("teams", 0))


async def test_an_account_is_synced_when_it_is_due_and_not_before_the_next_turn(
    due: Due, sessions: Sessions, integration: Integration, lists: Lists
) -> None:
    assert await due()
    assert not await due()
    assert syncs(lists) == 1
    after = await reread(sessions, integration.id)
    wait_s = (after.directory_sync_at - after.directory_synced_at).total_seconds()
    assert 900 * 0.9 <= wait_s <= 900 * 1.1 + 60
    assert after.updated_at == integration.updated_at
    await make_due(sessions)
    assert await due()


async def test_loops_that_share_the_work_sync_each_account_once(
    due: Due, sessions: Sessions, http: AsyncClient, vault: Vault, lists: Lists
) -> None:
    for name in ("acme", "bravo", "charlie"):
        await connect(sessions, lists, http, vault, name=name)
    synced = await asyncio.gather(*[due() for _ in range(6)])
    assert synced.count(True) == syncs(lists) == 3
    assert len({entry.integration_id for entry in (await kept(sessions)).values()}) >= 1


async def test_a_failure_is_kept_logged_once_and_tried_again_at_the_next_turn(
    due: Due, sessions: Sessions, integration: Integration, lists: Lists
) -> None:
    lists.refusing["teams"] = 401
    logged = []
    for _ in range(2):
        with capture_logs() as logs:
            assert await due()
        logged.append([line["log_level"] for line in logs])
        assert not await due()
        await make_due(sessions)
    assert logged == [["warning"], []]
    assert (await reread(sessions, integration.id)).directory_error
    lists.refusing.clear()
    with capture_logs() as logs:
        assert await due()
    assert [(line["log_level"], line["integration"]) for line in logs] == [("info", "acme")]
    assert (await reread(sessions, integration.id)).directory_error is None


async def test_a_new_key_that_comes_during_a_sync_is_still_due(
    due: Due,
    sessions: Sessions,
    http: AsyncClient,
    vault: Vault,
    integration: Integration,
    lists: Lists,
) -> None:
    async def change_the_key(_path: str, _offset: int) -> None:
        lists.before_page = None
        columns = await take_api_key(
            http, vault, api_key=GOOD_KEY, pagertree_url=lists.url, verify=False
        )
        async with sessions.begin() as session:
            await service.change_integration(session, integration.id, **columns)

    lists.before_page = change_the_key
    assert await due()
    assert await due()
    assert not await due()


async def test_a_sync_that_is_cut_short_comes_again_when_its_claim_ends(
    due: Due, sessions: Sessions, integration: Integration, lists: Lists
) -> None:
    asked = asyncio.Event()

    async def hang(_path: str, _offset: int) -> None:
        asked.set()
        await asyncio.sleep(0.2)

    lists.before_page = hang
    syncing = asyncio.ensure_future(due())
    await asked.wait()
    syncing.cancel()
    await asyncio.wait([syncing])
    claimed = await reread(sessions, integration.id)
    assert claimed.directory_synced_at is None
    left_s = (claimed.directory_sync_at - claimed.created_at).total_seconds()
    assert 120 <= left_s < 180


@pytest.mark.parametrize("change", ["disabled", "keyless", "removed"])
async def test_what_cannot_be_synced_has_no_turn(
    due: Due, sessions: Sessions, integration: Integration, lists: Lists, change: str
) -> None:
    async with sessions.begin() as session:
        if change == "disabled":
            await service.change_integration(session, integration.id, enabled=False)
        elif change == "keyless":
            await service.change_integration(session, integration.id, api_key_encrypted=None)
        else:
            await service.remove_integration(session, integration.id)
    assert not await due()
    assert lists.requests == []


@asynccontextmanager
async def serving_often(settings: Settings, token: str) -> AsyncIterator[AsyncClient]:
    often = settings.model_copy(update={"directory_sync_s": 900})
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        running_server(often) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False) as api,
    ):
        yield api


async def test_a_service_syncs_a_new_account_and_a_new_key_at_once(
    settings: Settings, token: str, lists: Lists
) -> None:
    async with serving_often(settings, token) as api:

        async def names() -> list[str]:
            answer = await api.get("/v1/teams")
            return sorted(row["attributes"]["name"] for row in answer.json()["data"])

        new: dict[str, Any] = {"name": "acme", "api_key": GOOD_KEY, "pagertree_url": lists.url}
        body = {"data": {"type": "integrations", "attributes": new}}
        made = await api.post("/v1/integrations", json=body)
        await eventually(names, lambda found: found == ["Checkout", "SRE"], timeout_s=4)
        lists.rows["teams"].pop()
        lists.rows["teams"][0]["name"] = "Reliability"
        body["data"]["attributes"] = {"api_key": GOOD_KEY}
        await api.patch(f"/v1/integrations/{made.json()['data']['id']}", json=body)
        await eventually(names, lambda found: "Reliability" in found, timeout_s=4)
