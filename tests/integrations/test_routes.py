"""`/v1/integrations`: connecting accounts by REST, against the simulated PagerTree."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import open_vault
from pagersync.settings import Settings
from pagersync.simulator.options import SimulatorOptions
from pagersync.simulator.simulator import Simulator
from tests.support.account import Account, event
from tests.support.server import serving
from tests.support.wait import eventually

GOOD_KEY = "pagertree-key-that-works"
ACCOUNT = SimulatorOptions(api_keys=frozenset({GOOD_KEY}))


@pytest.fixture
async def pagertree() -> AsyncIterator[str]:
    """Yield the base of a simulated PagerTree API that accepts one key."""
    async with serving(Simulator(ACCOUNT).app) as url:
        yield f"{url}/api/v4"


def new(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "integrations", "attributes": attributes}}


async def test_a_connected_account_receives_alerts_with_what_it_was_given(
    api: AsyncClient, pagertree: str
) -> None:
    answer = await api.post(
        "/v1/integrations", json=new(name="acme", api_key=GOOD_KEY, pagertree_url=pagertree)
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()["data"]
    attributes = made["attributes"]
    assert attributes["webhook_url"].endswith(f"/webhooks/pagertree/{made['id']}")
    assert attributes["verified_at"]
    assert any(attributes["webhook_secret"] in step for step in attributes["setup"])
    assert any("alert.handoff" in step for step in attributes["setup"])
    posted = await api.post(
        f"/webhooks/pagertree/{made['id']}?secret={attributes['webhook_secret']}", json=event()
    )
    assert posted.status_code == 202


async def test_the_api_key_and_the_webhook_secret_are_two_credentials(
    api: AsyncClient, pagertree: str
) -> None:
    answer = await api.post(
        "/v1/integrations", json=new(name="acme", api_key=GOOD_KEY, pagertree_url=pagertree)
    )
    made = answer.json()["data"]
    assert made["attributes"]["webhook_secret"] != GOOD_KEY
    posted = await api.post(
        f"/webhooks/pagertree/{made['id']}", params={"secret": GOOD_KEY}, json=event()
    )
    assert posted.status_code == 401
    headers = {"Authorization": f"Bearer {made['attributes']['webhook_secret']}"}
    assert (await api.get("/v1/alerts", headers=headers)).status_code == 401


async def test_the_api_key_is_stored_encrypted_and_never_shown(
    api: AsyncClient, pagertree: str, sessions: Sessions, settings: Settings
) -> None:
    answer = await api.post(
        "/v1/integrations", json=new(name="acme", api_key=GOOD_KEY, pagertree_url=pagertree)
    )
    listed = await api.get("/v1/integrations")
    shown = await api.get(f"/v1/integrations/{answer.json()['data']['id']}")
    for response in (answer, listed, shown):
        assert GOOD_KEY not in response.text
    assert answer.json()["data"]["attributes"]["webhook_secret"] not in listed.text + shown.text
    async with sessions() as session:
        row = (await session.scalars(select(Integration))).one()
    assert row.api_key_encrypted is not None
    assert GOOD_KEY.encode() not in row.api_key_encrypted
    assert open_vault(settings).decrypt(row.api_key_encrypted) == GOOD_KEY


async def test_a_key_that_pagertree_refuses_is_not_stored(api: AsyncClient, pagertree: str) -> None:
    body = new(name="acme", api_key="wrong", pagertree_url=pagertree)
    answer = await api.post("/v1/integrations", json=body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["code"], "wrong" in error["detail"]) == ("pagertree_rejected", False)
    assert (await api.get("/v1/integrations")).json()["data"] == []
    body["data"]["attributes"]["verify_api_key"] = False
    assert (await api.post("/v1/integrations", json=body)).status_code == 201


async def test_a_pagertree_that_cannot_be_reached_is_502(api: AsyncClient) -> None:
    body = new(name="acme", api_key="k", pagertree_url="http://127.0.0.1:9/api/v4")
    answer = await api.post("/v1/integrations", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (
        502,
        "pagertree_unavailable",
    )


@pytest.mark.parametrize(
    ("attributes", "pointers"),
    [
        ({}, {"/data/attributes/name", "/data/attributes/api_key"}),
        ({"name": "", "api_key": "k"}, {"/data/attributes/name"}),
        ({"name": "x" * 101, "api_key": "k"}, {"/data/attributes/name"}),
        ({"name": "a\x00", "api_key": "k"}, {"/data/attributes/name"}),
        (
            {"name": "01a208cf-fef7-741f-b5a2-3e10a979588c", "api_key": "k"},
            {"/data/attributes/name"},
        ),
        ({"name": 7, "api_key": ""}, {"/data/attributes/name", "/data/attributes/api_key"}),
        ({"name": "a", "api_key": "k", "colour": 1}, {"/data/attributes/colour"}),
        (
            {"name": "a", "api_key": "k", "pagertree_url": "ftp://x"},
            {"/data/attributes/pagertree_url"},
        ),
        (
            {"name": "a", "api_key": "k", "alert_url_template": "https://x/"},
            {"/data/attributes/alert_url_template"},
        ),
        (
            {"name": "a", "api_key": "k", "alerts_per_day_max": -1},
            {"/data/attributes/alerts_per_day_max"},
        ),
    ],
)
async def test_every_attribute_that_is_wrong_is_named(
    api: AsyncClient, attributes: dict[str, Any], pointers: set[str]
) -> None:
    answer = await api.post("/v1/integrations", json=new(**attributes))
    assert answer.status_code == 422
    assert {error["source"]["pointer"] for error in answer.json()["errors"]} == pointers


async def test_a_name_is_taken_until_the_account_is_removed(
    api: AsyncClient, account: Account
) -> None:
    body = new(name="acme", api_key="k", verify_api_key=False)
    answer = await api.post("/v1/integrations", json=body)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["source"]["pointer"] == "/data/attributes/name"
    other = await api.post(
        "/v1/integrations", json=new(name="b", api_key="k", verify_api_key=False)
    )
    renamed = await api.patch(
        f"/v1/integrations/{other.json()['data']['id']}", json=new(name="acme")
    )
    assert renamed.status_code == 409
    assert (await api.delete(f"/v1/integrations/{account.id}")).status_code == 200
    assert (await api.post("/v1/integrations", json=body)).status_code == 201


async def test_a_removed_account_is_gone_and_its_webhook_refuses(
    api: AsyncClient, account: Account
) -> None:
    assert (await account.post(event())).status_code == 202
    assert (await api.delete(f"/v1/integrations/{account.id}")).status_code == 200
    assert (await api.get(f"/v1/integrations/{account.id}")).status_code == 404
    assert (await api.delete(f"/v1/integrations/{account.id}")).status_code == 404

    async def status() -> int:
        return (await account.post(event())).status_code

    await eventually(status, lambda code: code == 401)
    alerts = (await api.get("/v1/alerts")).json()["data"]
    assert len(alerts) == 1, "what came before stays"


async def test_a_disabled_account_says_so_only_to_those_who_know_its_secret(
    api: AsyncClient, account: Account
) -> None:
    changed = await api.patch(f"/v1/integrations/{account.id}", json=new(enabled=False))
    assert changed.json()["data"]["attributes"]["enabled"] is False

    async def status() -> int:
        return (await account.post(event())).status_code

    await eventually(status, lambda code: code == 403)
    wrong = await account.client.post(account.url, params={"secret": "wrong"}, json=event())
    assert wrong.status_code == 401
    await api.patch(f"/v1/integrations/{account.id}", json=new(enabled=True))
    await eventually(status, lambda code: code == 202)


async def test_after_a_rotation_both_secrets_work_for_the_grace_period(
    api: AsyncClient, account: Account
) -> None:
    answer = await api.post(
        f"/v1/integrations/{account.id}/rotate_secret", json=new(grace_hours=1.0)
    )
    assert answer.status_code == 200, answer.text
    fresh = answer.json()["data"]["attributes"]["webhook_secret"]

    async def status(secret: str) -> int:
        answer = await account.client.post(account.url, params={"secret": secret}, json=event())
        return answer.status_code

    await eventually(lambda: status(fresh), lambda code: code == 202)
    assert await status(account.secret) == 202
    await api.post(f"/v1/integrations/{account.id}/rotate_secret", json=new(grace_hours=0.0))
    await eventually(lambda: status(account.secret), lambda code: code == 401)
    assert await status(fresh) == 401


async def test_a_rotation_of_an_older_version_is_412_and_the_secret_stays(
    api: AsyncClient, account: Account
) -> None:
    url = f"/v1/integrations/{account.id}"
    first = {"If-Match": (await api.get(url)).headers["ETag"]}
    rotated = await api.post(f"{url}/rotate_secret", headers=first)
    assert rotated.status_code == 200, rotated.text
    assert (await api.get(url)).headers["ETag"] == rotated.headers["ETag"] != first["If-Match"]
    late = await api.post(f"{url}/rotate_secret", json=new(grace_hours=0.0), headers=first)
    assert late.status_code == 412
    assert (await api.get(url)).headers["ETag"] == rotated.headers["ETag"]
    assert (await account.post(event())).status_code == 202


async def test_a_rotation_needs_no_body(api: AsyncClient, account: Account) -> None:
    answer = await api.post(f"/v1/integrations/{account.id}/rotate_secret")
    assert answer.status_code == 200, answer.text
    assert (await account.post(event())).status_code == 202


async def test_refusals_are_counted_by_reason_with_their_last_time(
    api: AsyncClient, account: Account
) -> None:
    for _ in range(3):
        await account.client.post(account.url, params={"secret": "wrong"}, json=event())
    await account.client.post(account.url, json=event())
    await account.post(b"x" * 1_100_000)

    async def refusals() -> dict[str, int]:
        shown = (await api.get(f"/v1/integrations/{account.id}")).json()
        rows = shown["data"]["attributes"]["refusals"]
        assert all(row["last_at"] for row in rows)
        return {row["reason"]: row["times"] for row in rows}

    expected = {"wrong_secret": 3, "missing_secret": 1, "body_too_large": 1}
    await eventually(refusals, lambda seen: seen == expected)
    metrics = (await api.get("/metrics")).text
    assert 'reason="wrong_secret"}' in metrics
    assert str(account.id) not in metrics  # which strangers can read here


async def test_a_stored_key_is_never_taken_to_a_new_address(
    api: AsyncClient, pagertree: str
) -> None:
    made = await api.post(
        "/v1/integrations", json=new(name="acme", api_key=GOOD_KEY, pagertree_url=pagertree)
    )
    path = f"/v1/integrations/{made.json()['data']['id']}"
    async with serving(Simulator(ACCOUNT).app) as other:
        elsewhere = f"{other}/api/v4"
        for verify in (True, False):
            body = new(pagertree_url=elsewhere, verify_api_key=verify)
            refused = await api.patch(path, json=body)
            assert refused.status_code == 422
            (error,) = refused.json()["errors"]
            assert error["source"]["pointer"] == "/data/attributes/api_key"
        moved = await api.patch(path, json=new(pagertree_url=elsewhere, api_key=GOOD_KEY))
    assert moved.json()["data"]["attributes"]["pagertree_url"] == elsewhere
    same = await api.patch(path, json=new(pagertree_url=elsewhere, name="acme 2"))
    assert same.status_code == 200, "the address did not change"


async def test_a_list_without_filters_refuses_them(api: AsyncClient) -> None:
    assert (await api.get("/v1/integrations?page[size]=1&page[number]=1")).status_code == 200
    for parameter in ("filter[name]", "sort", "name"):
        answer = await api.get("/v1/integrations", params={parameter: "x"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["source"]["parameter"] == parameter


async def test_a_changed_key_is_asked_of_pagertree_first(api: AsyncClient, pagertree: str) -> None:
    made = await api.post(
        "/v1/integrations", json=new(name="acme", api_key=GOOD_KEY, pagertree_url=pagertree)
    )
    path = f"/v1/integrations/{made.json()['data']['id']}"
    assert (await api.patch(path, json=new(api_key="wrong"))).status_code == 422
    assert (await api.patch(path, json=new(api_key=GOOD_KEY))).status_code == 200
    elsewhere = "http://127.0.0.1:9/api/v4"
    moved = await api.patch(path, json=new(pagertree_url=elsewhere, api_key=GOOD_KEY))
    assert moved.status_code == 502
    assert (await api.patch(path, json=new(alerts_per_day_max=9))).json()["data"]["attributes"][
        "alerts_per_day_max"
    ] == 9
    unlimited = await api.patch(path, json=new(alerts_per_day_max=None))
    assert unlimited.json()["data"]["attributes"]["alerts_per_day_max"] is None
    nameless = await api.patch(path, json=new(name=None))
    assert nameless.status_code == 422


async def test_a_change_that_was_made_of_an_older_version_is_412(
    api: AsyncClient, account: Account
) -> None:
    url = f"/v1/integrations/{account.id}"
    before = (await api.get(url)).headers["ETag"]
    change = {"data": {"type": "integrations", "attributes": {"alerts_per_day_max": 9}}}
    changed = await api.patch(url, json=change, headers={"If-Match": before})
    assert changed.status_code == 200
    assert (await api.patch(url, json=change, headers={"If-Match": before})).status_code == 412
    assert (await api.delete(url, headers={"If-Match": before})).status_code == 412
    assert (await api.get(url)).headers["ETag"] == changed.headers["ETag"]
    fresh = {"If-Match": changed.headers["ETag"]}
    assert (await api.delete(url, headers=fresh)).status_code == 200
