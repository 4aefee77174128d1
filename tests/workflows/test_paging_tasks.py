"""Tasks that page: whom, how severely, once; and what becomes of what was paged."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.models import Alert
from pagersync.alerts.store import AlertKey, _lock_number, lock_alerts
from pagersync.database.engine import raw_connection
from pagersync.incidents.attach import attach_alerts
from pagersync.incidents.service import get_incident
from pagersync.integrations.service import change_integration
from pagersync.settings import Settings
from pagersync.workflows.models import WorkflowRun
from tests.paging.conftest import Paging
from tests.support.server import running_server
from tests.support.wait import eventually
from tests.workflows.conftest import PERSON, Flows

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
CREATE = {"task_type": "create_pagertree_alert"}
RESOLVE = {"task_type": "resolve_pagertree_alert"}
ON_RESOLVED: dict[str, Any] = {
    "triggers": ["status_updated"],
    "conditions": {"incident_condition_status": "IS", "incident_statuses": ["resolved"]},
}


@pytest.mark.parametrize(
    ("level", "sev"),
    [("critical", "sev_1"), ("high", "sev_2"), ("medium", "sev_3"), ("low", "sev_4")],
)
async def test_the_severity_of_the_incident_becomes_pagertrees(
    flows: Flows, paging: Paging, team: dict[str, str], level: str, sev: str
) -> None:
    workflow_id = await flows.add({**CREATE, "teams": [team]})
    incident_id = await flows.declare(severity=level)
    await flows.ran(workflow_id)
    (page,) = await flows.pages(incident_id)
    await paging.reaches(page.id, "confirmed")
    (alert,) = paging.simulator.alerts()
    assert alert["incident"] is True
    assert alert["incident_severity"] == sev
    assert alert["title"] == "Checkout is down"


async def test_a_severity_and_an_urgency_that_the_task_names_are_sent(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    workflow_id = await flows.add(
        {**CREATE, "teams": [team], "severity": "SEV-3", "urgency": "critical", "title": "X"}
    )
    await flows.declare(severity="low")
    await flows.ran(workflow_id)
    (page,) = await flows.pages()
    await paging.reaches(page.id, "confirmed")
    (alert,) = paging.simulator.alerts()
    assert (alert["incident_severity"], alert["urgency"]) == ("sev_3", "critical")


async def test_an_incident_without_a_severity_can_be_one_in_pagertree_too(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    workflow_id = await flows.add({**CREATE, "teams": [team], "incident": True})
    await flows.declare()
    await flows.ran(workflow_id)
    (page,) = await flows.pages()
    await paging.reaches(page.id, "confirmed")
    (alert,) = paging.simulator.alerts()
    assert alert["incident"] is True
    assert alert["incident_severity"] == "sev_unknown"


async def test_users_and_teams_are_paged(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    user = paging.simulator.directory.account_users[0]
    workflow_id = await flows.add({**CREATE, "teams": [team], "users": [{"id": user.id}]})
    await flows.declare()
    await flows.ran(workflow_id)
    (page,) = await flows.pages()
    await paging.reaches(page.id, "confirmed")
    assert [target["kind"] for target in page.targets] == ["team", "user"]


async def test_a_task_that_names_nobody_pages_the_default_targets(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    workflow_id = await flows.add(CREATE)
    await flows.declare(title="Before")
    (run,) = await flows.ran(workflow_id)
    assert run.status == "failed"
    assert "default_targets" in str(run.status_message)
    async with flows.sessions.begin() as session:
        await change_integration(session, paging.integration_id, default_targets={"teams": [team]})
    incident_id = await flows.declare(title="After")
    await flows.ran(workflow_id, runs=2)
    (page,) = await flows.pages(incident_id)
    assert page.targets[0]["name"] == team["name"]


async def test_the_alert_is_resolved_in_pagertree_when_the_incident_is(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    await flows.add({**CREATE, "teams": [team]}, name="page")
    resolving = await flows.add(RESOLVE, name="resolve", **ON_RESOLVED)
    incident_id = await flows.declare()
    await eventually(lambda: flows.pages(incident_id), bool)
    (page,) = await flows.pages(incident_id)
    await paging.reaches(page.id, "confirmed")
    await flows.move(incident_id, "resolved")
    (run,) = await flows.ran(resolving)
    await paging.reaches(page.id, "resolved")
    (alert,) = paging.simulator.alerts()
    assert alert["status"] == "resolved"
    (task,) = await flows.tasks(run)
    assert len(task.operation_ids) == 1


async def test_a_page_that_was_not_sent_yet_is_never_sent_once_the_incident_is_resolved(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    paging.simulator.change(outage="unavailable")
    await flows.add({**CREATE, "teams": [team]}, name="page")
    resolving = await flows.add(RESOLVE, name="resolve", **ON_RESOLVED)
    other = await paging.page(title="makes the gate shut")
    await paging.reaches(other, "queued", "sending", "unknown")
    incident_id = await flows.declare()
    (page,) = await eventually(lambda: flows.pages(incident_id), bool)
    await flows.move(incident_id, "resolved")
    await flows.ran(resolving)
    ended = await paging.reaches(page.id, "canceled", "resolved", "unknown")
    paging.simulator.change(outage="none")
    if ended.status != "unknown":  # its call had not gone out
        assert all(a["title"] != page.title for a in paging.simulator.alerts())


async def test_attached_alerts_are_resolved_too(flows: Flows, paging: Paging) -> None:
    resolving = await flows.add(RESOLVE, **ON_RESOLVED)
    there = await paging.pagertree.created(title="Disk full")
    await paging.pagertree.reaches(there["id"], "open")

    async def find() -> Alert | None:
        async with flows.sessions() as session:
            return await session.scalar(select(Alert).where(Alert.summary == "Disk full"))

    alert = await eventually(find, lambda found: found is not None)
    assert alert is not None
    incident_id = await flows.declare()
    async with flows.sessions.begin() as session:
        incident = await get_incident(session, incident_id, lock=True)
        await attach_alerts(session, incident, [alert.id], PERSON)
    await flows.move(incident_id, "resolved")
    await flows.ran(resolving)
    await paging.pagertree.reaches(there["id"], "resolved")


async def test_linked_alerts_are_acknowledged_and_changed(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    await flows.add({**CREATE, "teams": [team]}, name="page")
    await flows.add(
        {"task_type": "update_pagertree_alert", "title": "New: {{ incident.title }}"},
        {"task_type": "acknowledge_pagertree_alert"},
        name="act",
        triggers=["title_updated"],
    )
    incident_id = await flows.declare()
    (page,) = await eventually(lambda: flows.pages(incident_id), bool)
    await paging.reaches(page.id, "confirmed")
    async with flows.sessions.begin() as session:
        from pagersync.incidents.service import change_incident  # noqa: PLC0415

        incident = await get_incident(session, incident_id, lock=True)
        await change_incident(session, incident, {"title": "Pay"}, PERSON)
    await paging.reaches(page.id, "acknowledged")
    (alert,) = paging.simulator.alerts()
    assert (alert["title"], alert["status"]) == ("New: Pay", "acknowledged")


@pytest.mark.parametrize(
    ("level", "sev"),
    [("critical", "sev_1"), ("high", "sev_2"), ("medium", "sev_3"), ("low", "sev_4")],
)
async def test_the_severity_of_the_incident_becomes_pagertrees_when_the_alert_is_updated_too(
    flows: Flows, paging: Paging, team: dict[str, str], level: str, sev: str
) -> None:
    await flows.add({**CREATE, "teams": [team]}, name="page")
    update = {"task_type": "update_pagertree_alert", "severity": "auto"}
    await flows.add(update, name="update", triggers=["severity_updated"])
    incident_id = await flows.declare()
    (page,) = await eventually(lambda: flows.pages(incident_id), bool)
    await paging.reaches(page.id, "confirmed")
    await flows.rate(incident_id, level)

    async def severity() -> Any:
        return paging.simulator.alerts()[0]["incident_severity"]

    await eventually(severity, lambda found: found == sev)


@pytest.mark.parametrize("urgency", ["critical", "high", "medium", "low"])
async def test_each_urgency_that_a_task_names_is_sent(
    flows: Flows, paging: Paging, team: dict[str, str], urgency: str
) -> None:
    workflow_id = await flows.add({**CREATE, "teams": [team], "urgency": urgency})
    await flows.declare()
    await flows.ran(workflow_id)
    (page,) = await flows.pages()
    await paging.reaches(page.id, "confirmed")
    assert [alert["urgency"] for alert in paging.simulator.alerts()] == [urgency]


async def test_an_urgency_of_auto_is_left_to_pagertree(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    paging.simulator.change(omitted_urgency="defaulted")
    workflow_id = await flows.add({**CREATE, "teams": [team], "urgency": "auto"})
    await flows.declare(severity="low")
    await flows.ran(workflow_id)
    (page,) = await flows.pages()
    await paging.reaches(page.id, "confirmed")
    sent = await paging.attempts(page.id)
    assert [attempt.http_status for attempt in sent if attempt.method == "POST"] == [200]
    (alert,) = paging.simulator.alerts()
    assert alert["urgency"] != "low"


async def test_an_alert_that_the_task_names_by_its_id_is_the_one(
    flows: Flows, paging: Paging
) -> None:
    mine, other = await paging.page(title="mine"), await paging.page(title="other")
    page = await paging.reaches(mine, "confirmed")
    await paging.reaches(other, "confirmed")
    workflow_id = await flows.add({**RESOLVE, "pagertree_alert_id": f"{page.pagertree_alert_id}"})
    await flows.declare()
    await flows.ran(workflow_id)
    await paging.reaches(mine, "resolved")
    assert (await paging.get(other)).status == "confirmed"
    missing = await flows.add({**RESOLVE, "pagertree_alert_id": "alt_none"}, name="missing")
    await flows.declare()
    (run,) = await flows.ran(missing)
    assert "alt_none" in str(run.status_message)


async def test_the_fallback_is_paged_once_when_a_page_is_dropped(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    other = {"name": paging.simulator.directory.teams[1].name}
    workflow_id = await flows.add(
        {"task_type": "page_pagertree", "teams": [team], "fallback": {"teams": [other]}}
    )
    incident_id = await flows.declare()
    await flows.ran(workflow_id)
    (first,) = await flows.pages(incident_id)
    await paging.reaches(first.id, "confirmed")
    (alert,) = paging.simulator.alerts()
    paging.simulator.act(alert["id"], "drop")
    await paging.reaches(first.id, "dropped")
    pages = await eventually(lambda: flows.pages(incident_id), lambda found: len(found) > 1)
    second = await paging.reaches(pages[1].id, "confirmed")
    assert second.targets[0]["name"] == other["name"]
    assert second.fallback_of == first.id
    assert len(await flows.pages(incident_id)) == 2
    assert any("instead" in entry for entry in await flows.timeline(incident_id))


async def test_an_alert_becomes_one_incident_however_often_it_is_asked_for(
    flows: Flows, paging: Paging
) -> None:
    task: dict[str, Any] = {"task_type": "create_incident", "title": "{{ alert.summary }}"}
    first = await flows.add(task, name="1", trigger_type="alert", triggers=["alert_created"])
    second = await flows.add(task, name="2", trigger_type="alert", triggers=["alert_created"])
    await paging.pagertree.created(title="Disk full")
    (one,) = await flows.ran(first)
    (two,) = await flows.ran(second)
    made = {(await flows.tasks(run))[0].incident_id for run in (one, two)}
    assert len(made) == 1
    (incident_id,) = made
    assert incident_id is not None
    incident = await flows.incident(incident_id)
    assert incident.title == "Disk full"
    assert incident.depth == 1


async def test_nobody_is_paged_for_an_incident_that_is_over(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    workflow_id = await flows.add({**CREATE, "teams": [team]}, triggers=["status_updated"])
    incident_id = await flows.declare()
    await flows.move(incident_id, "resolved")
    (run,) = await flows.ran(workflow_id)
    assert run.status == "failed"
    assert "resolved" in str(run.status_message)
    assert await flows.pages(incident_id) == []
    assert paging.simulator.alerts() == []


async def test_a_late_resolve_leaves_alone_what_was_paged_since_the_incident_was_restarted(
    flows: Flows, directory: Paging, paging_settings: Settings
) -> None:
    resolving = await flows.add(RESOLVE, **ON_RESOLVED)
    incident_id = await flows.declare()
    await flows.move(incident_id, "resolved")
    await flows.move(incident_id, "started")
    page_id = await directory.page(incident_id=incident_id)
    async with running_server(paging_settings.model_copy(update={"operation_concurrency": 1})):
        await flows.ran(resolving)
        page = await directory.reaches(page_id, "sent", "confirmed", "canceled", "resolved")
    assert page.status in ("sent", "confirmed")
    assert page.resolve_wanted_by is None


async def test_what_was_paged_about_an_attached_alert_is_resolved_too(
    flows: Flows, paging: Paging
) -> None:
    resolving = await flows.add(RESOLVE, **ON_RESOLVED)
    there = await paging.pagertree.created(title="Disk full")

    async def find() -> Alert | None:
        async with flows.sessions() as session:
            return await session.scalar(select(Alert).where(Alert.summary == "Disk full"))

    alert = await eventually(find, lambda found: found is not None)
    assert alert is not None
    page_id = await paging.page(title="Escalated", alert_id=alert.id)
    await paging.reaches(page_id, "confirmed")
    incident_id = await flows.declare()
    async with flows.sessions.begin() as session:
        incident = await get_incident(session, incident_id, lock=True)
        await attach_alerts(session, incident, [alert.id], PERSON)
    await flows.move(incident_id, "resolved")
    await flows.ran(resolving)
    await paging.pagertree.reaches(there["id"], "resolved")
    await paging.reaches(page_id, "resolved")


async def test_a_named_alert_that_is_resolved_already_fails_nothing(
    flows: Flows, paging: Paging
) -> None:
    page_id = await paging.page(incident_id=await flows.declare())
    page = await paging.reaches(page_id, "confirmed")
    named = {**RESOLVE, "pagertree_alert_id": f"{page.pagertree_alert_id}"}
    workflow_id = await flows.add(named)
    await flows.declare()
    await flows.ran(workflow_id)
    await paging.reaches(page_id, "resolved")
    await flows.declare()
    again = (await flows.ran(workflow_id, runs=2))[1]
    assert again.status == "completed"


async def test_texts_that_are_too_long_for_a_page_are_cut_and_people_are_paged_all_the_same(
    flows: Flows, team: dict[str, str]
) -> None:
    texts = {"title": "  {{ incident.title }}", "description": "{{ incident.summary }}!"}
    workflow_id = await flows.add({**CREATE, **texts, "teams": [team]})
    incident_id = await flows.declare(title="t" * 1_500, summary="s" * 20_000)
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed", run.status_message
    (page,) = await flows.pages(incident_id)
    assert page.title == "t" * 499 + "…"
    assert page.description == "s" * 19_999 + "…"


async def test_an_incident_is_declared_for_an_alert_with_a_long_title(
    flows: Flows, paging: Paging
) -> None:
    task: dict[str, Any] = {"task_type": "create_incident", "title": "{{ alert.summary }}"}
    workflow_id = await flows.add(task, trigger_type="alert", triggers=["alert_created"])
    await paging.pagertree.created(title="x" * 3_000)
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed", run.status_message
    (made,) = await flows.tasks(run)
    assert made.incident_id is not None
    assert (await flows.incident(made.incident_id)).title == "x" * 499 + "…"


async def test_two_alerts_are_changed_while_webhooks_of_both_are_applied(
    flows: Flows, paging: Paging, engine: AsyncEngine
) -> None:
    for number in range(8):
        await paging.pagertree.created(title=f"Disk {number} full")

    async def find() -> list[Alert]:
        async with flows.sessions() as session:
            return list(await session.scalars(select(Alert).order_by(Alert.id)))

    alerts = await eventually(find, lambda found: len(found) == 8)
    keys = {alert.id: AlertKey(alert.integration_id, alert.external_id) for alert in alerts}
    first, second = next(
        (one.id, other.id)
        for one, other in pairwise(alerts)
        if _lock_number(keys[one.id]) > _lock_number(keys[other.id])
    )
    task = {"task_type": "update_pagertree_alert", "title": "New"}
    workflow_id = await flows.add(task, triggers=["status_updated"])
    incident_id = await flows.declare(alert_ids=[first, second])
    async with raw_connection(engine) as applying, raw_connection(engine) as watch:
        async with applying.transaction():
            await lock_alerts(applying, [keys[second]])
            await flows.move(incident_id, "acknowledged")
            await eventually(lambda: watch.fetchval(WAITING), bool)
            await lock_alerts(applying, [keys[first]])
        (run,) = await flows.ran(workflow_id)
    assert (run.status, run.attempt) == ("completed", 1)


async def test_a_page_waits_for_the_first_listing_of_whom_it_can_go_to(
    flows: Flows, idle: Paging, service_url: str
) -> None:
    del service_url
    name = idle.simulator.directory.teams[0].name
    workflow_id = await flows.add({**CREATE, "teams": [{"name": name}]})
    incident_id = await flows.declare()

    async def waits() -> bool:
        return any("not listed yet" in str(run.last_error) for run in await flows.runs(workflow_id))

    await eventually(waits)
    await idle.sync()
    await flows.ran(workflow_id)
    (page,) = await flows.pages(incident_id)
    await idle.reaches(page.id, "confirmed")


async def test_after_a_minute_without_a_listing_the_default_targets_are_paged(
    flows: Flows, idle: Paging, service_url: str
) -> None:
    del service_url
    first, second = idle.simulator.directory.teams[:2]
    async with flows.sessions.begin() as session:
        targets = {"teams": [{"id": second.id, "name": second.name}]}
        await change_integration(session, idle.integration_id, default_targets=targets)
    workflow_id = await flows.add({**CREATE, "teams": [{"name": first.name}]})
    incident_id = await flows.declare()
    await eventually(
        lambda: flows.runs(workflow_id), lambda runs: bool(runs and runs[0].last_error)
    )
    async with flows.sessions.begin() as session:
        earlier = WorkflowRun.created_at - timedelta(minutes=2)
        await session.execute(update(WorkflowRun).values(created_at=earlier))
    await flows.ran(workflow_id)
    (page,) = await flows.pages(incident_id)
    assert page.targets[0]["name"] == second.name
    assert any("default targets" in note for note in page.notes)
