"""The directory from the shell, and kept up to date by whichever process is first."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations.directory import sync_integration
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import open_vault
from pagersync.pagertree.client import create_http_client
from pagersync.settings import Settings
from tests.integrations.conftest import connect
from tests.support.lists import GOOD_KEY, Lists, team, user
from tests.support.program import Setup
from tests.support.wait import eventually


@pytest.fixture
async def lists() -> AsyncIterator[Lists]:
    async with Lists.served() as lists:
        lists.rows["teams"] = [team(1, "SRE"), team(2, "Checkout")]
        lists.rows["account_users"] = [user(1, "Olivia Ortiz", "olivia@acme.test")]
        yield lists


@pytest.fixture
async def http() -> AsyncIterator[AsyncClient]:
    async with create_http_client(timeout_s=5) as http:
        yield http


@pytest.fixture
def setup(settings: Settings, tmp_path: Path) -> Setup:
    """Return an installation on the external database that tests share, with the same secrets."""
    assert settings.database_url is not None
    assert settings.secret_key is not None
    variables = {
        "PAGERSYNC_DATABASE_URL": settings.database_url.get_secret_value(),
        "PAGERSYNC_SECRET_KEY": settings.secret_key.get_secret_value(),
        "PAGERTREE_API_KEY": GOOD_KEY,
    }
    return Setup(tmp_path, variables)


@pytest.fixture
async def synced(
    settings: Settings, sessions: Sessions, http: AsyncClient, lists: Lists
) -> Integration:
    """Return an account whose directory is here."""
    vault = open_vault(settings)
    integration = await connect(sessions, lists, http, vault, name="acme")
    await sync_integration(sessions, http, vault, integration, timeout_s=5)
    return integration


@pytest.mark.usefixtures("engine")
async def test_the_directory_is_synced_listed_and_asked_from_the_shell(
    setup: Setup, lists: Lists
) -> None:
    nothing = await setup.tell("directory", "sync")
    assert nothing.startswith("No account is connected")
    added = await setup.ask("integrations", "add", "acme", "--pagertree-url", lists.url)
    assert "`pagersync directory sync`" in await setup.tell("directory", "list")
    said = await setup.tell("directory", "sync")
    assert said == "acme: teams 2, users 1, routers 0 (new 3, missing 0)\n"
    teams, shown = await asyncio.gather(
        setup.ask("directory", "list", "--kind", "team", "--integration", added["id"]),
        setup.tell("directory", "list"),
    )
    assert [(row["name"], row["prefix_id"]) for row in teams] == [
        ("Checkout", "tem_2"),
        ("SRE", "tem_1"),
    ]
    last = shown.splitlines()[-1]
    assert last.split() == ["acme", "user", "usr_1", "Olivia", "Ortiz", "olivia@acme.test"]


@pytest.mark.usefixtures("synced")
async def test_who_is_on_call_is_asked_from_the_shell(setup: Setup, lists: Lists) -> None:
    attendee = {"attendee_id": "01USER00000000000000000001"}
    lists.oncalls["01TEAM00000000000000000001"] = [
        {"layer": 1, "end_time": "2026-03-08T09:00:00Z", "attendees": [attendee]}
    ]
    asked, line, nobody, unknown = await asyncio.gather(
        setup.ask("directory", "oncall", "sre"),
        setup.tell("directory", "oncall", "tem_1", "--integration", "acme"),
        setup.tell("directory", "oncall", "tem_2"),
        setup.run("directory", "oncall", "nobody"),
    )
    (layer,) = asked["layers"]
    assert [user["name"] for user in layer["users"]] == ["Olivia Ortiz"]
    assert line == "layer 1  Olivia Ortiz  olivia@acme.test  until 2026-03-08 09:00 UTC\n"
    assert nobody == "Nobody is on call in Checkout.\n"
    assert (unknown.returncode, unknown.stderr) == (1, "pagersync: there is no team 'nobody'\n")


async def test_one_account_that_fails_is_told_and_holds_up_no_other(
    setup: Setup, settings: Settings, sessions: Sessions, http: AsyncClient, lists: Lists
) -> None:
    async with Lists.served() as broken:
        broken.refusing["teams"] = 401
        vault = open_vault(settings)
        await connect(sessions, broken, http, vault, name="broken")
        await connect(sessions, lists, http, vault, name="good")
        ended = await setup.run("directory", "sync")
        assert ended.returncode == 1
        assert ended.stdout == "good: teams 2, users 1, routers 0 (new 3, missing 0)\n"
        assert ended.stderr.startswith("broken: ")
        assert "no teams for you" in ended.stderr
        assert "Traceback" not in ended.stderr
        shown = await setup.ask("integrations", "show", "broken")
        assert "no teams for you" in shown["directory_error"]
        alone = await setup.run("directory", "sync", "--integration", "good")
        assert (alone.returncode, alone.stderr) == (0, "")


async def test_processes_that_share_a_database_sync_each_account_once(
    setup: Setup, settings: Settings, sessions: Sessions, http: AsyncClient, lists: Lists
) -> None:
    accounts = [f"account-{number}" for number in range(6)]
    often = setup.having(PAGERSYNC_DIRECTORY_SYNC_S="900")
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(often.running("worker"))
        other = await stack.enter_async_context(often.running("serve"))
        await asyncio.gather(one.says("pagersync works"), other.url())
        vault = open_vault(settings)
        await asyncio.gather(
            *[connect(sessions, lists, http, vault, name=name) for name in accounts]
        )

        async def synced() -> int:
            async with sessions() as session:
                counted = select(func.count(Integration.directory_synced_at))
                return (await session.execute(counted)).scalar_one()

        async def logged() -> list[dict[str, Any]]:
            said = [*one.said(), *other.said()]
            return [line for line in said if line["event"] == "the directory is synced"]

        await eventually(synced, lambda count: count == len(accounts))
        # The line follows the commit: a process that ends between them has synced and said nothing.
        await eventually(logged, lambda lines: len(lines) >= len(accounts))
        assert [await program.terminate() for program in (one, other)] == [0, 0]
        lines, said = await logged(), [*one.said(), *other.said()]
    assert sorted(line["integration"] for line in lines) == accounts
    assert lists.requests.count(("teams", 0)) == len(accounts)
    assert GOOD_KEY not in json.dumps(said)
