"""Runs: started by what happened, once; executed task by task; ended as Rootly names it."""

import asyncio
import random
import sys
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions, raw_connection
from tests.paging.conftest import Paging
from tests.workflows.conftest import Flows
from tests.workflows.looking import let_waits_end, look_once

PRINT = {"task_type": "print", "message": "{{ incident.title }} is {{ incident.status }}"}
FAILS = {"task_type": "update_status", "status": "closed"}
"""An incident that was just started cannot be closed."""


async def test_an_event_starts_each_workflow_that_it_matches_once(
    flows: Flows, server: str
) -> None:
    del server
    printing = await flows.add(PRINT)
    other = await flows.add(PRINT, triggers=["title_updated"])
    incident_id = await flows.declare()

    (run,) = await flows.ran(printing)
    (task,) = await flows.tasks(run)
    assert run.status == "completed"
    assert run.triggered_by == "system"
    assert task.result == {"message": "Checkout is down is started"}
    assert task.rendered_params == {
        "task_type": "print",
        "message": "Checkout is down is started",
    }
    assert task.duration_ms is not None
    assert await flows.runs(other) == []
    (verdict,) = await flows.verdicts(incident_id, "incident.created")
    assert verdict["matched"]
    assert verdict["run_id"] == str(run.id)


async def test_a_change_that_fits_several_triggers_starts_one_run(
    flows: Flows, server: str
) -> None:
    del server
    workflow_id = await flows.add(PRINT, triggers=["incident_updated", "status_updated"])
    incident_id = await flows.declare()
    await flows.move(incident_id, "mitigated")
    await flows.ran(workflow_id)
    await flows.looked_at(incident_id, "incident.updated")
    assert len(await flows.runs(workflow_id)) == 1


async def test_what_did_not_match_is_kept_with_the_condition_that_failed(
    flows: Flows, server: str
) -> None:
    del server
    await flows.add(
        PRINT,
        name="Critical only",
        conditions={"incident_condition_severity": "IS", "incident_severities": ["critical"]},
    )
    incident_id = await flows.declare(severity="low")
    (verdict,) = await flows.verdicts(incident_id, "incident.created")
    assert not verdict["matched"]
    assert verdict["workflow"] == "Critical only"
    assert "severity" in verdict["reason"]
    assert "critical" in verdict["reason"]


async def test_a_status_that_is_over_by_now_still_triggers(flows: Flows, sessions: Any) -> None:
    workflow_id = await flows.add(
        PRINT,
        triggers=["status_updated"],
        conditions={"incident_condition_status": "IS", "incident_statuses": ["resolved"]},
    )
    incident_id = await flows.declare()
    await flows.move(incident_id, "resolved")
    await flows.move(incident_id, "closed")
    await look_once(sessions)
    assert len(await flows.runs(workflow_id)) == 1


async def test_a_task_that_fails_ends_the_run_and_those_behind_it_are_not_tried(
    flows: Flows, server: str
) -> None:
    del server
    workflow_id = await flows.add(PRINT, FAILS, PRINT)
    await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "failed"
    assert run.status_message is not None
    assert "task 2" in run.status_message
    tasks = await flows.tasks(run)
    assert [task.status for task in tasks] == ["completed", "failed", "skipped"]
    moments = [run.started_at, tasks[0].started_at, tasks[1].finished_at, run.finished_at]
    known = [moment for moment in moments if moment is not None]
    assert known == sorted(known)
    assert len(known) == 4


@pytest.mark.parametrize("skip_on_failure", [False, True])
async def test_a_run_that_fails_says_so_on_the_timeline_of_its_incident(
    flows: Flows, server: str, *, skip_on_failure: bool
) -> None:
    del server
    workflow_id = await flows.add({**FAILS, "skip_on_failure": skip_on_failure}, name="Tell Ops")
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert (await flows.timeline(incident_id))[-1] == (
        f"The workflow 'Tell Ops' failed: {run.status_message}."
    )


