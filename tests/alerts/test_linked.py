"""Alerts that are attached to incidents: shown there, and what happens to them is activity."""

import asyncio
from typing import Any

from pagersync.database.base import new_id
from pagersync.http import AsyncClient
from tests.alerts.test_routes import play
from tests.support.account import Account, event
from tests.support.events import at, eight_bodies


def body(type_: str, **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": type_, "attributes": attributes}}


async def declare(api: AsyncClient, **attributes: Any) -> None:
    response = await api.post("/v1/incidents", json=body("incidents", **attributes))
    assert response.status_code == 201, response.text


async def alert_ids(api: AsyncClient) -> list[str]:
    return [row["id"] for row in (await api.get("/v1/alerts")).json()["data"]]


async def timeline(api: AsyncClient, number: int = 1) -> list[dict[str, Any]]:
    rows = (await api.get(f"/v1/incidents/{number}/events")).json()["data"]
    return [row["attributes"] for row in rows]


async def attach(api: AsyncClient, *ids: str) -> Any:
    url = "/v1/incidents/1/alerts"
    return await api.post(url, json=body("alerts", alert_ids=list(ids)))


async def test_what_happens_to_an_attached_alert_is_activity_at_its_own_time(
    api: AsyncClient, account: Account
) -> None:
    created, opened, *rest = eight_bodies()
    await play(api, account, created, opened)
    await declare(api)
    (alert_id,) = await alert_ids(api)
    assert (await attach(api, alert_id)).status_code == 200
    await play(api, account, *reversed(rest), *[{**one, "added_by_a_rule": 1} for one in rest])
    short_id = (await api.get(f"/v1/alerts/{alert_id}")).json()["data"]["attributes"]["short_id"]
    activity = [entry for entry in await timeline(api) if entry["source"] == "pagertree"]
    assert [entry["event"] for entry in activity] == [
        f"Rejected in PagerTree by a person on call (alert {short_id}).",
        f"Nobody on this layer answered in PagerTree: escalated (alert {short_id}).",
        f"Dropped by PagerTree: nobody was on call, or nobody acknowledged (alert {short_id}).",
        f"Acknowledged in PagerTree (alert {short_id}).",
        f"Handed off in PagerTree (alert {short_id}).",
        f"Resolved in PagerTree (alert {short_id}).",
    ]
    assert [entry["occurred_at"][14:16] for entry in activity] == [
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
    ]
    assert all(entry["alert_id"] == alert_id and entry["delivery_id"] for entry in activity)
    assert len(await alert_ids(api)) == 1


async def test_attaching_twice_attaches_once_and_says_so_once(
    api: AsyncClient, account: Account
) -> None:
    await play(api, account, event(title="Disk full"))
    await play(api, account, event(id_="alt_2", title="Disk slow"))
    await declare(api)
    newest, oldest = await alert_ids(api)
    await asyncio.gather(*[attach(api, oldest) for _ in range(4)])
    response = await attach(api, oldest, newest)
    assert [row["id"] for row in response.json()["data"]] == [newest, oldest]
    listed = await api.get("/v1/incidents/1/alerts")
    assert listed.json()["data"] == response.json()["data"]
    said = [entry["event"] for entry in await timeline(api) if "attached" in entry["event"]]
    assert len(said) == 2
    assert said[0].endswith("(Disk full) attached by the API key 'test'.")


async def test_attaching_names_the_alerts_that_do_not_exist_and_attaches_none(
    api: AsyncClient, account: Account
) -> None:
    await play(api, account, event(title="Disk full"))
    await declare(api)
    stranger = str(new_id())
    response = await attach(api, *await alert_ids(api), stranger)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert stranger in error["detail"]
    assert error["source"] == {"pointer": "/data/attributes/alert_ids"}
    assert (await api.get("/v1/incidents/1/alerts")).json()["data"] == []


async def test_alerts_are_attached_when_an_incident_is_made_or_changed(
    api: AsyncClient, account: Account
) -> None:
    await play(api, account, event(updatedAt=at(0)), event(id_="alt_2", updatedAt=at(0)))
    newest, oldest = await alert_ids(api)
    await declare(api, alert_ids=[oldest])
    await api.put("/v1/incidents/1", json=body("incidents", alert_ids=[oldest, newest]))
    listed = (await api.get("/v1/incidents/1/alerts")).json()["data"]
    assert [row["id"] for row in listed] == [newest, oldest]
    one_more = event("alert.resolved", "alt_2", updatedAt=at(5), status="resolved")
    await play(api, account, one_more)
    assert (await timeline(api))[0]["event"].startswith("Resolved in PagerTree")


async def test_what_people_do_here_to_an_attached_alert_is_activity_too(
    api: AsyncClient, account: Account
) -> None:
    del account
    made = await api.post("/v1/alerts", json=body("alerts", summary="Disk full"))
    alert_id = made.json()["data"]["id"]
    await declare(api, alert_ids=[alert_id])
    await api.post(f"/v1/alerts/{alert_id}/resolve")
    last = (await timeline(api))[-1]
    assert last["event"].startswith("Resolved by the API key 'test' (alert ")
    assert last["source"] == "system"
