"""The demo's third act: an alert comes in, an incident is declared, paged for, and resolved.

Nobody pages here but the default workflows, which came with the account.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, TypeVar

from pagersync.http import AsyncClient
from pagersync.simulator.demo_checks import Row
from pagersync.simulator.demo_incident_checks import IncidentStory
from pagersync.simulator.demo_paging import ACKNOWLEDGE_AFTER_S, ACKNOWLEDGE_LATER_S, TEAM
from pagersync.simulator.demo_stage import DemoError
from pagersync.simulator.demo_traffic import ASK_EVERY_S

STEP_TIMEOUT_S: Final = 20.0
ALERT: Final = "Checkout answers with errors"
INCIDENT: Final = "Customers cannot pay"
SEVERITY: Final = "critical"

T = TypeVar("T")


async def receive_alert(api: AsyncClient, control: AsyncClient) -> Row:
    """Let PagerTree open an alert; return it as the service has it once its webhook came."""
    await _change(control, acknowledge_after_s=None)
    answer = await control.post("/control/alerts", json={"title": ALERT})
    there = answer.raise_for_status().json()

    async def find() -> Row | None:
        alerts = await _list(api, "/v1/alerts")
        return next((each for each in alerts if each["external_id"] == there["prefix_id"]), None)

    return await _wait_for(find, lambda row: row["status"] == "triggered")


async def declare_incident(api: AsyncClient, alert: Row) -> Row:
    """Declare an incident that the alert belongs to."""
    attributes = {
        "title": INCIDENT,
        "severity_id": await _severity_id(api),
        "alert_ids": [alert["id"]],
    }
    document = {"data": {"type": "incidents", "attributes": attributes}}
    answer = await api.post("/v1/incidents", json=document)
    return _row(answer.raise_for_status().json()["data"])


async def wait_until_acknowledged(api: AsyncClient, control: AsyncClient, incident: Row) -> Row:
    """Wait until the default workflow has paged the team, and somebody has acknowledged."""
    await _change(control, acknowledge_after_s=ACKNOWLEDGE_AFTER_S)

    async def find() -> Row | None:
        pages = await _list(api, f"/v1/pages?filter[incident_id]={incident['id']}")
        return pages[0] if pages else None

    page = await _wait_for(find, lambda row: row["status"] == "confirmed")
    await _act(control, page, "acknowledge")
    return await _wait_for(find, lambda row: row["status"] == "acknowledged")


async def resolve_incident(api: AsyncClient, control: AsyncClient, incident: Row) -> IncidentStory:
    """Resolve the incident, wait for what that leads to, and return all of it."""
    answer = await api.put(
        f"/v1/incidents/{incident['id']}/resolve",
        json={
            "data": {
                "type": "incidents",
                "attributes": {"resolution_message": "The database has its disk back."},
            }
        },
    )
    answer.raise_for_status()

    async def look() -> IncidentStory:
        found = (await api.get(f"/v1/incidents/{incident['id']}")).raise_for_status()
        return IncidentStory(
            incident=_row(found.json()["data"]),
            pages=await _list(api, f"/v1/pages?filter[incident_id]={incident['id']}"),
            alerts=await _list(api, f"/v1/incidents/{incident['id']}/alerts"),
            timeline=await _list(api, f"/v1/incidents/{incident['id']}/events"),
            there=(await control.get("/control/alerts")).raise_for_status().json(),
            notifications=(await control.get("/control/notifications")).raise_for_status().json(),
            team=TEAM,
        )

    story = await _wait_for(look, lambda seen: seen.is_over)
    await _change(control, acknowledge_after_s=ACKNOWLEDGE_LATER_S)
    return story


async def _severity_id(api: AsyncClient) -> str:
    severities = await _list(api, "/v1/severities")
    return str(next(each["id"] for each in severities if each["severity"] == SEVERITY))


async def _act(control: AsyncClient, page: Row, action: str) -> None:
    """Be a person in PagerTree's app; somebody may have been quicker."""
    if page["pagertree_id"] is not None:
        await control.post(f"/control/alerts/{page['pagertree_id']}/{action}", json={})


async def _list(api: AsyncClient, path: str) -> list[Row]:
    answer = (await api.get(path)).raise_for_status()
    return [_row(each) for each in answer.json()["data"]]


def _row(resource: Row) -> Row:
    return {**resource["attributes"], "id": resource["id"]}


async def _change(control: AsyncClient, **options: Any) -> None:
    (await control.patch("/control", json=options)).raise_for_status()


async def _wait_for(look: Callable[[], Awaitable[T | None]], is_good: Callable[[T], bool]) -> T:
    """Return what is seen once it is there, and good.

    Raises:
        DemoError: it never is.
    """
    deadline = monotonic() + STEP_TIMEOUT_S
    while True:
        seen = await look()
        if seen is not None and is_good(seen):
            return seen
        if monotonic() > deadline:
            raise DemoError(f"After {STEP_TIMEOUT_S:.0f} s there is still only: {seen}")
        await asyncio.sleep(ASK_EVERY_S)
