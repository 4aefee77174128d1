"""The first key: printed once by the first `serve`, or given by the operator."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.first_key import ensure_key, make_first_key, set_admin_key
from pagersync.access.keys import create_key, revoke_key, rotate_key
from pagersync.access.models import ApiKey, AuditEntry, Scope
from pagersync.database.engine import Sessions, raw_connection
from pagersync.errors import ConflictError
from pagersync.http import AsyncClient
from pagersync.settings import Settings
from tests.support.program import Setup
from tests.support.wait import eventually

GIVEN = "operators-own-key-0123456789abcdef"
OTHER = "operators-new-key-0123456789abcdef"


@pytest.fixture
async def setup(settings: Settings, engine: AsyncEngine, tmp_path: Path) -> Setup:
    assert settings.database_url is not None
    del engine  # needed only to be emptied
    url = settings.database_url.get_secret_value()
    given = {"PAGERSYNC_DATABASE_URL": url, "PAGERSYNC_ADMIN_KEY": ""}
    return Setup(tmp_path, {**given, "PAGERSYNC_LOG_FORMAT": "json"})


async def status(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "203.0.113.7"}
    async with AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        return (await client.get("/v1/audit")).status_code


async def sources(engine: AsyncEngine) -> set[str]:
    """Return the addresses from which logins failed."""
    async with raw_connection(engine) as connection:
        rows = await connection.fetch(
            "SELECT subject FROM request_counts WHERE kind LIKE 'failed%'"
        )
        return {row["subject"] for row in rows}


async def test_the_first_serve_prints_a_key_once_and_apart_from_the_log(
    setup: Setup, engine: AsyncEngine
) -> None:
    async with setup.running("serve") as first, setup.running("serve") as second:
        urls = [await first.url(), await second.url()]
        said = [*first.said(), *second.said()]
        (token,) = [line["event"].strip() for line in said if "psk_" in line["event"]]
        assert "psk_" not in "".join(str(line) for line in said if "level" in line)
        assert [await status(url, token) for url in urls] == [200, 200]
        assert await status(urls[0], "wrong") == 401
    assert await sources(engine) == {"127.0.0.1"}, "nobody is believed unless they are listed"
    again = setup.having(PAGERSYNC_TRUSTED_PROXIES="127.0.0.1")
    async with again.running("serve") as third:
        url = await third.url()
        assert await status(url, "wrong") == 401
        assert "psk_" not in third.log.read_text()
    assert await sources(engine) == {"203.0.113.7", "127.0.0.1"}


async def test_the_operators_key_works_and_is_in_no_log(setup: Setup) -> None:
    async with setup.having(PAGERSYNC_ADMIN_KEY=GIVEN).running("serve") as program:
        assert await status(await program.url(), GIVEN) == 200
        assert GIVEN not in program.log.read_text()
        assert "psk_" not in program.log.read_text()
    short = await setup.having(PAGERSYNC_ADMIN_KEY="x" * 31).run("serve")
    assert short.returncode != 0
    assert "PAGERSYNC_ADMIN_KEY" in short.stderr
    assert "x" * 31 not in short.stderr


@pytest.mark.parametrize("given", [None, GIVEN])
async def test_many_that_start_at_once_make_one_key(
    settings: Settings, sessions: Sessions, given: str | None
) -> None:
    settings = settings.model_copy(update={"admin_key": given and SecretStr(given)})
    printed = await asyncio.gather(*[ensure_key(settings) for _ in range(6)])
    assert len([token for token in printed if token]) == (1 if given is None else 0)
    async with sessions() as session:
        (key,) = await session.scalars(select(ApiKey))
        (entry,) = await session.scalars(select(AuditEntry))
    assert key.scopes == ["admin"]
    assert (entry.actor_kind, entry.actor_name, entry.action) == ("system", "serve", "create")


async def test_who_comes_second_waits_for_the_first_and_makes_none(sessions: Sessions) -> None:
    async def second() -> str | None:
        async with sessions.begin() as session:
            return await make_first_key(session)

    async with sessions.begin() as session:
        assert await make_first_key(session)
        waiting = asyncio.create_task(second())
        await asyncio.wait([waiting], timeout=0.5)
        assert not waiting.done()
    assert await waiting is None


async def test_where_there_has_ever_been_a_key_none_is_made(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        old = await create_key(session, "old", [Scope.READ])
        await revoke_key(session, old.key.id)
        assert await make_first_key(session) is None


async def test_a_changed_setting_replaces_the_key_and_a_revoked_one_comes_back(
    sessions: Sessions, server: str
) -> None:
    async def start_with(token: str) -> None:
        async with sessions.begin() as session:
            await set_admin_key(session, token)

    await start_with(GIVEN)
    assert await status(server, GIVEN) == 200
    await start_with(OTHER)
    assert [await status(server, token) for token in (GIVEN, OTHER)] == [401, 200]
    async with sessions.begin() as session:
        (key,) = await session.scalars(select(ApiKey))
        with pytest.raises(ConflictError):
            await rotate_key(session, key, grace=None)  # type: ignore[arg-type] # refused before
        await revoke_key(session, key.id)
    assert await status(server, OTHER) == 401
    await start_with(OTHER)
    await eventually(lambda: status(server, OTHER), lambda found: found == 200)
    async with sessions() as session:
        assert len((await session.scalars(select(ApiKey))).all()) == 1


async def test_another_keys_token_is_refused_as_the_operators(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        other = await create_key(session, "other", [Scope.READ])
    with pytest.raises(ConflictError, match="another API key"):
        async with sessions.begin() as session:
            await set_admin_key(session, other.token)
