"""The default account: what names no account uses it, and there is always exactly one."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.default_account import pick
from pagersync.integrations.models import Integration
from pagersync.paging.requests import choose_integration

WHOM = {"teams": [{"name": "SRE"}]}


async def connect(sessions: Sessions, name: str, **columns: Any) -> UUID:
    async with sessions.begin() as session:
        return (await service.add_integration(session, name=name, **columns)).integration.id


async def defaults(sessions: Sessions) -> list[str]:
    async with sessions() as session:
        statement = select(Integration.name).where(Integration.is_default)
        return list(await session.scalars(statement))


async def chosen(sessions: Sessions) -> str:
    async with sessions() as session:
        return (await choose_integration(session, None)).name


def change(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "integrations", "attributes": attributes}}


def alert(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "alerts", "attributes": {"summary": "Disk full", **attributes}}}


async def test_the_first_account_is_the_default_and_stays_it(sessions: Sessions) -> None:
    await connect(sessions, "acme")
    await connect(sessions, "beta")
    assert await defaults(sessions) == ["acme"]
    assert await chosen(sessions) == "acme"


async def test_accounts_that_are_connected_at_once_have_one_default(sessions: Sessions) -> None:
    await asyncio.gather(*(connect(sessions, f"account {number}") for number in range(5)))
    assert len(await defaults(sessions)) == 1


async def test_another_account_is_made_the_default_by_rest(
    sessions: Sessions, api: AsyncClient
) -> None:
    await connect(sessions, "acme")
    beta = await connect(sessions, "beta")
    answer = await api.patch(f"/v1/integrations/{beta}", json=change(is_default=True))
    assert answer.json()["data"]["attributes"]["is_default"] is True, answer.text
    assert await defaults(sessions) == ["beta"]
    listed = (await api.get("/v1/integrations")).json()["data"]
    assert {each["attributes"]["name"]: each["attributes"]["is_default"] for each in listed} == {
        "acme": False,
        "beta": True,
    }


@pytest.mark.parametrize("value", [False, None])
async def test_no_account_stops_being_the_default_without_another_that_becomes_it(
    sessions: Sessions, api: AsyncClient, value: object
) -> None:
    acme = await connect(sessions, "acme")
    answer = await api.patch(f"/v1/integrations/{acme}", json=change(is_default=value))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["source"]["pointer"] == "/data/attributes/is_default"
    assert await defaults(sessions) == ["acme"]


async def test_a_key_of_one_account_cannot_make_it_the_default_for_everybody(
    sessions: Sessions, server: str
) -> None:
    await connect(sessions, "acme")
    beta = await connect(sessions, "beta")
    async with sessions.begin() as session:
        token = (await create_key(session, "beta's", [Scope.ADMIN], integration_id=beta)).token
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
        answer = await client.patch(f"/v1/integrations/{beta}", json=change(is_default=True))
        assert answer.status_code == 403
        assert await defaults(sessions) == ["acme"]
        changed = await client.patch(f"/v1/integrations/{beta}", json=change(enabled=True))
        assert changed.status_code == 200


async def test_the_oldest_enabled_account_becomes_the_default_when_the_default_is_removed(
    sessions: Sessions, api: AsyncClient
) -> None:
    acme = await connect(sessions, "acme")
    await connect(sessions, "off", enabled=False)
    await connect(sessions, "beta")
    assert (await api.delete(f"/v1/integrations/{acme}")).status_code == 200
    assert await defaults(sessions) == ["beta"]


async def test_a_disabled_default_account_is_passed_over_for_one_that_can_page(
    sessions: Sessions,
) -> None:
    acme = await connect(sessions, "acme")
    await connect(sessions, "beta")
    await connect(sessions, "gamma", default_targets=WHOM)
    async with sessions.begin() as session:
        await service.change_integration(session, acme, enabled=False)
    assert await chosen(sessions) == "gamma"


async def test_an_alert_without_targets_needs_neither_an_account_nor_the_choice_of_one(
    sessions: Sessions, api: AsyncClient
) -> None:
    before = await api.post("/v1/alerts", json=alert())
    assert before.status_code == 201, before.text
    made = before.json()["data"]
    resolved = await api.post(f"/v1/alerts/{made['id']}/resolve")
    assert resolved.json()["data"]["attributes"]["status"] == "resolved"
    acme = await connect(sessions, "acme")
    await connect(sessions, "beta")
    after = await api.post("/v1/alerts", json=alert())
    assert after.json()["data"]["attributes"]["integration_id"] == str(acme)


async def test_a_page_that_names_no_account_says_so_when_there_is_none(api: AsyncClient) -> None:
    body = {"data": {"type": "pages", "attributes": {"title": "Down", **WHOM}}}
    answer = await api.post("/v1/pages", json=body)
    assert answer.status_code == 422
    assert "no PagerTree account is connected" in answer.text


accounts = st.lists(
    st.builds(
        Integration,
        id=st.builds(uuid4),
        enabled=st.booleans(),
        is_default=st.booleans(),
        default_targets=st.sampled_from([{}, {"teams": []}, WHOM]),
    ),
    max_size=5,
)


@given(accounts)
def test_an_account_is_picked_whenever_one_is_enabled(every: list[Integration]) -> None:
    picked = pick(every)
    enabled = [account for account in every if account.enabled]
    assert (picked is None) == (not enabled)
    if picked is not None:
        assert picked.enabled
        assert picked.is_default or not any(account.is_default for account in enabled)
