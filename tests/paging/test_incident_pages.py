"""Pages of incidents: what happens to them is activity on the incident, once, and no alert here."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.models import Alert
from pagersync.database.base import new_id
from pagersync.database.engine import raw_connection
from pagersync.errors import ConflictError, InvalidError
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.incidents.models import Incident, IncidentEvent
from pagersync.incidents.service import NewIncident, create_incident, get_incident, move_incident
from pagersync.paging.models import Page
from pagersync.paging.service import cancel_operation
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.account import event
from tests.support.server import running_server
from tests.support.wait import eventually

TEST = Cause("a test")


async def declared(paging: Paging, **fields: Any) -> Incident:
    async with paging.sessions.begin() as session:
        return await create_incident(session, NewIncident(**fields), TEST)


async def entries(paging: Paging, incident_id: UUID) -> list[IncidentEvent]:
    async with paging.sessions() as session:
        statement = select(IncidentEvent).where(IncidentEvent.incident_id == incident_id)
        ordered = statement.order_by(IncidentEvent.occurred_at, IncidentEvent.id)
        return list((await session.scalars(ordered)).all())


async def activity(paging: Paging, incident_id: UUID) -> list[str]:
    """Return what stands on an incident's timeline, without how it was made."""
    rows = await entries(paging, incident_id)
    return [row.event for row in rows if not row.event.startswith("Incident ")]


async def alerts_here(paging: Paging) -> int:
    async with paging.sessions() as session:
        return await session.scalar(select(func.count()).select_from(Alert)) or 0


async def told(paging: Paging, incident_id: UUID, *beginnings: str) -> list[str]:
    """Wait until an entry of the timeline begins with each of these; return all."""
    return await eventually(
        lambda: activity(paging, incident_id),
        lambda rows: all(any(row.startswith(each) for row in rows) for each in beginnings),
    )


async def test_what_happens_to_a_page_in_pagertree_is_activity_with_its_cause_and_no_alert(
    paging: Paging,
) -> None:
    paging.simulator.change(acknowledge_after_s=0.05)
    incident = await declared(paging)
    page_id = await paging.page(incident_id=incident.id)
    page = await paging.reaches(page_id, "acknowledged")
    rows = await told(paging, incident.id, "Created", "Opened", "Acknowledged")
    assert [row for row in rows if row.startswith("Paged ")] == [
        f"Paged team {page.targets[0]['name']} by a test: Database down"
    ]
    acknowledged = [row for row in rows if row.startswith("Acknowledged")]
    (person,) = [
        user
        for user in paging.simulator.directory.account_users
        if user.prefix_id == page.acknowledged_by
    ]
    assert acknowledged == [f"Acknowledged in PagerTree by {person.name} (page 'Database down')."]
    opened = [row for row in await entries(paging, incident.id) if row.event.startswith("Opened")]
    assert [(row.kind, row.source, row.page_id) for row in opened] == [
        ("trail", "pagertree", page_id)
    ]
    assert opened[0].delivery_id is not None
    assert await alerts_here(paging) == 0
    assert page.alert_id is None


async def test_a_webhook_that_overtakes_the_answer_adds_activity_once_and_no_alert(
    paging: Paging,
) -> None:
    paging.simulator.change(slow_s=0.6, acknowledge_after_s=0.05)
    paging.simulator.fail_next("slow")
    incident = await declared(paging)
    page_id = await paging.page(incident_id=incident.id)
    page = await paging.reaches(page_id, "acknowledged")
    assert page.pagertree_id is None  # the answer, which tells it, is still on its way
    await told(paging, incident.id, "Created", "Opened", "Acknowledged")

    async def is_done() -> bool:
        (operation,) = await paging.operations(page_id)
        return operation.state == "done"

    await eventually(is_done)
    rows = await activity(paging, incident.id)
    for beginning in ("Created in", "Open", "Acknowledged in"):
        assert len([row for row in rows if row.startswith(beginning)]) == 1, rows
    assert await alerts_here(paging) == 0


async def check_now(paging: Paging, page_id: UUID) -> None:
    """Let PagerTree be asked at once how a page stands."""
    async with paging.sessions.begin() as session:
        await session.execute(
            update(Page)
            .where(Page.id == page_id, Page.check_at.is_not(None))
            .values(check_at=text("now()"))
        )


