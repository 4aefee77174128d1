"""Why somebody was paged: from the root cause to the answer, through the service as it runs."""

import asyncio
import re
from typing import Any
from uuid import UUID

from pagersync.http import AsyncClient
from pagersync.paging.models import Page
from tests.paging.conftest import Paging
from tests.support.wait import eventually
from tests.workflows.conftest import Flows
from tests.workflows.tracing import of_kind, path_to, titles, trace

CREATE: dict[str, Any] = {"task_type": "create_pagertree_alert", "urgency": "high"}
DECLARE: dict[str, Any] = {"task_type": "create_incident", "title": "{{ alert.summary }}"}
SECONDS = r"\d+\.\d s"


async def declared(api: AsyncClient) -> UUID:
    body = {"data": {"type": "incidents", "attributes": {"title": "Checkout is down"}}}
    answer = await api.post("/v1/incidents", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["data"]["id"])


async def paged(flows: Flows, incident_id: UUID) -> Page:
    """Return the one page of an incident, as soon as it is asked for."""
    (page,) = await eventually(lambda: flows.pages(incident_id))
    return page


async def test_a_page_whose_answer_was_lost_is_explained_down_to_who_acknowledged_it(
    flows: Flows, paging: Paging, service_api: AsyncClient, team: dict[str, str]
) -> None:
    paging.simulator.change(webhooks="off")
    paging.simulator.fail_next("lost_response")
    await flows.add({**CREATE, "teams": [team]}, name="Page on creation")
    incident_id = await declared(service_api)
    page = await paged(flows, incident_id)
    await paging.reaches(page.id, "confirmed")
    paging.simulator.change(webhooks="on")
    (alert,) = paging.simulator.alerts()
    paging.simulator.act(alert["id"], "acknowledge")
    page = await paging.reaches(page.id, "acknowledged")

    users = paging.simulator.directory.account_users
    (name,) = [user.name for user in users if user.prefix_id == page.acknowledged_by]
    traced = await trace(service_api, "page", page.id)
    assert re.fullmatch(
        r"Platform was paged because the API key 'test' created incident 1 \(Checkout is down\), "
        rf"which the workflow 'Page on creation' matched; PagerTree confirmed it {SECONDS} later "
        rf"and {name} acknowledged\.",
        traced["summary"],
    )
    assert path_to(traced, page.id) == ["event", "run", "task", "page"]
    (operation,) = of_kind(traced, "operation")
    assert path_to(traced, operation["id"])[-2:] == ["page", "operation"]
    lost, *searches = of_kind(traced, "attempt")
    assert path_to(traced, lost["id"])[-2:] == ["operation", "attempt"]
    assert lost["title"].startswith("POST /alerts: no answer in ")
    assert (lost["status"], lost["detail"]["method"]) == ("no_answer", "POST")
    assert {search["title"].split(": ")[0] for search in searches} == {"Looked for it"}
    assert {search["status"] for search in searches} == {"200"}
    assert titles(traced, "event") == [
        "The API key 'test' created incident 1 (Checkout is down)",
        "PagerTree pages people",
        f"Acknowledged in PagerTree by {name}",
    ]


async def test_everybody_who_acknowledged_is_named_and_not_only_the_last(
    paging: Paging, service_api: AsyncClient
) -> None:
    page_id = await paging.page()
    await paging.reaches(page_id, "confirmed")
    (alert,) = paging.simulator.alerts()
    first, second = paging.simulator.directory.account_users[:2]
    paging.simulator.act(alert["id"], "acknowledge", by=first)
    await paging.reaches(page_id, "acknowledged")
    paging.simulator.act(alert["id"], "handoff")
    await paging.reaches(page_id, "confirmed")
    await eventually(
        lambda: asyncio.sleep(0, paging.simulator.alerts()[0]["status"]),
        lambda status: status == "open",
    )
    paging.simulator.act(alert["id"], "acknowledge", by=second)
    await paging.reaches(page_id, "acknowledged")
    said = titles(await trace(service_api, "page", page_id), "event")
    assert [title for title in said if title.startswith("Acknowledged")] == [
        f"Acknowledged in PagerTree by {first.name}",
        f"Acknowledged in PagerTree by {second.name}",
    ]


async def test_a_webhook_that_led_to_an_incident_that_led_to_a_page_is_the_root_of_all(
    flows: Flows, paging: Paging, service_api: AsyncClient, team: dict[str, str]
) -> None:
    await flows.add(DECLARE, name="Declare", trigger_type="alert", triggers=["alert_created"])
    await flows.add({**CREATE, "teams": [team]}, name="Page on creation")
    remote = await paging.pagertree.created(title="Disk full")
    page = (await eventually(flows.pages))[0]
    await paging.reaches(page.id, "confirmed")
    alerts = await service_api.get("/v1/alerts")
    (alert,) = [row for row in alerts.json()["data"] if row["attributes"]["summary"] == "Disk full"]
    chain = ["delivery", "event", "run", "task", "event", "run", "task", "page"]

    short_id = alert["attributes"]["short_id"]
    for kind, reference in (("page", page.id), ("alert", short_id), ("incident", 1)):
        traced = await trace(service_api, kind, reference)
        assert path_to(traced, page.id) == chain, kind
        assert remote["prefix_id"] in of_kind(traced, "delivery")[0]["title"]
        assert re.fullmatch(
            rf"Platform was paged because PagerTree sent alert {short_id} \(Disk full\), for which "
            r"the workflow 'Declare' created incident 1, which the workflow 'Page on creation' "
            rf"matched; PagerTree confirmed it {SECONDS} later\.",
            traced["summary"],
        ), (kind, traced["summary"])


