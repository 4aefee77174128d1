import asyncio
from typing import Any

import pytest

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from tests.paging.conftest import Paging
from tests.support.wait import eventually


def alert(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "alerts", "attributes": {"summary": "Disk full", **attributes}}}


async def created(api: AsyncClient, **attributes: Any) -> dict[str, Any]:
    response = await api.post("/v1/alerts", json=alert(**attributes))
    assert response.status_code == 201, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def reaches(api: AsyncClient, alert_id: str, **attributes: Any) -> dict[str, Any]:
    """Wait until an alert has these attributes."""

    async def show() -> dict[str, Any]:
        shown: dict[str, Any] = (await api.get(f"/v1/alerts/{alert_id}")).json()["data"][
            "attributes"
        ]
        return shown

    return await eventually(show, lambda shown: attributes.items() <= shown.items())


async def actions(api: AsyncClient, alert_id: str) -> list[str]:
    events = (await api.get(f"/v1/alerts/{alert_id}/events")).json()["data"]
    return [event["attributes"]["action"] for event in reversed(events)]


@pytest.mark.usefixtures("directory")
async def test_an_alert_without_targets_lives_here_alone(api: AsyncClient) -> None:
    new = await created(api, description="on db1", labels=[{"key": "host", "value": "db1"}])
    assert new["attributes"]["status"] == "open"
    assert new["attributes"]["external_id"] is None
    assert new["attributes"]["labels"] == [{"key": "host", "value": "db1"}]
    acknowledged = await api.post(f"/v1/alerts/{new['id']}/acknowledge")
    assert acknowledged.json()["data"]["attributes"]["status"] == "acknowledged"
    resolved = (await api.post(f"/v1/alerts/{new['id']}/resolve")).json()["data"]["attributes"]
    assert resolved["status"] == "resolved"
    assert resolved["ended_at"] is not None
    assert await actions(api, new["id"]) == ["created", "acknowledged", "resolved"]
    again = await api.post(f"/v1/alerts/{new['id']}/resolve")
    assert again.status_code == 200
    assert (await api.post(f"/v1/alerts/{new['id']}/acknowledge")).status_code == 400
    assert (await api.get("/v1/operations")).json()["data"] == []


async def test_who_asks_for_an_alert_gets_it_also_over_the_limit_a_day(
    api: AsyncClient, directory: Paging
) -> None:
    change = {"data": {"type": "integrations", "attributes": {"alerts_per_day_max": 0}}}
    await api.patch(f"/v1/integrations/{directory.integration_id}", json=change)
    new = await created(api, teams=[{"name": "Platform"}])
    assert new["attributes"]["status"] == "open"
    pages = (await api.get("/v1/pages")).json()["data"]
    assert [page["attributes"]["alert_id"] for page in pages] == [new["id"]]


async def test_an_alert_with_targets_is_one_alert_here_and_one_in_pagertree(
    service_api: AsyncClient, paging: Paging
) -> None:
    new = await created(service_api, teams=[{"name": "Platform"}], urgency="high")
    shown = await reaches(service_api, new["id"], status="triggered")
    (remote,) = paging.simulator.alerts()
    assert shown["external_id"] == remote["prefix_id"]
    listed = (await service_api.get("/v1/alerts")).json()["data"]
    assert [row["id"] for row in listed] == [new["id"]]


async def test_an_alert_in_pagertree_is_acknowledged_and_resolved_there(
    service_api: AsyncClient, paging: Paging
) -> None:
    new = await created(service_api, teams=[{"name": "Platform"}], urgency="high")
    assert (await service_api.post(f"/v1/alerts/{new['id']}/acknowledge")).status_code == 200
    await reaches(service_api, new["id"], status="acknowledged")
    assert (await service_api.post(f"/v1/alerts/{new['id']}/resolve")).status_code == 200
    await reaches(service_api, new["id"], status="resolved")
    (remote,) = paging.simulator.alerts()
    assert remote["status"] == "resolved"


async def test_a_resolve_waits_until_pagertree_has_opened_the_alert(
    service_api: AsyncClient, paging: Paging
) -> None:
    paging.simulator.change(queued_s=3600)
    new = await created(service_api, teams=[{"name": "Platform"}], urgency="high")
    await service_api.post(f"/v1/alerts/{new['id']}/resolve")

    async def answers() -> list[int | None]:
        requests = paging.simulator.requests()
        return [seen["status"] for seen in requests if seen["path"].endswith("/resolve")]

    await eventually(answers, lambda found: found[:1] == [422])
    (remote,) = paging.simulator.alerts()
    paging.simulator.act(remote["id"], "open")
    await reaches(service_api, new["id"], status="resolved")
    assert (await answers())[-1] == 200