async def test_without_webhooks_what_is_read_back_is_activity_once(paging: Paging) -> None:
    paging.simulator.change(webhooks="off")
    incident = await declared(paging)
    page_id = await paging.page(incident_id=incident.id)
    await paging.reaches(page_id, "sent", "confirmed")
    (alert,) = paging.simulator.alerts()
    await eventually(
        lambda: asyncio.sleep(0, paging.simulator.alerts()[0]["status"]),
        lambda status: status == "open",
    )
    paging.simulator.act(alert["id"], "acknowledge")

    async def checks() -> int:
        await check_now(paging, page_id)
        page = await paging.get(page_id)
        return page.checks if page.status == "acknowledged" else 0

    await eventually(checks, lambda count: count > 2)
    rows = await activity(paging, incident.id)
    assert len([row for row in rows if row.startswith("Acknowledged in PagerTree")]) == 1, rows
    assert await alerts_here(paging) == 0


async def test_an_alert_that_was_only_touched_is_no_activity_when_it_is_read_back(
    paging: Paging,
) -> None:
    incident = await declared(paging)
    page_id = await paging.page(incident_id=incident.id)
    await paging.reaches(page_id, "confirmed")
    await told(paging, incident.id, "Opened")
    (alert,) = paging.simulator.state.alerts.values()
    alert.updated_at += timedelta(minutes=1)

    async def checks() -> int:
        await check_now(paging, page_id)
        return (await paging.get(page_id)).checks

    await eventually(checks, lambda count: count > 1)
    rows = await activity(paging, incident.id)
    assert len([row for row in rows if row.startswith("Open")]) == 1, rows


async def test_a_webhook_that_comes_after_the_read_back_says_who_and_stands_in_its_place(
    paging: Paging, service_url: str
) -> None:
    incident = await declared(paging)
    page_id = await paging.page(incident_id=incident.id)
    page = await paging.reaches(page_id, "confirmed")
    await told(paging, incident.id, "Opened")
    paging.simulator.change(webhooks="off")
    (alert,) = paging.simulator.state.alerts.values()
    paging.simulator.act(alert.id, "acknowledge")

    async def status() -> str:
        await check_now(paging, page_id)
        return (await paging.get(page_id)).status

    await eventually(status, lambda found: found == "acknowledged")
    await told(paging, incident.id, "Acknowledged in PagerTree (")
    assert page.pagertree_alert_id is not None
    assert alert.acknowledged_at is not None
    person = paging.simulator.directory.account_users[1]
    late = event(
        "alert.acknowledged",
        page.pagertree_alert_id,
        status="acknowledged",
        acknowledged=int(alert.acknowledged_at.timestamp()),
        acknowledgedby=person.prefix_id,
    )
    url = f"{service_url}/webhooks/pagertree/{paging.integration_id}"
    async with AsyncClient(trust_env=False) as client:
        await client.post(url, params={"secret": paging.webhook_secret}, json=late)
    rows = await told(paging, incident.id, f"Acknowledged in PagerTree by {person.name}")
    assert len([row for row in rows if row.startswith("Acknowledged")]) == 1, rows


async def test_a_page_that_nobody_is_on_call_for_is_dropped_on_the_timeline(
    paging: Paging,
) -> None:
    incident = await declared(paging)
    (team,) = [t for t in paging.simulator.directory.teams if t.name == "Night Watch"]
    target = {"kind": "team", "pagertree_id": team.id, "prefix_id": None, "name": team.name}
    await paging.reaches(await paging.page(incident_id=incident.id, targets=[target]), "dropped")
    rows = await told(paging, incident.id, "Dropped by PagerTree: nobody was on call")
    assert "Paged team Night Watch by a test: Database down" in rows


