"""Incidents that a workflow makes of alerts: their severity, and who is paged once more."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.incidents.models import Incident, Severity
from pagersync.integrations.service import change_integration, get_integration
from pagersync.paging.models import Operation, Page
from pagersync.workflows.already_paged import Pager, why_page
from pagersync.workflows.defaults import create_default_workflows
from pagersync.workflows.models import WorkflowTask
from tests.paging.conftest import Paging
from tests.support.wait import eventually
from tests.workflows.conftest import Flows

DECLARE = {"task_type": "create_incident", "title": "{{ alert.summary }}"}
TEAM = {"kind": "team", "pagertree_id": "01TEAM", "prefix_id": "tem_1", "name": "SRE"}
PAGER = Pager("XZG5BR", "triggered", True, "open", "high", None, frozenset({"tem_1"}))  # noqa: FBT003 - is_there


@pytest.mark.parametrize(
    ("alert", "urgency", "reason"),
    [
        (PAGER, "high", None),
        (PAGER, "low", None),
        (PAGER, None, None),
        (replace(PAGER, pagertree_status="queued", status="open"), "high", None),
        (PAGER, "critical", "the incident asks for critical"),
        (replace(PAGER, is_there=False), "high", "is not in PagerTree"),
        (replace(PAGER, status="resolved", pagertree_status="resolved"), "high", "resolved"),
        (replace(PAGER, pagertree_status="dropped", status="open"), "high", "dropped"),
        (replace(PAGER, pagertree_status="suppressed"), "high", "suppressed"),
        (replace(PAGER, pagertree_status=None), "high", "unknown status"),
        (replace(PAGER, urgency="silent"), None, "silent"),
        (replace(PAGER, urgency=None), None, "unknown"),
        (replace(PAGER, whom=frozenset()), "high", "the same people"),
        (replace(PAGER, whom=frozenset({"tem_2"})), "high", "the same people"),
    ],
)
def test_a_page_stands_by_only_for_an_alert_that_certainly_pages_the_same_people(
    alert: Pager, urgency: str | None, reason: str | None
) -> None:
    found = why_page(alert, urgency=urgency, targets=[TEAM])
    assert (found is None) == (reason is None), found
    assert reason is None or reason in str(found)


@pytest.fixture(autouse=True)
async def severities(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        for position, level in enumerate(("critical", "high", "medium", "low")):
            session.add(Severity(name=level, slug=level, severity=level, position=position))


@pytest.fixture
async def defaults(flows: Flows, paging: Paging, sessions: Sessions) -> UUID:
    """Make the default workflows, and one that declares an incident for every alert."""
    async with sessions.begin() as session:
        targets = {"teams": [{"name": paging.simulator.directory.teams[0].name}]}
        await change_integration(session, paging.integration_id, default_targets=targets)
        integration = await get_integration(session, paging.integration_id)
        await create_default_workflows(session, integration, "a test")
    return await flows.add(DECLARE, trigger_type="alert", triggers=["alert_created"])


async def declared(sessions: Sessions) -> UUID:
    """Wait until an alert has become an incident; return it."""

    async def find() -> UUID | None:
        async with sessions() as session:
            return await session.scalar(select(Incident.id))

    found = await eventually(find, lambda incident: incident is not None)
    assert found is not None
    return found


async def page_of(flows: Flows, incident_id: UUID, *statuses: str) -> Page:
    def is_there(pages: list[Page]) -> bool:
        return bool(pages) and (not statuses or pages[0].status in statuses)

    (page,) = await eventually(lambda: flows.pages(incident_id), is_there)
    return page


@pytest.mark.usefixtures("defaults")
async def test_an_incident_made_of_an_alert_does_not_page_the_same_people_again(
    flows: Flows, paging: Paging, sessions: Sessions, service_api: AsyncClient
) -> None:
    there = paging.simulator.add_alert(title="Disk full", urgency="high")
    incident_id = await declared(sessions)
    page = await page_of(flows, incident_id)
    assert page.standby_for is not None
    why = await service_api.get(f"/v1/incidents/{incident_id}/trace")
    assert "ot paged again: alert" in why.text
    assert "not paged again: alert" in page.notes[-1]
    assert "already pages" in page.notes[-1]
    incident = await flows.incident(incident_id)
    async with sessions() as session:
        severity = await session.get(Severity, incident.severity_id)
    assert severity is not None
    assert severity.severity == "high"
    assert any(
        each.startswith("Not paged again: alert") for each in await flows.timeline(incident_id)
    )
    await paging.pagertree.reaches(there["id"], "open")
    paging.simulator.act(there["id"], "acknowledge")
    page = await page_of(flows, incident_id, "canceled")
    assert len(paging.simulator.alerts()) == 1
    assert any("was acknowledged" in each for each in await flows.timeline(incident_id))


@pytest.mark.usefixtures("paging")
async def test_an_alert_that_somebody_has_already_pages_nobody_again_and_says_so(
    flows: Flows, paging: Paging, sessions: Sessions, defaults: UUID
) -> None:
    await flows.change(defaults, enabled=False)
    is_held = {"alert_condition_status": "IS", "alert_statuses": ["acknowledged"]}
    triggers = ["alert_status_updated"]
    await flows.add(DECLARE, trigger_type="alert", triggers=triggers, conditions=is_held)
    there = paging.simulator.add_alert(title="Disk full", urgency="high")
    await paging.pagertree.reaches(there["id"], "open")
    paging.simulator.act(there["id"], "acknowledge")
    incident_id = await declared(sessions)
    await eventually(
        lambda: flows.timeline(incident_id),
        lambda lines: any("is acknowledged already" in each for each in lines),
    )
    assert await flows.pages(incident_id) == []


@pytest.mark.usefixtures("defaults")
@pytest.mark.parametrize("end", ["drop", "resolve"])
async def test_the_incident_is_paged_for_when_nobody_takes_its_alert(
    flows: Flows, paging: Paging, sessions: Sessions, end: str
) -> None:
    there = paging.simulator.add_alert(title="Disk full", urgency="high")
    incident_id = await declared(sessions)
    assert (await page_of(flows, incident_id)).standby_for is not None
    await paging.pagertree.reaches(there["id"], "open")
    paging.simulator.act(there["id"], end)
    await page_of(flows, incident_id, "confirmed")
    said = {"drop": "was dropped by PagerTree", "resolve": "was resolved, and nobody"}[end]
    assert any("Paged" in each and said in each for each in await flows.timeline(incident_id))


@pytest.mark.usefixtures("defaults")
async def test_who_was_skipped_is_not_said_to_be_paged_when_a_page_that_stood_by_goes_out(
    flows: Flows, paging: Paging, sessions: Sessions
) -> None:
    there = paging.simulator.add_alert(title="Disk full", urgency="high")
    incident_id = await declared(sessions)
    page = await page_of(flows, incident_id)
    gone = {**TEAM, "name": "Gone", "skipped": "no team is called 'Gone'"}
    async with sessions.begin() as session:
        own = update(Page).where(Page.id == page.id)
        await session.execute(own.values(targets=[*page.targets, gone]))
    await paging.pagertree.reaches(there["id"], "open")
    paging.simulator.act(there["id"], "drop")
    await page_of(flows, incident_id, "confirmed")
    (said,) = [each for each in await flows.timeline(incident_id) if "was dropped by" in each]
    assert "Gone" not in said


@pytest.mark.usefixtures("defaults")
async def test_the_incident_is_paged_for_in_time_even_if_no_webhook_tells_of_its_alert(
    flows: Flows, paging: Paging, sessions: Sessions
) -> None:
    paging.simulator.add_alert(title="Disk full", urgency="high")
    incident_id = await declared(sessions)
    page = await page_of(flows, incident_id)
    async with sessions.begin() as session:  # the time is over
        own = Operation.page_id == page.id
        await session.execute(update(Operation).where(own).values(run_at=page.created_at))
    await page_of(flows, incident_id, "confirmed")
    assert any("not acknowledged in time" in each for each in await flows.timeline(incident_id))


@pytest.mark.usefixtures("defaults")
async def test_a_page_that_stands_by_is_not_sent_for_an_incident_that_is_over(
    flows: Flows, paging: Paging, sessions: Sessions
) -> None:
    paging.simulator.add_alert(title="Disk full", urgency="high")
    incident_id = await declared(sessions)
    await page_of(flows, incident_id)
    await flows.move(incident_id, "resolved")
    await page_of(flows, incident_id, "canceled")
    assert len(paging.simulator.alerts()) == 1


@pytest.mark.usefixtures("defaults")
@pytest.mark.parametrize("other", ["team", "urgency", "switched_off"])
async def test_other_people_or_a_higher_urgency_are_paged_at_once(
    flows: Flows, paging: Paging, sessions: Sessions, other: str
) -> None:
    fields: dict[str, Any] = {"title": "Disk full", "urgency": "low"}
    if other == "team":
        fields["destination_team_ids"] = [paging.simulator.directory.teams[1].id]
    if other == "urgency":
        await _told(sessions, urgency="critical")
    if other == "switched_off":
        await _told(sessions, skip_if_alert_pages=False)
    paging.simulator.add_alert(**fields)
    page = await page_of(flows, await declared(sessions), "confirmed")
    assert page.standby_for is None
    assert page.urgency == ("critical" if other == "urgency" else "low")


async def _told(sessions: Sessions, **params: Any) -> None:
    """Tell the tasks that page something else."""
    async with sessions.begin() as session:
        for task in await session.scalars(select(WorkflowTask)):
            if "skip_if_alert_pages" in task.task_params:
                task.task_params = task.task_params | params


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        ("critical", "critical"),
        ("SEV-2", "high"),
        ("sev_3", "medium"),
        ("Low", "low"),
        ("{{ alert.summary }}", None),
        ("SEV-5", None),
        ("id", "high"),
        ("gone", None),
    ],
)
async def test_every_severity_makes_an_incident_and_one_that_does_not_exist_is_noted(
    flows: Flows, paging: Paging, sessions: Sessions, severity: str, level: str | None
) -> None:
    async with sessions.begin() as session:
        by_level = {each.severity: each for each in await session.scalars(select(Severity))}
        named = {"id": str(by_level["high"].id), "gone": str(by_level["medium"].id)}
        if severity == "gone":
            await session.delete(by_level["medium"])
    task = {**DECLARE, "severity": named.get(severity, severity)}
    workflow_id = await flows.add(task, trigger_type="alert", triggers=["alert_created"])
    paging.simulator.add_alert(title="Disk full", urgency="low")
    incident = await flows.incident(await declared(sessions))
    (run,) = await flows.ran(workflow_id)
    (done,) = await flows.tasks(run)
    found = next((n for n, s in by_level.items() if s.id == incident.severity_id), None)
    assert (run.status, found) == ("completed", level)
    assert bool(done.notes) == (level is None)