async def test_with_skip_on_failure_the_run_goes_on_and_completes_with_errors(
    flows: Flows, server: str
) -> None:
    del server
    workflow_id = await flows.add({**FAILS, "skip_on_failure": True}, PRINT)
    await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed_with_errors"
    assert [task.status for task in await flows.tasks(run)] == ["failed", "completed"]


async def test_a_task_that_is_switched_off_is_left_out(flows: Flows, server: str) -> None:
    del server
    workflow_id = await flows.add({**FAILS, "enabled": False}, PRINT)
    await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert [task.position for task in await flows.tasks(run)] == [1]
    assert run.status == "completed"


async def test_a_template_that_fails_ends_there_and_its_task_notes_line_and_column(
    flows: Flows, server: str
) -> None:
    del server
    workflow_id = await flows.add(
        {"task_type": "print", "message": "a\n{{ 'soon' | date: '%Y' }} b {{ incident.summary }}"}
    )
    await flows.declare()
    (run,) = await flows.ran(workflow_id)
    (task,) = await flows.tasks(run)
    assert (run.status, task.result) == ("completed", {"message": "a\n"})
    assert task.notes == ["message ends where it failed: line 2, column 13: 'soon' is no time"]


async def test_a_call_is_made_as_it_was_meant_or_not_at_all(flows: Flows, server: str) -> None:
    del server
    workflow_id = await flows.add(
        {
            "task_type": "http_client",
            "url": "https://example.com/{{ 'soon' | date: '%Y' }}",
            "succeed_on_status": "200",
        }
    )
    await flows.declare()
    (run,) = await flows.ran(workflow_id)
    (task,) = await flows.tasks(run)
    assert task.status == "failed"
    assert "url: line 1, column 33" in str(task.error)


async def test_conditions_are_looked_at_again_after_the_wait(
    flows: Flows, server: str, sessions: Any
) -> None:
    del server
    workflow_id = await flows.add(
        PRINT,
        wait="1 hour",
        conditions={"incident_condition_status": "IS", "incident_statuses": ["started"]},
    )
    kept, over = await flows.declare(), await flows.declare()
    await flows.looked_at(over, "incident.created")
    await flows.looked_at(kept, "incident.created")
    assert [run.status for run in await flows.runs(workflow_id)] == ["queued", "queued"]
    await flows.move(over, "resolved")
    await let_waits_end(sessions)
    runs = {run.incident_id: run for run in await flows.ran(workflow_id, runs=2)}
    assert runs[kept].status == "completed"
    assert runs[over].status == "canceled"
    assert "do not hold" in str(runs[over].status_message)


async def test_a_run_is_repeated_until_its_conditions_do_not_hold(
    flows: Flows, server: str, sessions: Any
) -> None:
    del server
    workflow_id = await flows.add(
        PRINT,
        repeat_every_duration="10 min",
        conditions={"incident_condition_status": "IS", "incident_statuses": ["started"]},
    )
    incident_id = await flows.declare()
    await flows.ran(workflow_id)
    await let_waits_end(sessions)
    await flows.ran(workflow_id, runs=2)
    await flows.move(incident_id, "mitigated")
    await let_waits_end(sessions)
    runs = await flows.ran(workflow_id, runs=3)
    assert [run.status for run in runs] == ["completed", "completed", "canceled"]
    assert [run.repeat_number for run in runs] == [0, 1, 2]


async def test_a_run_is_repeated_so_many_times_and_not_more(
    flows: Flows, server: str, sessions: Any
) -> None:
    del server
    workflow_id = await flows.add(
        PRINT, repeat_every_duration="10 min", repeat_condition_number_of_repeats=1
    )
    await flows.declare()
    await flows.ran(workflow_id)
    await let_waits_end(sessions)
    await flows.ran(workflow_id, runs=2)
    await let_waits_end(sessions)
    assert len(await flows.runs(workflow_id)) == 2