async def test_a_hand_off_and_a_second_acknowledgement_are_activity_too(paging: Paging) -> None:
    incident = await declared(paging)
    await paging.reaches(await paging.page(incident_id=incident.id), "confirmed")
    (alert,) = paging.simulator.alerts()
    first, second = paging.simulator.directory.account_users[:2]
    (mobile,) = [team for team in paging.simulator.directory.teams if team.name == "Mobile"]
    for action, person in (("acknowledge", first), ("handoff", None), ("acknowledge", second)):
        if action == "acknowledge":
            await eventually(
                lambda: asyncio.sleep(0, paging.simulator.alerts()[0]["status"]),
                lambda status: status == "open",
            )
        to = mobile.id if action == "handoff" else None
        paging.simulator.act(alert["id"], action, by=person, to=to)
    by = "Acknowledged in PagerTree by "
    rows = await told(
        paging, incident.id, "Handed off in PagerTree to Mobile", by + first.name, by + second.name
    )
    assert len([row for row in rows if row.startswith(by)]) == 2


async def test_a_page_that_fails_says_why_on_the_timeline(paging: Paging) -> None:
    incident = await declared(paging)
    gone = [{"kind": "team", "pagertree_id": "01GONE", "prefix_id": None, "name": "Gone"}]
    await paging.reaches(await paging.page(incident_id=incident.id, targets=gone), "failed")
    (failed,) = [row for row in await activity(paging, incident.id) if "failed" in row]
    assert failed.startswith("The page 'Database down' failed: ")
    assert "destination" in failed.lower()


async def test_a_page_that_is_stuck_is_activity(idle: Paging, paging_settings: Settings) -> None:
    idle.simulator.change(queued_s=3600)
    incident = await declared(idle)
    async with running_server(paging_settings.model_copy(update={"page_stuck_s": 0.1})):
        page_id = await idle.page(incident_id=incident.id)
        await idle.reaches(page_id, "sent")

        async def status() -> str:
            await check_now(idle, page_id)
            return (await idle.get(page_id)).status

        await eventually(status, lambda found: found == "stuck")
    assert "PagerTree has the page 'Database down' and pages nobody yet." in (
        await activity(idle, incident.id)
    )


async def test_a_page_that_is_canceled_is_activity(idle: Paging) -> None:
    incident = await declared(idle)
    page_id = await idle.page(incident_id=incident.id)
    (create,) = await idle.operations(page_id)
    async with idle.sessions.begin() as session:
        await cancel_operation(session, create.id)
    assert (await activity(idle, incident.id))[-1] == (
        "The page 'Database down' was canceled: canceled by a person"
    )
    assert await idle.events(page_id) == ["page.canceled"]


async def test_nobody_is_paged_for_an_incident_that_is_over_or_does_not_exist(
    idle: Paging,
) -> None:
    incident = await declared(idle, status="resolved")
    with pytest.raises(ConflictError, match="incident 1 is resolved"):
        await idle.page(incident_id=incident.id)
    with pytest.raises(InvalidError) as refused:
        await idle.page(incident_id=new_id())
    assert refused.value.pointer == "/data/attributes/incident_id"


async def test_a_page_and_a_resolve_at_the_same_moment_happen_one_after_the_other(
    idle: Paging, engine: AsyncEngine
) -> None:
    incident = await declared(idle)
    async with idle.sessions() as session:
        await move_incident(
            session, await get_incident(session, incident.id, lock=True), "resolved", TEST
        )
        paging = asyncio.create_task(idle.page(incident_id=incident.id))
        async with raw_connection(engine) as connection:
            await eventually(
                lambda: connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
            )
        assert not paging.done()
        await session.commit()
    with pytest.raises(ConflictError):
        await paging


async def test_the_api_pages_for_an_incident_until_it_is_over(
    api: AsyncClient, directory: Paging
) -> None:
    incident = await declared(directory)

    async def page(incident_id: UUID, **attributes: Any) -> int:
        attributes |= {
            "title": "Down",
            "teams": [{"name": "Platform"}],
            "incident_id": str(incident_id),
        }
        body = {"data": {"type": "pages", "attributes": attributes}}
        return (await api.post("/v1/pages", json=body)).status_code

    assert await page(incident.id) == 202
    assert (await page(new_id()), await page(new_id(), dry_run=True)) == (422, 422)
    assert (await api.put(f"/v1/incidents/{incident.id}/resolve")).status_code == 200
    assert (await page(incident.id), await page(incident.id, dry_run=True)) == (409, 409)
    rows = await activity(directory, incident.id)
    assert "Paged team Platform by the API key 'test': Down" in rows
