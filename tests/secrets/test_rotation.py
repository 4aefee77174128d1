"""The secret key is rotated while a service pages and calls: nothing is lost, nobody waits."""

import asyncio

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions, raw_connection
from pagersync.http import AsyncClient
from pagersync.integrations.resealing import list_old, reseal
from pagersync.integrations.secret_key import list_sealed, open_checked_vault
from pagersync.integrations.vault import SecretKeyError, Vault, new_secret_key, open_vault
from pagersync.secrets.findings import find_secret_problems
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.secrets.conftest import Called, Flows
from tests.secrets.test_canary import NAMED, call, document

NEW = new_secret_key()


@pytest.fixture
def paging_settings(paging_settings: Settings) -> Settings:
    """Return the settings of a service that knows the new key and the old one."""
    old = paging_settings.secret_key
    assert old is not None
    both = SecretStr(f"{NEW},{old.get_secret_value()}")
    return paging_settings.model_copy(update={"secret_key": both})


@pytest.fixture
async def old_answers(settings: Settings, sessions: Sessions, idle: Paging) -> None:
    """Leave what was encrypted with the old key: the account's API key, and an answer."""
    del idle
    encrypted = open_vault(settings).encrypt("{}")
    async with sessions.begin() as session:
        await session.execute(text(_ANSWERS), {"body": encrypted})


async def codes(sessions: Sessions, settings: Settings) -> list[str]:
    async with sessions() as session:
        return [each.detail for each in await find_secret_problems(session, settings)]


@pytest.mark.usefixtures("old_answers")
async def test_the_key_is_rotated_while_pages_go_out(
    paging: Paging,
    service_api: AsyncClient,
    flows: Flows,
    called: Called,
    paging_settings: Settings,
) -> None:
    engine = flows.sessions.kw["bind"]
    await service_api.post("/v1/secrets", json=document("secrets", name="A", value=NAMED))
    trigger = {"trigger_type": "incident", "triggers": ["incident_created"]}
    given = document("workflows", name="Tell", tasks=[call(called)], trigger_params=trigger)
    workflow = (await service_api.post("/v1/workflows", json=given)).json()["data"]
    assert "old key" in " ".join(await codes(flows.sessions, paging_settings))
    both, new = Vault(keys_of(paging_settings)), Vault([NEW])

    async def page_all_the_while() -> list[str]:
        pages = []
        for _ in range(8):
            page_id = await paging.page()
            pages.append((await paging.reaches(page_id, "confirmed", "failed")).status)
        return pages

    paging_on = asyncio.create_task(page_all_the_while())
    await flows.declare()
    async with raw_connection(engine) as connection:
        done = await reseal(connection, both)
        assert done.left == []
        assert done.rows == len(await list_sealed(connection)) > 5
    assert await paging_on == ["confirmed"] * 8
    await flows.declare()
    runs = await flows.ran(workflow["id"], runs=2)
    assert [run.status for run in runs] == ["completed", "completed"]
    assert await codes(flows.sessions, with_key(paging_settings, NEW)) == [
        each for each in await codes(flows.sessions, paging_settings) if "old keys" not in each
    ]
    await open_checked_vault(engine, with_key(paging_settings, NEW))
    with pytest.raises(SecretKeyError):
        await open_checked_vault(engine, with_key(paging_settings, keys_of(paging_settings)[1]))
    async with raw_connection(engine) as connection:
        for column in await connection.fetch(_ENCRYPTED):
            table, name = column["table_name"], column["column_name"]
            values = await connection.fetch(_VALUES.format(table=table, name=name))
            assert [row for row in values if not new.is_current(row["value"])] == [], table


async def test_what_a_process_with_the_old_key_writes_meanwhile_is_found(
    engine: AsyncEngine, idle: Paging, settings: Settings, sessions: Sessions
) -> None:
    del idle
    old = keys_of(settings)
    both = Vault([NEW, *old])
    async with raw_connection(engine) as connection:
        await reseal(connection, both)
        async with sessions.begin() as session:
            late = {"value": Vault(old).encrypt("late")}
            await session.execute(text("UPDATE integrations SET api_key_encrypted = :value"), late)
        assert [each.table for each in await list_old(connection, both)] == ["integrations"]
        assert (await reseal(connection, both)).left == []
        with pytest.raises(SecretKeyError):
            await reseal(connection, Vault([new_secret_key()]))
        assert await list_old(connection, both) == [], "what cannot be read is not touched"


def keys_of(settings: Settings) -> list[str]:
    assert settings.secret_key is not None
    return settings.secret_key.get_secret_value().split(",")


def with_key(settings: Settings, key: str) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr(key)})


_ANSWERS = """
WITH k AS (
    INSERT INTO api_keys (id, name, token_sha256, scopes)
    VALUES (gen_random_uuid(), 'k', decode('00', 'hex'), '{read}') RETURNING id)
INSERT INTO idempotency_keys (api_key_id, key, request_sha256, status, headers, body_encrypted)
SELECT k.id, 'key-' || n, decode('00', 'hex'), 200, '{}', :body FROM k, generate_series(1, 600) n
"""

_ENCRYPTED = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'bytea' AND column_name LIKE '%encrypted'
"""

_VALUES = "SELECT {name} AS value FROM {table} WHERE {name} IS NOT NULL"
