"""`/v1/api_keys` and `pagersync keys`: made, changed, rotated, revoked."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from pagersync.access.keys import change_key, get_key, list_keys, rotate_key
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from pagersync.integrations import service
from pagersync.settings import Settings
from tests.support.program import Setup


def key(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "api_keys", "attributes": attributes}}


async def make(api: AsyncClient, **attributes: Any) -> Response:
    return await api.post(
        "/v1/api_keys", json=key(**{"name": "ci", "scopes": ["read"]} | attributes)
    )


async def works(server: str, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
        answer = await client.get("/v1/api_keys/current")
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


async def test_a_key_is_made_shown_once_and_works(api: AsyncClient, server: str) -> None:
    made = await make(api, scopes=["page", "page"], expires_at="2999-01-01T00:00:00+02:00")
    assert made.status_code == 201, made.text
    attributes = made.json()["data"]["attributes"]
    token = attributes.pop("token")
    assert attributes["scopes"] == ["page"]
    assert attributes["expires_at"] == "2998-12-31T22:00:00.000Z"
    shown = await api.get(f"/v1/api_keys/{made.json()['data']['id']}")
    assert shown.json()["data"]["attributes"] == attributes
    assert shown.headers["ETag"] == made.headers["ETag"]
    assert await works(server, token)
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
        current = (await client.get("/v1/api_keys/current")).json()["data"]
        assert (await client.get("/v1/api_keys")).status_code == 403
    assert current["id"] == made.json()["data"]["id"]
    listed = await api.get("/v1/api_keys")
    assert [row["attributes"]["name"] for row in listed.json()["data"]] == ["ci", "test"]
    assert token not in listed.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"scopes": []},
        {"scopes": ["root"]},
        {"expires_at": "yesterday"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"expires_at": "9999-01-01T00:00:00Z"},
        {"integration_id": str(uuid4())},
        {"integration_id": "acme"},
        {"token": "mine"},
    ],
)
async def test_what_cannot_be_right_is_refused(api: AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await make(api, **wrong)
    assert answer.status_code == 422, answer.text
    (name,) = wrong
    assert f"/data/attributes/{name}" in answer.json()["errors"][0]["source"]["pointer"]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_its_name_and_expiry_change_if_nobody_was_faster(
    api: AsyncClient, method: str
) -> None:
    made = await make(api)
    path, tag = f"/v1/api_keys/{made.json()['data']['id']}", made.headers["ETag"]
    changed = await api.request(method, path, json=key(name="cd"), headers={"If-Match": tag})
    assert changed.json()["data"]["attributes"]["name"] == "cd"
    late = await api.request(method, path, json=key(name="ce"), headers={"If-Match": tag})
    assert late.status_code == 412
    ends = await api.request(method, path, json=key(expires_at="2999-01-01T00:00:00Z"))
    assert ends.json()["data"]["attributes"]["name"] == "cd"
    never = await api.request(method, path, json=key(expires_at=None))
    assert never.json()["data"]["attributes"]["expires_at"] is None
    assert (await api.request(method, path, json=key(name=None))).status_code == 422
    assert (await api.request(method, path, json=key(scopes=["admin"]))).status_code == 422
    assert (await api.delete(path, headers={"If-Match": tag})).status_code == 412


async def test_a_revoked_key_ends_at_once_and_is_gone(api: AsyncClient, server: str) -> None:
    made = (await make(api)).json()["data"]
    token = made["attributes"]["token"]
    assert await works(server, token)
    assert (await api.delete(f"/v1/api_keys/{made['id']}")).status_code == 204
    assert not await works(server, token)
    for path in (f"/v1/api_keys/{made['id']}", f"/v1/api_keys/{uuid4()}"):
        assert (await api.get(path)).status_code == 404
        assert (await api.delete(path)).status_code == 404
        assert (await api.post(f"{path}/rotate")).status_code == 404


async def test_after_a_rotation_both_tokens_work_until_the_grace_period_ends(
    api: AsyncClient, server: str, sessions: Sessions
) -> None:
    made = (await make(api)).json()["data"]
    tokens = [made["attributes"]["token"]]
    for _ in range(2):
        rotated = (await api.post(f"/v1/api_keys/{made['id']}/rotate")).json()["data"]
        tokens.append(rotated["attributes"]["token"])
        assert rotated["attributes"]["old_expires_at"]
    assert [await works(server, token) for token in tokens] == [False, True, True]
    async with sessions.begin() as session:
        await session.execute(text("UPDATE api_keys SET old_expires_at = now()"))
    assert [await works(server, token) for token in tokens] == [False, False, True]
    body = key(grace_hours=0)
    now = (await api.post(f"/v1/api_keys/{made['id']}/rotate", json=body)).json()["data"]
    assert now["attributes"]["old_expires_at"] is None
    assert not await works(server, tokens[-1])
    assert await works(server, now["attributes"]["token"])
    for hours in (-1, 721):
        answer = await api.post(f"/v1/api_keys/{made['id']}/rotate", json=key(grace_hours=hours))
        assert answer.status_code == 422


async def test_a_rotation_of_an_older_version_is_412_and_the_token_stays(
    api: AsyncClient, server: str
) -> None:
    made = await make(api)
    path, first = f"/v1/api_keys/{made.json()['data']['id']}/rotate", made.headers["ETag"]
    rotated = await api.post(path, headers={"If-Match": first})
    assert (rotated.status_code, rotated.headers["ETag"] == first) == (200, False)
    assert (await api.post(path, headers={"If-Match": first})).status_code == 412
    for answer in (made, rotated):  # a second rotation would have ended the first token
        assert await works(server, answer.json()["data"]["attributes"]["token"])


async def test_the_list_is_filtered(api: AsyncClient, sessions: Sessions) -> None:
    async with sessions.begin() as session:
        integration = (await service.add_integration(session, name="acme")).integration.id
    await make(api, name="a", scopes=["read", "page"])
    await make(api, name="b", integration_id=str(integration), expires_at="2030-01-01T00:00:00Z")

    async def names(query: str) -> list[str]:
        answer = await api.get(f"/v1/api_keys?{query}")
        assert answer.status_code == 200, answer.text
        return [row["attributes"]["name"] for row in answer.json()["data"]]

    assert await names("filter[name]=a") == ["a"]
    assert await names("filter[scopes]=page") == ["a"]
    assert await names(f"filter[integration_id]={integration}") == ["b"]
    assert await names("filter[expires_at][lt]=2031-01-01T00:00:00Z") == ["b"]
    assert await names("filter[last_used_at][gt]=2020-01-01T00:00:00Z") == ["test"]
    assert await names("page[size]=1&page[number]=2") == ["a"]


async def test_commands_make_bind_rotate_and_revoke(
    settings: Settings, server: str, sessions: Sessions, tmp_path: Path
) -> None:
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    setup = Setup(tmp_path, {"PAGERSYNC_DATABASE_URL": url})
    async with sessions.begin() as session:
        integration = (await service.add_integration(session, name="acme")).integration.id
    made = await setup.ask("keys", "create", "ci", "--scope", "read", "--integration", "acme")
    assert await works(server, made["token"])
    (listed,) = await setup.ask("keys", "list")
    assert listed["integration_id"] == str(integration)
    assert listed["integration_name"] == "acme"
    assert "  only acme  " in await setup.tell("keys", "list")
    rotated = await setup.ask("keys", "rotate", made["id"], "--grace-hours", "0")
    assert [await works(server, each["token"]) for each in (made, rotated)] == [False, True]
    await setup.tell("keys", "revoke", made["id"])
    assert not await works(server, rotated["token"])
    unknown = await setup.run("keys", "create", "ci", "--integration", "nobody")
    assert unknown.returncode != 0
    assert "no integration 'nobody'" in unknown.stderr


async def test_a_rotation_within_the_grace_period_ends_the_oldest_token(
    sessions: Sessions, api: AsyncClient
) -> None:
    made = (await make(api)).json()["data"]
    async with sessions.begin() as session:
        found = next(each for each in await list_keys(session) if str(each.id) == made["id"])
        held = await get_key(session, found.id, lock=True)
        before = held.version
        await rotate_key(session, held, grace=timedelta(hours=1))
        await change_key(session, held, {"name": "later"})
        assert held.version == before + 2
