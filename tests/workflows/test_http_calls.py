"""The task that calls somebody: once, whatever happens, and kept without secrets."""

import asyncio

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.settings import Settings
from pagersync.workflows.engine import INTERRUPTED, runs_queue
from pagersync.workflows.models import WorkflowTaskRun
from tests.workflows.conftest import Called, Flows
from tests.workflows.looking import execute, look_once

PRINT = {"task_type": "print", "message": "after"}


def to(called: Called, **params: object) -> dict[str, object]:
    return {
        "task_type": "http_client",
        "url": f"{called.url}{called.path}?token=secret-token",
        "method": "POST",
        "succeed_on_status": "200",
        "headers": '{"Authorization": "Bearer secret-token"}',
        "body": '{"title": "{{ incident.title }}", "by": "{{ event.type }}"}',
        **params,
    }


async def test_a_call_is_made_once_and_kept_without_what_logs_in(
    flows: Flows, called: Called, engine: AsyncEngine, calling_settings: Settings
) -> None:
    workflow_id = await flows.add(
        to(called, post_to_incident_timeline=True, event_message="Told the others"), PRINT
    )
    incident_id = await flows.declare()
    await look_once(flows.sessions)
    await execute(engine, calling_settings)
    (run,) = await flows.runs(workflow_id)
    task, printed = await flows.tasks(run)
    assert (run.status, task.status, printed.status) == ("completed",) * 3
    assert task.result is not None
    assert task.result["status"] == 200
    assert len(called.bodies) == 1
    assert "Checkout is down" in called.bodies[0]
    assert "incident.created" in called.bodies[0]
    assert "secret-token" not in str(task.rendered_params)
    assert "Told the others" in await flows.timeline(incident_id)


async def test_a_call_that_was_under_way_when_its_process_ended_is_not_made_again(
    flows: Flows, called: Called, engine: AsyncEngine, calling_settings: Settings
) -> None:
    called.path = "/slow"
    workflow_id = await flows.add({**to(called), "skip_on_failure": True}, PRINT)
    await flows.declare()
    await look_once(flows.sessions)
    executing = asyncio.create_task(execute(engine, calling_settings))
    await called.is_called()
    executing.cancel()
    await asyncio.gather(executing, return_exceptions=True)
    async with flows.sessions.begin() as session:
        lost = "UPDATE workflow_runs SET leased_until = now() - interval '1 s'"
        await session.execute(text(f"{lost} WHERE state = 'running'"))
    async with raw_connection(engine) as connection:
        await runs_queue(calling_settings).expire(connection)
    await execute(engine, calling_settings)
    (run,) = await flows.runs(workflow_id)
    task, printed = await flows.tasks(run)
    assert run.status == "completed_with_errors"
    assert (task.status, task.error) == ("failed", INTERRUPTED)
    assert printed.status == "completed"
    assert len(called.bodies) == 1


async def test_an_answer_that_is_no_success_fails_the_task_and_is_kept(
    flows: Flows, called: Called, engine: AsyncEngine, calling_settings: Settings
) -> None:
    workflow_id = await flows.add(to(called, succeed_on_status="20[1-3]"))
    await flows.declare()
    await look_once(flows.sessions)
    await execute(engine, calling_settings)
    (run,) = await flows.runs(workflow_id)
    (task,) = await flows.tasks(run)
    assert task.status == "failed"
    assert "200" in str(task.error)
    assert task.result is not None
    assert task.result["status"] == 200


async def test_a_host_that_nobody_allowed_is_not_called(
    flows: Flows, called: Called, engine: AsyncEngine, settings: Settings
) -> None:
    workflow_id = await flows.add(to(called))
    await flows.declare()
    await look_once(flows.sessions)
    await execute(engine, settings)
    (run,) = await flows.runs(workflow_id)
    (task,) = await flows.tasks(run)
    assert "PAGERSYNC_HTTP_CLIENT_HOSTS" in str(task.error)
    assert called.bodies == []


async def test_a_run_that_was_taken_over_records_nothing(
    flows: Flows, called: Called, engine: AsyncEngine, calling_settings: Settings
) -> None:
    called.path = "/slow"
    workflow_id = await flows.add(to(called))
    await flows.declare()
    await look_once(flows.sessions)
    executing = asyncio.create_task(execute(engine, calling_settings))
    await called.is_called()
    async with flows.sessions.begin() as session:
        await session.execute(text("UPDATE workflow_runs SET lease_token = gen_random_uuid()"))
        await session.execute(update(WorkflowTaskRun).values(error="held by another"))
    await executing
    (run,) = await flows.runs(workflow_id)
    (task,) = await flows.tasks(run)
    assert (task.status, task.error) == ("started", "held by another")
