"""`/v1/deliveries`: seen, shown with their bytes, replayed."""

import base64
from typing import Any

import pytest
from sqlalchemy import update

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.inbox.models import Delivery
from tests.support.account import Account, event
from tests.support.wait import eventually


def replay(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "replays", "attributes": attributes}}


async def states(api: AsyncClient) -> list[str]:
    rows = (await api.get("/v1/deliveries")).json()["data"]
    return [row["attributes"]["state"] for row in rows]


async def test_a_delivery_is_listed_without_and_shown_with_its_body(
    api: AsyncClient, account: Account
) -> None:
    body = b'{"type":"alert.open","data":{"id":"alt_1"}, "\xc3\xa4": 1}'
    answer = await account.post(body)
    path = f"/v1/deliveries/{answer.json()['data']['id']}"
    await eventually(lambda: states(api), lambda seen: seen == ["done"])
    (listed,) = (await api.get("/v1/deliveries")).json()["data"]
    assert "body" not in listed["attributes"]
    assert listed["attributes"]["pagertree_alert_id"] == "alt_1"
    shown = (await api.get(path)).json()["data"]["attributes"]
    assert base64.b64decode(shown["body_base64"]) == body
    assert shown["body"] == body.decode()
    assert listed["attributes"].items() <= shown.items()


async def test_a_body_that_is_no_text_is_shown_in_base64(
    api: AsyncClient, account: Account
) -> None:
    await account.post(b"\xff\xfe\x00")
    (listed,) = (await api.get("/v1/deliveries")).json()["data"]
    shown = (await api.get(f"/v1/deliveries/{listed['id']}")).json()["data"]["attributes"]
    assert shown["body"] is None
    assert base64.b64decode(shown["body_base64"]) == b"\xff\xfe\x00"


async def test_deliveries_are_found_by_state_event_alert_account_and_time(
    api: AsyncClient, account: Account
) -> None:
    await account.post(event("alert.open", "a"))
    await account.post(event("alert.resolved", "a"))
    await account.post({"type": "comment.created", "data": {}})
    await account.post(b"nonsense")
    await eventually(
        lambda: states(api),
        lambda seen: sorted(seen) == ["done", "done", "ignored", "invalid"],
    )
    expected = {
        "filter[state]=done": 2,
        "filter[state]=ignored,invalid": 2,
        "filter[state][not_in]=done": 2,
        "filter[event_type]=alert.open": 1,
        "filter[pagertree_alert_id]=a": 2,
        f"filter[integration_id]={account.id}": 4,
        "filter[received_at][gte]=2020-01-01T00:00:00Z": 4,
        "filter[received_at][lt]=2020-01-01T00:00:00Z": 0,
    }
    for query, count in expected.items():
        answer = await api.get(f"/v1/deliveries?{query}")
        assert (query, answer.json()["meta"]["total_count"]) == (query, count)
    for query in ("filter[state]=lost", "filter[integration_id]=x", "filter[body]=x"):
        assert (await api.get(f"/v1/deliveries?{query}")).status_code == 422


async def test_one_delivery_is_replayed_and_counts_once(api: AsyncClient, account: Account) -> None:
    answer = await account.post(event("alert.open", "a"))
    path = f"/v1/deliveries/{answer.json()['data']['id']}"
    await eventually(lambda: states(api), lambda seen: seen == ["done"])
    replayed = await api.post(f"{path}/replay")
    assert replayed.status_code == 202, replayed.text
    assert replayed.json()["data"]["attributes"]["state"] == "queued"
    await eventually(lambda: states(api), lambda seen: seen == ["done"])
    (alert,) = (await api.get("/v1/alerts")).json()["data"]
    events = (await api.get(f"/v1/alerts/{alert['id']}/events")).json()
    assert events["meta"]["total_count"] == 1


async def test_what_is_on_its_way_cannot_be_replayed(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    answer = await account.post(b"nonsense")
    (listed,) = (await api.get("/v1/deliveries")).json()["data"]
    assert answer.status_code == 422
    async with sessions.begin() as session:
        await session.execute(update(Delivery).values(state="running"))
    refused = await api.post(f"/v1/deliveries/{listed['id']}/replay")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "conflict")


async def test_a_bulk_replay_first_says_how_many_it_would_touch(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    for name in "abc":
        await account.post(event("alert.open", name))
    await eventually(lambda: states(api), lambda seen: seen == ["done"] * 3)
    async with sessions.begin() as session:
        await session.execute(
            update(Delivery).where(Delivery.pagertree_alert_id != "a").values(state="dead")
        )
    url = "/v1/deliveries/replay?filter[state]=dead"
    for body in (replay(), None):
        asked = (await api.post(url, json=body)).json()["data"]["attributes"]
        assert asked == {"dry_run": True, "matched": 2, "replayed": 0}
    assert sorted(await states(api)) == ["dead", "dead", "done"]
    done = (await api.post(url, json=replay(dry_run=False))).json()["data"]["attributes"]
    assert done == {"dry_run": False, "matched": 2, "replayed": 2}
    await eventually(lambda: states(api), lambda seen: seen == ["done"] * 3)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {"type": "alerts", "attributes": {}}},
        replay(dry_run="no"),
        replay(all=True),
        [],
    ],
)
async def test_a_bulk_replay_with_a_wrong_body_is_422(api: AsyncClient, body: Any) -> None:
    answer = await api.post("/v1/deliveries/replay", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["source"]["pointer"].startswith("/data") or body == []


@pytest.mark.parametrize(
    "query", ["state=dead", "fitler[state]=dead", "Filter[state]=dead", "dry_run"]
)
async def test_a_misspelt_filter_replays_nothing(
    api: AsyncClient, account: Account, query: str
) -> None:
    await account.post(b"nonsense")
    url = f"/v1/deliveries/replay?{query}"
    answer = await api.post(url, json=replay(dry_run=False))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["source"]["parameter"] == query.partition("=")[0]
    assert await states(api) == ["invalid"]


async def test_an_unknown_delivery_is_404(api: AsyncClient) -> None:
    unknown = "/v1/deliveries/01a208cf-fef7-741f-b5a2-3e10a979588c"
    assert (await api.get(unknown)).status_code == 404
    assert (await api.post(f"{unknown}/replay")).status_code == 404
    assert (await api.get("/v1/deliveries/no-uuid")).status_code == 422
