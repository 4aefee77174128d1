"""A snoozed alert is paged again when its time is over, unless it is resolved by then."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.http import AsyncClient
from tests.paging.conftest import Paging
from tests.paging.test_alert_actions import created, reaches
from tests.support.wait import eventually


async def snooze(api: AsyncClient, alert_id: str, **attributes: Any) -> Any:
    body = {"data": {"type": "alerts", "attributes": {"delay_minutes": 30, **attributes}}}
    return await api.post(f"/v1/alerts/{alert_id}/snooze", json=body)


async def end_of_snooze(paging: Paging) -> None:
    """Let the time pass that a page waits for."""
    async with paging.sessions.begin() as session:
        await session.execute(
            text("UPDATE operations SET run_at = now() WHERE run_at > now() + interval '5 min'")
        )


async def statuses(api: AsyncClient) -> list[str]:
    """Return how the pages stand, newest first."""
    pages = (await api.get("/v1/pages")).json()["data"]
    return [page["attributes"]["status"] for page in pages]


async def test_who_was_paged_is_paged_again_when_the_snooze_is_over(
    service_api: AsyncClient, paging: Paging
) -> None:
    alert = await created(service_api, teams=[{"name": "Platform"}], urgency="high")
    await reaches(service_api, alert["id"], status="triggered")
    assert (await snooze(service_api, alert["id"])).status_code == 200
    await reaches(service_api, alert["id"], status="acknowledged")
    assert len(paging.simulator.alerts()) == 1
    await end_of_snooze(paging)
    await eventually(lambda: statuses(service_api), lambda found: found[0] == "confirmed")
    again, first = paging.simulator.alerts()
    assert {again["urgency"], first["urgency"]} == {"high"}


async def test_nobody_is_paged_again_for_an_alert_that_was_resolved(
    service_api: AsyncClient, paging: Paging
) -> None:
    alert = await created(service_api, teams=[{"name": "Platform"}], urgency="high")
    await reaches(service_api, alert["id"], status="triggered")
    await snooze(service_api, alert["id"])
    await service_api.post(f"/v1/alerts/{alert['id']}/resolve")
    await reaches(service_api, alert["id"], status="resolved")
    await end_of_snooze(paging)
    await eventually(lambda: statuses(service_api), lambda found: found[0] == "canceled")
    assert len(paging.simulator.alerts()) == 1
    refused = await snooze(service_api, alert["id"])
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "impossible")


@pytest.mark.usefixtures("directory")
async def test_of_an_alert_that_was_not_paged_from_here_somebody_must_be_named(
    api: AsyncClient,
) -> None:
    alert = await created(api)
    refused = await snooze(api, alert["id"])
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["source"] == {"pointer": "/data/attributes/teams"}
    assert (await snooze(api, alert["id"], teams=[{"name": "Platform"}])).status_code == 200
    (page,) = (await api.get("/v1/pages")).json()["data"]
    assert (page["attributes"]["status"], page["attributes"]["targets"][0]["name"]) == (
        "queued",
        "Platform",
    )


@pytest.mark.usefixtures("directory")
async def test_an_alert_that_is_not_in_pagertree_is_resolved_at_once_though_it_is_snoozed(
    service_api: AsyncClient, paging: Paging
) -> None:
    alert = await created(service_api)
    assert (await snooze(service_api, alert["id"], teams=[{"name": "Platform"}])).status_code == 200
    resolved = await service_api.post(f"/v1/alerts/{alert['id']}/resolve")
    assert resolved.json()["data"]["attributes"]["status"] == "resolved"
    await end_of_snooze(paging)
    await eventually(lambda: statuses(service_api), lambda found: found[0] == "canceled")
    assert paging.simulator.alerts() == []


@pytest.mark.usefixtures("directory")
async def test_of_snoozes_at_the_same_time_one_pages_again(api: AsyncClient) -> None:
    alert = await created(api)
    await api.post(f"/v1/alerts/{alert['id']}/acknowledge")
    snoozes = [snooze(api, alert["id"], teams=[{"name": "Platform"}]) for _ in range(6)]
    answers = await asyncio.gather(*snoozes)
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(await statuses(api)) == ["canceled"] * 5 + ["queued"]


@pytest.mark.usefixtures("paging")
async def test_whoever_snoozes_again_locks_the_page_that_waits_before_the_alert(
    service_api: AsyncClient, engine: AsyncEngine
) -> None:
    alert = await created(service_api, teams=[{"name": "Platform"}], urgency="high")
    await reaches(service_api, alert["id"], status="triggered")
    assert (await snooze(service_api, alert["id"])).status_code == 200
    await reaches(service_api, alert["id"], status="acknowledged")
    async with raw_connection(engine) as sending:
        await sending.execute("BEGIN")
        await sending.execute("SELECT FROM pages WHERE send_at IS NOT NULL FOR UPDATE")
        again = asyncio.create_task(snooze(service_api, alert["id"]))
        await asyncio.sleep(0.3)
        assert not again.done()
        await sending.execute("SELECT FROM alerts WHERE id = $1 FOR UPDATE NOWAIT", alert["id"])
        await sending.execute("COMMIT")
    assert (await again).status_code == 200