async def test_an_alert_that_pagertree_made_is_acted_on_there_too(
    service_api: AsyncClient, paging: Paging
) -> None:
    remote = paging.simulator.add_alert(title="born there")

    async def listed() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await service_api.get("/v1/alerts")).json()["data"]
        return rows

    (row,) = await eventually(listed)
    await reaches(service_api, row["id"], status="triggered")
    body = {"data": {"type": "alerts", "attributes": {"summary": "named anew"}}}
    patched = await service_api.patch(f"/v1/alerts/{row['id']}", json=body)
    assert patched.json()["data"]["attributes"]["summary"] == "named anew"
    await service_api.post(f"/v1/alerts/{row['id']}/acknowledge")
    await reaches(service_api, row["id"], status="acknowledged", summary="named anew")
    (remote,) = paging.simulator.alerts()
    assert (remote["title"], remote["status"]) == ("named anew", "acknowledged")


async def test_escalating_pages_others_about_the_same_alert(
    service_api: AsyncClient, paging: Paging
) -> None:
    new = await created(service_api, teams=[{"name": "Platform"}], urgency="high")
    await reaches(service_api, new["id"], status="triggered")
    body = {
        "data": {
            "type": "alerts",
            "attributes": {"teams": [{"name": "Payments"}], "urgency": "critical"},
        }
    }
    escalated = await service_api.post(f"/v1/alerts/{new['id']}/escalate", json=body)
    assert escalated.status_code == 200, escalated.text

    async def pages() -> list[dict[str, Any]]:
        found: Response = await service_api.get(f"/v1/pages?filter[alert_id]={new['id']}")
        rows: list[dict[str, Any]] = found.json()["data"]
        return rows

    both = await eventually(
        pages, lambda rows: [r["attributes"]["status"] for r in rows] == ["confirmed"] * 2
    )
    assert {row["attributes"]["targets"][0]["name"] for row in both} == {"Platform", "Payments"}
    assert len(paging.simulator.alerts()) == 2
    assert len((await service_api.get("/v1/alerts")).json()["data"]) == 1
    assert "escalated" in await actions(service_api, new["id"])


@pytest.mark.parametrize(
    ("attributes", "pointers"),
    [
        ({"summary": "", "urgency": "loud"}, {"summary", "urgency"}),
        ({"teams": [{"name": "Nobody"}], "severity": "x"}, {"teams/0", "severity"}),
    ],
)
@pytest.mark.usefixtures("directory")
async def test_an_alert_that_cannot_be_right_is_refused(
    api: AsyncClient, attributes: dict[str, Any], pointers: set[str]
) -> None:
    response = await api.post("/v1/alerts", json=alert(**attributes))
    assert response.status_code == 422
    found = {error["source"]["pointer"] for error in response.json()["errors"]}
    assert found == {f"/data/attributes/{name}" for name in pointers}
    assert (await api.get("/v1/alerts")).json()["data"] == []


@pytest.mark.usefixtures("directory")
async def test_an_alert_is_changed_while_it_is_asked_for_by_its_key(api: AsyncClient) -> None:
    key = {"deduplication_key": "disk-1"}
    alert = await created(api, **key)

    async def change() -> int:
        body = {"data": {"type": "alerts", "attributes": {"summary": "Full", **key}}}
        return (await api.patch(f"/v1/alerts/{alert['id']}", json=body)).status_code

    async def ask() -> int:
        body = {"data": {"type": "alerts", "attributes": {"summary": "Full", **key}}}
        return (await api.post("/v1/alerts", json=body)).status_code

    answers = await asyncio.gather(*(call() for _ in range(6) for call in (change, ask)))
    assert set(answers) == {200, 201}


async def test_who_may_only_page_resolves_no_incident_by_an_alert(
    api: AsyncClient, sessions: Sessions, directory: Paging
) -> None:
    del directory
    alert = await created(api)
    async with sessions.begin() as session:
        token = (await create_key(session, "pager", [Scope.PAGE])).token
    body = {"data": {"type": "alerts", "attributes": {"resolve_related_incidents": True}}}
    headers = {"Authorization": f"Bearer {token}"}
    url = f"/v1/alerts/{alert['id']}/resolve"
    assert (await api.post(url, json=body, headers=headers)).status_code == 403
    assert (await api.post(url, headers=headers)).status_code == 200
