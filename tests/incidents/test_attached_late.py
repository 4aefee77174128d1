"""Alerts that are attached to an incident that is over."""

import asyncio
from typing import Any

import pytest

from pagersync.database.engine import Sessions
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.incidents.attach import attach_alerts
from pagersync.incidents.service import get_incident, move_incident
from tests.incidents.test_routes import body, made, timeline
from tests.paging.conftest import Paging
from tests.paging.test_alert_actions import created, reaches
from tests.workflows.conftest import (
    directory,
    idle,
    pagertree,
    paging,
    paging_settings,
    service_api,
    service_url,
)

__all__ = [
    "directory",
    "idle",
    "pagertree",
    "paging",
    "paging_settings",
    "service_api",
    "service_url",
]
PERSON = Cause("Ada")


async def sent(api: AsyncClient, method: str, path: str, **attributes: Any) -> dict[str, Any]:
    type_ = "alerts" if path.endswith("/alerts") else "incidents"
    answer = await api.request(method, f"/v1/incidents{path}", json=body(type_, **attributes))
    assert answer.is_success, answer.text
    return dict(answer.json())


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/1/alerts", {}),
        ("PUT", "/1", {}),
        ("POST", "", {"status": "resolved"}),
    ],
)
async def test_an_open_alert_attached_to_an_incident_that_is_over_is_named_and_stays_open(
    api: AsyncClient, method: str, path: str, more: dict[str, Any]
) -> None:
    await made(api)
    await api.put("/v1/incidents/1/resolve")
    alert = await created(api)
    answer = await sent(api, method, path, alert_ids=[alert["id"]], **more)
    (note,) = answer["meta"]["notes"]
    assert f"Alert {alert['attributes']['short_id']} is open although incident" in note
    assert "resolved" in note
    number = "2" if path == "" else "1"
    assert any("It stays open" in each["event"] for each in await timeline(api, number))
    await reaches(api, alert["id"], status="open")


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/1/alerts", {}),
        ("PUT", "/1", {}),
        ("POST", "", {"status": "resolved"}),
    ],
)
async def test_an_open_alert_is_resolved_with_it_if_the_caller_says_so(
    api: AsyncClient, method: str, path: str, more: dict[str, Any]
) -> None:
    await made(api)
    await api.put("/v1/incidents/1/resolve")
    alert = await created(api)
    said = {"alert_ids": [alert["id"]], "resolve_open_alerts": True, **more}
    answer = await sent(api, method, path, **said)
    assert "notes" not in answer.get("meta", {})
    await reaches(api, alert["id"], status="resolved")


async def test_an_alert_in_pagertree_and_the_pages_about_it_are_resolved_there(
    service_api: AsyncClient, paging: Paging
) -> None:
    await made(service_api)
    await service_api.put("/v1/incidents/1/resolve")
    alert = await created(service_api, teams=[{"name": "Platform"}], urgency="high")
    await reaches(service_api, alert["id"], status="triggered")
    more = {"data": {"type": "alerts", "attributes": {"teams": [{"name": "Payments"}]}}}
    assert (await service_api.post(f"/v1/alerts/{alert['id']}/escalate", json=more)).is_success
    said = {"alert_ids": [alert["id"]], "resolve_open_alerts": True}
    await sent(service_api, "POST", "/1/alerts", **said)
    await reaches(service_api, alert["id"], status="resolved")
    for each in paging.simulator.alerts():
        await paging.pagertree.reaches(each["id"], "resolved")


@pytest.mark.usefixtures("directory")
async def test_what_a_change_resolves_or_starts_again_is_no_end_that_leaves_alerts_open(
    api: AsyncClient,
) -> None:
    await made(api)
    one, two = await created(api), await created(api)
    resolved = await sent(api, "PUT", "/1", status="resolved", alert_ids=[one["id"]])
    assert "meta" not in resolved
    restarted = await sent(api, "PUT", "/1", status="started", alert_ids=[two["id"]])
    assert not any("Alert" in note for note in restarted["meta"]["notes"])


@pytest.mark.usefixtures("directory")
async def test_an_incident_that_is_removed_names_the_alerts_that_stay_open(
    api: AsyncClient,
) -> None:
    alert = await created(api)
    await made(api, alert_ids=[alert["id"]])
    await api.put("/v1/incidents/1/resolve")
    removed = (await api.delete("/v1/incidents/1")).json()
    assert alert["attributes"]["short_id"] in removed["meta"]["notes"][0]


@pytest.mark.usefixtures("directory")
async def test_an_alert_attached_while_the_incident_is_being_resolved_is_not_left_open_silently(
    api: AsyncClient, sessions: Sessions
) -> None:
    incident = await made(api)
    alert = await created(api)

    async def attach() -> list[str]:
        async with sessions.begin() as session:
            found = await get_incident(session, incident["id"])
            return list((await attach_alerts(session, found, [alert["id"]], PERSON)).notes)

    async with sessions.begin() as session:
        locked = await get_incident(session, incident["id"], lock=True)
        await move_incident(session, locked, "resolved", PERSON)
        attaching = asyncio.create_task(attach())
        done, _ = await asyncio.wait([attaching], timeout=0.2)
        assert not done, "it waits for the end of the change"
    assert len(await attaching) == 1
