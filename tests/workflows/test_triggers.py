"""Everything that a workflow can wait for starts it when it happens."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pagersync.database.session import driver_connection
from pagersync.events.publish import Fact, happened, publish
from pagersync.events.triggers import ALERT_TRIGGERS, INCIDENT_TRIGGERS, PAGE_TRIGGERS
from pagersync.http import AsyncClient
from tests.paging.conftest import Paging
from tests.support.wait import eventually
from tests.workflows.conftest import Flows

PRINT = {"task_type": "print", "message": "{{ event.type }}"}


async def waiting_for(flows: Flows, kind: str, triggers: Sequence[str]) -> dict[str, UUID]:
    """Save a workflow for each trigger of a kind."""
    return {
        trigger: await flows.add(PRINT, trigger_type=kind, triggers=[trigger], name=trigger)
        for trigger in triggers
    }


def started(flows: Flows, workflows: dict[str, UUID]) -> Callable[[], Awaitable[dict[str, int]]]:
    async def count() -> dict[str, int]:
        return {trigger: len(await flows.runs(id_)) for trigger, id_ in workflows.items()}

    return count


async def test_every_trigger_of_incidents_starts_the_workflow_that_waits_for_it(
    flows: Flows, paging: Paging, service_api: AsyncClient
) -> None:
    workflows = await waiting_for(flows, "incident", INCIDENT_TRIGGERS)
    there = await paging.pagertree.created(title="Disk full")
    await paging.pagertree.reaches(there["id"], "open")
    alerts = await eventually(lambda: _alert_ids(service_api), bool)
    worst = {"name": "Worst", "severity": "critical"}
    severity = await _send(service_api, "POST", "/v1/severities", "severities", **worst)

    await _send(service_api, "POST", "/v1/incidents", "incidents", status="in_triage")
    for change in (
        {"title": "Disk full"},
        {"summary": "On db-1"},
        {"severity_id": severity["data"]["id"]},
        {"status": "started"},
        {"status": "mitigated"},
        {"status": "started"},
    ):
        await _send(service_api, "PUT", "/v1/incidents/1", "incidents", **change)
    entry = {"event": "Ada is on it."}
    await _send(service_api, "POST", "/v1/incidents/1/events", "incident_events", **entry)
    await _send(service_api, "POST", "/v1/incidents/1/alerts", "alerts", alert_ids=alerts)
    (incident,) = (await service_api.get("/v1/incidents")).json()["data"]
    await _publish(flows, happened("incident.unpaged", UUID(incident["id"]), {}))

    once = dict.fromkeys(INCIDENT_TRIGGERS, 1)
    expected = once | {"incident_updated": 6, "status_updated": 3, "incident_started": 2}
    await eventually(started(flows, workflows), lambda counts: counts == expected)


async def test_every_trigger_of_alerts_starts_the_workflow_that_waits_for_it(
    flows: Flows, paging: Paging, service_api: AsyncClient
) -> None:
    workflows = await waiting_for(flows, "alert", ALERT_TRIGGERS)
    there = await paging.pagertree.created(title="Disk full")
    await paging.pagertree.reaches(there["id"], "open")
    (alert_id,) = await eventually(lambda: _alert_ids(service_api), bool)
    fact = happened("alert.unpaged", UUID(alert_id), {}, integration_id=paging.integration_id)
    await _publish(flows, fact)
    expected = dict.fromkeys(ALERT_TRIGGERS, 1)
    await eventually(started(flows, workflows), lambda counts: counts == expected)


async def test_every_trigger_of_pages_starts_the_workflow_that_waits_for_it(
    flows: Flows, paging: Paging
) -> None:
    page_id = await paging.page()
    await paging.reaches(page_id, "confirmed")
    workflows = await waiting_for(flows, "page", PAGE_TRIGGERS)
    facts = [
        Fact(
            type=trigger.replace("_", ".", 1),
            subject_type="page",
            subject_id=page_id,
            integration_id=paging.integration_id,
            delivery_id=None,
            data={},
            occurred_at=datetime.now(UTC),
        )
        for trigger in PAGE_TRIGGERS
    ]
    await _publish(flows, *facts)
    expected = dict.fromkeys(PAGE_TRIGGERS, 1)
    await eventually(started(flows, workflows), lambda counts: counts == expected)


async def _publish(flows: Flows, *facts: Fact) -> None:
    async with flows.sessions.begin() as session:
        await publish(await driver_connection(session), facts)


async def _alert_ids(api: AsyncClient) -> list[str]:
    return [row["id"] for row in (await api.get("/v1/alerts")).json()["data"]]


async def _send(api: AsyncClient, method: str, path: str, type_: str, **attributes: Any) -> Any:
    body = {"data": {"type": type_, "attributes": attributes}}
    answer = await api.request(method, path, json=body)
    assert answer.is_success, answer.text
    return answer.json()
