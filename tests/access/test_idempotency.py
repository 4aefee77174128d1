"""`Idempotency-Key`: a POST that is sent again, however often, has one effect and one answer."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.keys import create_key, list_keys, revoke_key
from pagersync.access.models import IdempotencyKey, Scope
from pagersync.database.engine import Sessions, raw_connection
from pagersync.http import AsyncClient, Response
from pagersync.integrations.models import Integration, WebhookSecret
from pagersync.retention.sweep import remove_old_rows
from pagersync.settings import Settings
from tests.support.account import Account, event
from tests.support.faults import refusing
from tests.support.wait import eventually

KEY = {"Idempotency-Key": "one key"}
INTEGRATIONS = "/v1/integrations"


def new(name: str = "acme", **attributes: Any) -> dict[str, Any]:
    given = {"name": name, "api_key": "k", "verify_api_key": False} | attributes
    return {"data": {"type": "integrations", "attributes": given}}


def said(answer: Response) -> tuple[int, str, bytes]:
    return answer.status_code, answer.headers["content-type"], answer.content


def code(answer: Response) -> str:
    found: str = answer.json()["errors"][0]["code"]
    return found


def assert_replayed(again: Response, first: Response) -> None:
    assert first.status_code // 100 == 2, first.text
    assert "Idempotency-Replayed" not in first.headers
    assert said(again) == said(first)
    assert again.headers["Idempotency-Replayed"] == "true"


async def count(sessions: Sessions, table: type) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def client_of(server: str, sessions: Sessions, *scopes: Scope) -> AsyncClient:
    """Return a client with an API key of its own."""
    async with sessions.begin() as session:
        token = (await create_key(session, "other", scopes)).token
    headers = {"Authorization": f"Bearer {token}"}
    return AsyncClient(base_url=server, headers=headers, trust_env=False)


async def test_the_same_request_has_one_effect_and_one_answer(
    api: AsyncClient, sessions: Sessions
) -> None:
    first = await api.post(INTEGRATIONS, json=new(), headers=KEY)
    for _ in range(2):
        assert_replayed(await api.post(INTEGRATIONS, json=new(), headers=KEY), first)
    assert (await count(sessions, Integration), await count(sessions, WebhookSecret)) == (1, 1)
    other = await api.post(INTEGRATIONS, json=new("b"), headers={"Idempotency-Key": "another"})
    assert other.status_code == 201
    assert "Idempotency-Replayed" not in other.headers


async def test_a_secret_is_rotated_once(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    url = f"{INTEGRATIONS}/{account.id}/rotate_secret"
    first = await api.post(url, headers=KEY)
    assert_replayed(await api.post(url, headers=KEY), first)
    assert await count(sessions, WebhookSecret) == 2
    secret = first.json()["data"]["attributes"]["webhook_secret"]
    assert (await account.client.post(f"{account.url}?secret={secret}", json={})).status_code == 422
    without = await api.post(url)
    assert without.json()["data"]["attributes"]["webhook_secret"] != secret


async def test_deliveries_are_replayed_once(api: AsyncClient, account: Account) -> None:
    stored = await account.post(event())
    one = f"/v1/deliveries/{stored.json()['data']['id']}"

    async def state() -> str:
        found: str = (await api.get(one)).json()["data"]["attributes"]["state"]
        return found

    await eventually(state, lambda seen: seen == "done")
    first = await api.post(f"{one}/replay", headers=KEY)
    assert first.json()["data"]["attributes"]["state"] == "queued"
    await eventually(state, lambda seen: seen == "done")
    assert_replayed(await api.post(f"{one}/replay", headers=KEY), first)
    assert await state() == "done"
    url = "/v1/deliveries/replay?filter[event_type]=alert.created"
    body = {"data": {"type": "replays", "attributes": {"dry_run": False}}}
    first = await api.post(url, json=body, headers={"Idempotency-Key": "bulk"})
    assert first.json()["data"]["attributes"]["replayed"] == 1
    await eventually(state, lambda seen: seen == "done")
    again = await api.post(url, json=body, headers={"Idempotency-Key": "bulk"})
    assert_replayed(again, first)
    assert await state() == "done"


async def test_another_request_with_the_key_is_409(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    assert (await api.post(INTEGRATIONS, json=new("a"), headers=KEY)).status_code == 201
    for path, body in (
        (INTEGRATIONS, new("b")),
        (f"{INTEGRATIONS}?a=b", new("a")),
        (f"{INTEGRATIONS}/{account.id}/rotate_secret", new("a")),
        (f"{INTEGRATIONS}/%00/rotate_secret", new("a")),
        (INTEGRATIONS, {}),
        (INTEGRATIONS, None),
    ):
        answer = await api.post(path, json=body, headers=KEY)
        assert (answer.status_code, code(answer)) == (409, "idempotency_key_reused"), path
        (error,) = answer.json()["errors"]
        assert "send a new key with a new request" in error["detail"]
        assert error["source"] == {"parameter": "Idempotency-Key"}
    assert await count(sessions, Integration) == 2
    assert await count(sessions, WebhookSecret) == 2


async def at_once(*requests: Any) -> Sequence[Response]:
    answers: Sequence[Response] = await asyncio.gather(*requests)
    return answers


async def test_twenty_at_once_have_one_effect_and_get_one_answer(
    api: AsyncClient, sessions: Sessions
) -> None:
    answers = await at_once(
        *(api.post(INTEGRATIONS, json=new(), headers=KEY) for _ in range(20)),
    )
    assert {said(answer) for answer in answers} == {said(answers[0])}
    assert answers[0].status_code == 201
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count(None) == 1
    assert await count(sessions, Integration) == 1
    assert await count(sessions, WebhookSecret) == 1
    assert await count(sessions, IdempotencyKey) == 1


async def test_of_different_requests_at_once_one_has_the_key(
    api: AsyncClient, sessions: Sessions
) -> None:
    names = [f"acme {number}" for number in range(10)]
    answers = await at_once(
        *(api.post(INTEGRATIONS, json=new(name), headers=KEY) for name in names)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    refused = {code(answer) for answer in answers if answer.status_code == 409}
    assert refused == {"idempotency_key_reused"}
    assert await count(sessions, Integration) == 1


@pytest.mark.parametrize("table", ["integrations", "idempotency_keys"])
async def test_a_commit_that_fails_leaves_neither_effect_nor_key(
    api: AsyncClient, engine: AsyncEngine, sessions: Sessions, table: str
) -> None:
    async with refusing(engine, table, "true", at_commit=True):
        answer = await api.post(INTEGRATIONS, json=new(), headers=KEY)
    assert answer.status_code == 500
    assert await count(sessions, Integration) == await count(sessions, IdempotencyKey) == 0
    first = await api.post(INTEGRATIONS, json=new("b"), headers=KEY)
    assert_replayed(await api.post(INTEGRATIONS, json=new("b"), headers=KEY), first)


async def test_the_key_and_the_effect_are_written_by_one_transaction(
    api: AsyncClient, engine: AsyncEngine
) -> None:
    await api.post(INTEGRATIONS, json=new(), headers=KEY)
    async with engine.connect() as connection:
        statement = "SELECT k.xmin = i.xmin FROM idempotency_keys k, integrations i"
        assert (await connection.execute(text(statement))).scalars().all() == [True]


async def test_a_request_that_failed_can_be_repeated_with_its_key(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    refused = await api.post(INTEGRATIONS, json=new(), headers=KEY)
    assert (refused.status_code, code(refused)) == (409, "conflict")
    assert await count(sessions, IdempotencyKey) == 0
    await api.delete(f"{INTEGRATIONS}/{account.id}")
    first = await api.post(INTEGRATIONS, json=new(), headers=KEY)
    assert_replayed(await api.post(INTEGRATIONS, json=new(), headers=KEY), first)


async def test_a_revoked_key_gets_401_and_not_the_stored_answer(
    api: AsyncClient, sessions: Sessions
) -> None:
    assert (await api.post(INTEGRATIONS, json=new(), headers=KEY)).status_code == 201
    async with sessions.begin() as session:
        (key,) = await list_keys(session)
        await revoke_key(session, key.id)
    again = await api.post(INTEGRATIONS, json=new(), headers=KEY)
    assert (again.status_code, code(again)) == (401, "unauthorized")


async def test_a_key_that_lost_its_scope_gets_403_and_not_the_stored_answer(
    api: AsyncClient, engine: AsyncEngine
) -> None:
    assert (await api.post(INTEGRATIONS, json=new(), headers=KEY)).status_code == 201
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE api_keys SET scopes = '{write}'"))
    again = await api.post(INTEGRATIONS, json=new(), headers=KEY)
    assert (again.status_code, code(again)) == (403, "forbidden")


async def test_two_api_keys_with_one_idempotency_key_do_not_meet(
    api: AsyncClient, server: str, sessions: Sessions
) -> None:
    first = await api.post(INTEGRATIONS, json=new(), headers=KEY)
    async with await client_of(server, sessions, Scope.ADMIN) as other:
        theirs = await other.post(INTEGRATIONS, json=new("b"), headers=KEY)
        assert theirs.status_code == 201
        assert_replayed(await other.post(INTEGRATIONS, json=new("b"), headers=KEY), theirs)
    assert_replayed(await api.post(INTEGRATIONS, json=new(), headers=KEY), first)


@pytest.mark.parametrize("key", ["", "x" * 256, "\xe4".encode(), b"a\tb"])
async def test_a_key_that_is_not_1_to_255_printable_ascii_characters_is_422(
    api: AsyncClient, sessions: Sessions, key: Any
) -> None:
    answer = await api.post(INTEGRATIONS, json=new(), headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["source"] == {"parameter": "Idempotency-Key"}
    assert await count(sessions, Integration) == 0


@pytest.mark.parametrize("key", ["x", "x" * 255, "~ !\"'\\%&"])
async def test_any_other_key_is_a_key(api: AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key}
    first = await api.post(INTEGRATIONS, json=new(), headers=headers)
    assert_replayed(await api.post(INTEGRATIONS, json=new(), headers=headers), first)


async def test_other_methods_do_not_know_the_header(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    url = f"{INTEGRATIONS}/{account.id}"
    headers = {"Idempotency-Key": "x" * 256}
    for alerts_per_day_max in (1, 2):
        changes = {"alerts_per_day_max": alerts_per_day_max}
        body = {"data": {"type": "integrations", "attributes": changes}}
        changed = await api.patch(url, json=body, headers=headers)
        assert changed.json()["data"]["attributes"]["alerts_per_day_max"] == alerts_per_day_max
    assert (await api.get(url, headers=headers)).status_code == 200
    assert [(await api.delete(url, headers=headers)).status_code for _ in range(2)] == [200, 404]
    assert await count(sessions, IdempotencyKey) == 0


async def test_a_key_is_free_again_when_retention_has_removed_it(
    api: AsyncClient, engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await api.post(INTEGRATIONS, json=new(), headers=KEY)
    await api.post(INTEGRATIONS, json=new("b"), headers={"Idempotency-Key": "a day younger"})
    age = func.now() - timedelta(days=31)
    async with sessions.begin() as session:
        old = update(IdempotencyKey).where(IdempotencyKey.key == "one key")
        await session.execute(old.values(created_at=age))
        young = update(IdempotencyKey).where(IdempotencyKey.key != "one key")
        await session.execute(young.values(created_at=age + timedelta(days=2)))
    async with raw_connection(engine) as connection:
        removed = await remove_old_rows(
            connection, settings.model_copy(update={"retention_days": 1}), asyncio.Event()
        )
    assert removed["answers to `Idempotency-Key`s"].removed == 1
    again = await api.post(INTEGRATIONS, json=new(), headers=KEY)
    assert (again.status_code, code(again)) == (409, "conflict")
    kept = {"Idempotency-Key": "a day younger"}
    assert (await api.post(INTEGRATIONS, json=new("b"), headers=kept)).status_code == 201


async def test_no_secret_stands_in_the_table(api: AsyncClient, engine: AsyncEngine) -> None:
    made = await api.post(INTEGRATIONS, json=new(api_key="planted-api-key"), headers=KEY)
    url = f"{INTEGRATIONS}/{made.json()['data']['id']}/rotate_secret"
    rotated = await api.post(url, headers={"Idempotency-Key": "two"})
    secrets = [a.json()["data"]["attributes"]["webhook_secret"] for a in (made, rotated)]
    async with engine.connect() as connection:
        statement = "SELECT k::text, convert_from(body_encrypted, 'utf8') FROM idempotency_keys k"
        rows = (await connection.execute(text(statement))).all()
    shown = str(rows)
    assert len(rows) == 2
    assert not [secret for secret in (*secrets, "planted-api-key", "acme") if secret in shown]
