"""Why nobody was paged: the first thing that stood in the way, in words."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from pagersync.database.engine import Sessions
from pagersync.events.publish import Cause
from pagersync.settings import Settings
from pagersync.workflows.explain import Explanation, explain_incident
from pagersync.workflows.trace_text import failed_text
from pagersync.workflows.trace_tree import TraceNode
from tests.workflows.conftest import PERSON, Flows
from tests.workflows.looking import look_once

CREATE: dict[str, Any] = {"task_type": "create_pagertree_alert", "teams": [{"name": "Platform"}]}
CRITICAL = {"incident_condition_severity": "IS", "incident_severities": ["critical"]}


async def explained(sessions: Sessions, flows: Flows, incident_id: UUID) -> Explanation:
    async with sessions() as session:
        return await explain_incident(session, await flows.incident(incident_id), Settings())


def below(explanation: Explanation) -> list[TraceNode]:
    """Return what stands directly below the one root."""
    (root,) = explanation.roots
    return root.children


async def test_a_workflow_that_is_off_is_named_with_its_reason(
    sessions: Sessions, flows: Flows
) -> None:
    await flows.add(CREATE, name="Page", enabled=False, off_reason="there is nobody to page")
    incident_id = await flows.declare()
    why = await explained(sessions, flows, incident_id)
    assert why.summary == "Nobody was paged: the workflow 'Page' is off: there is nobody to page."
    (node,) = below(why)
    assert (node.kind, node.status, node.title) == (
        "workflow",
        "off",
        "Workflow 'Page' is off: there is nobody to page",
    )


async def test_a_workflow_that_was_removed_is_named_where_there_is_no_other(
    sessions: Sessions, flows: Flows
) -> None:
    await flows.add(CREATE, name="Gone", removed_at=datetime.now(UTC))
    first = await explained(sessions, flows, await flows.declare())
    assert first.summary == "Nobody was paged: the workflow 'Gone' was removed."
    await flows.add(CREATE, name="Page", enabled=False)
    second = await explained(sessions, flows, await flows.declare())
    assert second.summary == "Nobody was paged: the workflow 'Page' is off."
    assert {node.status for node in below(second)} == {"off", "removed"}


async def test_a_workflow_that_was_made_later_could_not_have_paged(
    sessions: Sessions, flows: Flows
) -> None:
    incident_id = await flows.declare()
    await flows.add(CREATE, name="Later", enabled=False)
    why = await explained(sessions, flows, incident_id)
    assert why.summary == "Nobody was paged: no workflow listened for what happened."
    assert below(why) == []


async def test_the_condition_that_failed_is_named(sessions: Sessions, flows: Flows) -> None:
    await flows.add(CREATE, name="Critical only", conditions=CRITICAL)
    await flows.add({"task_type": "print", "message": "x"}, name="Print", conditions=CRITICAL)
    incident_id = await flows.declare(severity="low")
    await look_once(sessions)
    why = await explained(sessions, flows, incident_id)
    assert why.summary == (
        "Nobody was paged: the workflow 'Critical only' did not match: its condition 'incident "
        "severity IS [critical]' did not hold."
    )
    assert [node.kind for node in below(why)] == ["verdict", "verdict"]


async def test_only_workflows_that_page_are_reasons(sessions: Sessions, flows: Flows) -> None:
    await flows.add({"task_type": "print", "message": "x"}, name="Print")
    await flows.add({"task_type": "print", "message": "x"}, name="Off", enabled=False)
    incident_id = await flows.declare()
    await look_once(sessions)
    why = await explained(sessions, flows, incident_id)
    assert why.summary == "Nobody was paged: no workflow that pages listened."


async def test_a_limit_that_was_reached_is_named(sessions: Sessions, flows: Flows) -> None:
    await flows.add(CREATE, name="Page", runs_per_minute_max=0)
    await flows.declare()  # its page goes ahead
    incident_id = await flows.declare()
    await look_once(sessions)
    why = await explained(sessions, flows, incident_id)
    assert why.summary.startswith(
        "Nobody was paged: the workflow 'Page' matched; its run waits until "
    )
    assert "over the workflow's limit of 0 runs a minute" in why.summary
    (run,) = below(why)
    assert (run.kind, run.status) == ("run", "queued")


async def test_workflows_that_led_to_one_another_too_often_are_named(
    sessions: Sessions, flows: Flows
) -> None:
    await flows.add(CREATE, name="Page")
    incident_id = await flows.declare(Cause("the workflow 'Loop'", "workflow", None, 5))
    await look_once(sessions)
    why = await explained(sessions, flows, incident_id)
    assert why.summary.startswith(
        "Nobody was paged: the workflow 'Page' matched, and its run was canceled: 5 workflow runs "
        "led to this"
    )


async def test_what_waits_is_said_to_wait(sessions: Sessions, flows: Flows) -> None:
    workflow_id = await flows.add(CREATE, name="Page")
    incident_id = await flows.declare()
    unseen = await explained(sessions, flows, incident_id)
    assert "not looked at yet (is a worker running?)" in unseen.summary
    await look_once(sessions)
    waiting = await explained(sessions, flows, incident_id)
    assert "the workflow 'Page' matched; its run waits until" in waiting.summary
    await flows.change(workflow_id, enabled=False)
    switched_off_since = await explained(sessions, flows, incident_id)
    assert [node.kind for node in below(switched_off_since)] == ["run"]


async def test_a_task_that_failed_is_named_with_its_error(
    sessions: Sessions, flows: Flows, server: str
) -> None:
    del server
    workflow_id = await flows.add({"task_type": "create_pagertree_alert"}, name="Page")
    incident_id = await flows.declare()
    await flows.ran(workflow_id)
    why = await explained(sessions, flows, incident_id)
    assert why.summary.startswith("Nobody was paged: the workflow 'Page' ran, with errors: task 1")
    ((task,),) = [node.children for node in below(why)]
    assert (task.kind, task.status) == ("task", "failed")
    assert task.title.startswith("Task 1 (task 1) failed: ")


async def test_an_incident_that_is_over_says_why_nobody_was_paged_for_it(
    sessions: Sessions, flows: Flows, server: str
) -> None:
    del server
    workflow_id = await flows.add(CREATE, name="Late", triggers=["status_updated"])
    incident_id = await flows.declare()
    await flows.move(incident_id, "resolved", PERSON)
    await flows.ran(workflow_id)
    why = await explained(sessions, flows, incident_id)
    assert "the workflow 'Late' ran, with errors" in why.summary


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("status IS [open]", "its condition 'status IS [open]' did not hold"),
        ("must not hold: status SET", "its condition 'status SET' must not hold, and does"),
        ("none of these holds: a; b", "none of its conditions holds: a; b"),
        ("it is for another integration", "it is for another integration"),
    ],
)
def test_a_condition_that_failed_is_told_as_it_was_joined(reason: str, said: str) -> None:
    assert failed_text(reason) == said
