"""Incidents that are removed while workflows have something to do about them."""

from typing import Any
from uuid import UUID

from pagersync.incidents.service import get_incident, remove_incident
from tests.workflows.conftest import PERSON, Flows
from tests.workflows.looking import let_waits_end

PRINT = {"task_type": "print", "message": "{{ incident.title }} is {{ incident.status }}"}


async def remove(flows: Flows, incident_id: UUID) -> None:
    async with flows.sessions.begin() as session:
        incident = await get_incident(session, incident_id, lock=True)
        await remove_incident(session, incident, PERSON)


async def test_what_waited_for_its_end_is_done_although_it_was_removed_since(
    flows: Flows, server: str, sessions: Any
) -> None:
    del server
    workflow_id = await flows.add(PRINT, triggers=["status_updated"], wait="1 hour")
    incident_id = await flows.declare()
    await flows.move(incident_id, "resolved")
    await remove(flows, incident_id)
    await flows.looked_at(incident_id, "incident.updated")
    await let_waits_end(sessions)
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed"
    (task,) = await flows.tasks(run)
    assert task.result == {"message": "Checkout is down is resolved"}


async def test_nothing_is_repeated_for_a_removed_incident(
    flows: Flows, server: str, sessions: Any
) -> None:
    del server
    workflow_id = await flows.add(
        PRINT,
        triggers=["status_updated"],
        repeat_every_duration="10 min",
        continuously_repeat=True,
    )
    incident_id = await flows.declare()
    await flows.move(incident_id, "resolved")
    await flows.ran(workflow_id)
    await remove(flows, incident_id)
    await let_waits_end(sessions)
    runs = await flows.ran(workflow_id, runs=2)
    assert [run.status for run in runs] == ["completed", "canceled"]
    assert runs[1].status_message == "the incident is gone"
    await let_waits_end(sessions)
    assert len(await flows.runs(workflow_id)) == 2