async def test_the_fallback_of_a_dropped_page_stands_below_the_drop(
    flows: Flows, paging: Paging, service_api: AsyncClient
) -> None:
    to = {"teams": [{"name": "Night Watch"}], "fallback": {"teams": [{"name": "Platform"}]}}
    await flows.add({**CREATE, **to, "task_type": "page_pagertree"}, name="Page")
    incident_id = await declared(service_api)
    pages = await eventually(
        lambda: flows.pages(incident_id), lambda found: len(found) == 2, timeout_s=15
    )
    dropped, fallback = pages
    await paging.reaches(fallback.id, "confirmed")

    traced = await trace(service_api, "incident", incident_id)
    assert path_to(traced, fallback.id) == ["event", "run", "task", "page", "event", "page"]
    assert path_to(traced, dropped.id) == ["event", "run", "task", "page"]
    assert traced["summary"] == (
        "Night Watch was not paged: PagerTree dropped it (nobody on call, or no answer); so "
        "Platform was paged instead, and that page is confirmed. It was asked for because the API "
        "key 'test' created incident 1 (Checkout is down), which the workflow 'Page' matched."
    )
    of_fallback = await trace(service_api, "page", fallback.id)
    assert path_to(of_fallback, fallback.id) == path_to(traced, fallback.id)
    assert len(of_fallback["roots"]) == 1
    assert "whose page to Night Watch was dropped; PagerTree confirmed" in of_fallback["summary"]


async def test_what_resolved_a_page_stands_below_the_change_that_asked_for_it(
    flows: Flows, paging: Paging, service_api: AsyncClient, team: dict[str, str]
) -> None:
    await flows.add({**CREATE, "teams": [team]}, name="Page")
    await flows.add(
        {"task_type": "resolve_pagertree_alert"},
        name="Resolve",
        triggers=["status_updated"],
        conditions={"incident_condition_status": "IS", "incident_statuses": ["resolved"]},
    )
    incident_id = await declared(service_api)
    page = await paged(flows, incident_id)
    await paging.reaches(page.id, "confirmed")
    await flows.move(incident_id, "mitigated")
    await flows.move(incident_id, "resolved")
    await paging.reaches(page.id, "resolved")

    traced = await trace(service_api, "incident", incident_id)
    create, resolve = of_kind(traced, "operation")
    assert path_to(traced, create["id"]) == ["event", "run", "task", "page", "operation"]
    assert path_to(traced, resolve["id"]) == ["event", "run", "task", "operation"]
    roots = [root["title"] for root in traced["roots"]]
    assert roots == [
        "The API key 'test' created incident 1 (Checkout is down)",
        "Ada changed incident 1: status from started to mitigated",
        "Ada changed incident 1: status from mitigated to resolved",
    ]
    assert titles(traced, "verdict") == [
        "Workflow 'Resolve' did not match: incident status IS [resolved]"
    ]
    assert traced["summary"].endswith(" later and it is resolved.")


async def test_what_a_task_does_to_an_attached_alert_stands_below_the_task(
    flows: Flows, paging: Paging, service_api: AsyncClient
) -> None:
    await flows.add(
        {"task_type": "print", "message": "x"},
        {"task_type": "acknowledge_pagertree_alert"},
        triggers=["alert_attached"],
        name="Acknowledge",
    )
    await paging.pagertree.created(title="Disk full")

    async def alerts() -> list[dict[str, Any]]:
        return list((await service_api.get("/v1/alerts")).json()["data"])

    (alert,) = await eventually(alerts)
    incident_id = await declared(service_api)
    attached = {"data": {"type": "alerts", "attributes": {"alert_ids": [alert["id"]]}}}
    await service_api.post(f"/v1/incidents/{incident_id}/alerts", json=attached)

    async def operations() -> list[dict[str, Any]]:
        return of_kind(await trace(service_api, "incident", incident_id), "operation")

    (operation,) = await eventually(operations)
    traced = await trace(service_api, "incident", incident_id)
    assert path_to(traced, operation["id"]) == ["event", "run", "task", "operation"]
    (above,) = [task for task in of_kind(traced, "task") if task["children"]]
    assert above["title"] == "Task 2: task 2"
    of_alert = await trace(service_api, "alert", alert["id"])
    assert path_to(of_alert, operation["id"])[-2:] == ["task", "operation"]
    assert of_alert["summary"].startswith("pagersync paged nobody about alert ")


async def test_a_page_that_a_person_asked_for_is_its_own_root_with_its_alert_below(
    flows: Flows, paging: Paging, service_api: AsyncClient
) -> None:
    printing = await flows.add(
        {"task_type": "print", "message": "new"}, trigger_type="alert", triggers=["alert_created"]
    )
    body = {"title": "Down", "teams": [{"name": "Platform"}], "urgency": "high"}
    asked = await service_api.post(
        "/v1/pages", json={"data": {"type": "pages", "attributes": body}}
    )
    page_id = UUID(asked.json()["data"]["id"])
    await paging.reaches(page_id, "confirmed")
    page = await eventually(lambda: paging.get(page_id), lambda found: found.alert_id is not None)
    assert page.alert_id is not None
    (run,) = await flows.ran(printing)

    traced = await trace(service_api, "page", page_id)
    assert traced["summary"].startswith(
        "Platform was paged because the API key 'test' asked for it; PagerTree confirmed it "
    )
    assert path_to(traced, page_id) == ["page"]
    assert path_to(traced, run.id) == ["page", "event", "run"]
    of_alert = await trace(service_api, "alert", page.alert_id)
    assert path_to(of_alert, page_id) == ["page"]
    assert of_alert["summary"] == traced["summary"]