async def test_a_run_waiting_is_canceled_when_its_workflow_is_switched_off(
    flows: Flows, server: str, sessions: Any
) -> None:
    del server
    workflow_id = await flows.add(PRINT, wait="1 hour")
    incident_id = await flows.declare()
    await flows.looked_at(incident_id, "incident.created")
    await flows.change(workflow_id, enabled=False)
    await let_waits_end(sessions)
    (run,) = await flows.ran(workflow_id)
    assert run.status == "canceled"
    assert "switched off" in str(run.status_message)


async def test_workflows_start_each_other_only_so_many_deep(flows: Flows, server: str) -> None:
    del server
    workflow_id = await flows.add(
        {"task_type": "add_to_timeline", "event": "again"}, triggers=["timeline_updated"]
    )
    starting = await flows.add({"task_type": "add_to_timeline", "event": "first"}, name="The first")
    incident_id = await flows.declare()
    await flows.ran(starting)
    runs = await flows.ran(workflow_id, runs=5)
    assert [run.depth for run in runs] == [2, 3, 4, 5, 6]
    assert [run.status for run in runs] == ["completed"] * 4 + ["canceled"]
    assert "PAGERSYNC_WORKFLOW_DEPTH_MAX" in str(runs[-1].status_message)
    assert {run.triggered_by for run in runs} == {"workflow"}
    verdicts = await flows.verdicts(incident_id, "incident.timeline_updated")
    assert "PAGERSYNC_WORKFLOW_DEPTH_MAX" in verdicts[0]["reason"]


async def test_two_alerts_at_the_same_moment_start_one_run_each(
    flows: Flows, paging: Paging
) -> None:
    workflow_id = await flows.add(
        {"task_type": "print", "message": "{{ alert.summary }}"},
        trigger_type="alert",
        triggers=["alert_created"],
    )
    await asyncio.gather(*(paging.pagertree.created(title=f"Alert {n}") for n in range(2)))
    runs = await flows.ran(workflow_id, runs=2)
    printed = sorted([(await flows.tasks(run))[0].result["message"] for run in runs])  # type: ignore[index]
    assert printed == ["Alert 0", "Alert 1"]
    assert len({run.domain_event_id for run in runs}) == 2


async def test_events_share_what_workflows_said_of_them(flows: Flows, engine: AsyncEngine) -> None:
    for name in ("One", "Two"):
        await flows.add(
            PRINT,
            name=name,
            conditions={"incident_condition_status": "IS", "incident_statuses": ["closed"]},
        )
    incidents = [await flows.declare() for _ in range(3)]
    await look_once(flows.sessions)
    for incident_id in incidents:
        verdicts = await flows.verdicts(incident_id, "incident.created")
        assert [verdict["workflow"] for verdict in verdicts] == ["One", "Two"]
        assert {verdict["matched"] for verdict in verdicts} == {False}
    async with raw_connection(engine) as connection:
        assert await connection.fetchval("SELECT count(*) FROM verdict_sets") == 1


async def test_a_slow_regular_expression_holds_nobody_else_up(
    flows: Flows, sessions: Sessions
) -> None:
    await flows.add(
        PRINT,
        conditions={
            "incident_condition_summary": "CONTAINS",
            "incident_condition_summary_use_regexp": True,
            "incident_summaries": ["((a|b){0,40}){0,20}c"],  # RE2 needs a quarter of a second
        },
    )
    await flows.declare(summary="".join(random.Random(1).choices("ab", k=10_000)))
    looking = asyncio.create_task(look_once(sessions))
    turns = 0  # of the event loop, while a regular expression was at work elsewhere
    while not looking.done():
        await asyncio.sleep(0)
        frames = sys._current_frames()  # noqa: SLF001 - what other threads do
        turns += any("re2" in frame.f_code.co_filename for frame in frames.values())
    assert turns > 0
