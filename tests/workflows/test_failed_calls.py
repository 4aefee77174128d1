"""Resolves and acknowledgements that PagerTree does not take: told, and made again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts import actions
from pagersync.alerts.models import Alert
from pagersync.database.engine import raw_connection
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.paging.failed_calls import (
    PAUSE_FIRST_S,
    PAUSE_MAX_S,
    PAUSE_OF_OLD_MAX_S,
    RETRIED,
    pause_s,
    tell_late,
)
from pagersync.paging.findings import find_page_problems
from pagersync.paging.models import Operation, OperationKind, Page
from pagersync.paging.service import get_page, request_operation
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.server import running_server
from tests.support.wait import eventually
from tests.workflows.conftest import Flows
from tests.workflows.tracing import trace

CALLS = {
    OperationKind.RESOLVE_ALERT: ("POST", "/resolve"),
    OperationKind.ACKNOWLEDGE_ALERT: ("POST", "/acknowledge"),
    OperationKind.UPDATE_ALERT: ("PUT", ""),
}


@pytest.fixture
async def hasty(
    directory: Paging, paging_settings: Settings, token: str
) -> AsyncIterator[AsyncClient]:
    """Yield a client of a service that gives up a call after one attempt."""
    settings = paging_settings.model_copy(update={"operation_attempts_max": 1})
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        running_server(settings) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
    ):
        directory.simulator.change(
            webhook_url=f"{url}/webhooks/pagertree/{directory.integration_id}",
            webhook_secret=directory.webhook_secret,
        )
        yield client
        directory.simulator.change(webhooks="off")


async def paged_for(directory: Paging, flows: Flows) -> tuple[UUID, UUID]:
    incident_id = await flows.declare()
    page_id = await directory.page(incident_id=incident_id)
    await directory.reaches(page_id, "confirmed")
    return incident_id, page_id


async def call_of(directory: Paging, page_id: UUID, kind: OperationKind) -> Operation | None:
    operations = await directory.operations(page_id)
    return next((each for each in operations if each.kind == kind), None)


async def failed(directory: Paging, page_id: UUID, kind: OperationKind) -> Operation:
    found = await eventually(
        lambda: call_of(directory, page_id, kind), lambda row: row is not None and row.failures > 0
    )
    assert found is not None
    return found


async def test_a_failed_resolve_is_told_everywhere_and_made_again_until_it_is_done(
    directory: Paging, flows: Flows, hasty: AsyncClient, settings: Settings
) -> None:
    resolving = await flows.add(
        {"task_type": "resolve_pagertree_alert"}, triggers=["status_updated"]
    )
    incident_id, page_id = await paged_for(directory, flows)
    directory.simulator.fail_next("internal_error", path_end="/resolve", times=1)
    await flows.move(incident_id, "resolved")
    call = await failed(directory, page_id, OperationKind.RESOLVE_ALERT)
    assert (call.state, call.failures) == ("dead", 1)
    assert call.retry_at is not None
    assert "page.resolve_failed" in await directory.events(page_id)
    timeline = "\n".join(await flows.timeline(incident_id))
    assert "could not be resolved in PagerTree" in timeline
    assert "It is tried again" in timeline
    (run,) = await flows.ran(resolving)
    (task,) = await flows.tasks(run)
    assert any("could not be resolved" in note for note in task.notes)
    for kind, reference in (("incident", incident_id), ("page", page_id)):
        said = (await trace(hasty, kind, reference))["summary"]
        assert "The resolve in PagerTree failed" in said
    async with directory.sessions() as session:
        codes = {finding.code for finding in await find_page_problems(session, settings)}
    assert "resolve_failed" in codes

    async with directory.sessions.begin() as session:
        await session.execute(
            update(Operation).where(Operation.id == call.id).values(retry_at=func.now())
        )
    await directory.reaches(page_id, "resolved")
    assert (await directory.events(page_id)).count("page.resolve_failed") == 1, "told once"


@pytest.mark.parametrize("fault", ["internal_error", "key_refused"])
async def test_a_resolve_that_goes_on_failing_is_told_before_its_attempts_are_over(
    paging: Paging,
    flows: Flows,
    service_api: AsyncClient,
    engine: AsyncEngine,
    settings: Settings,
    fault: str,
) -> None:
    resolving = await flows.add(
        {"task_type": "resolve_pagertree_alert"}, triggers=["status_updated"]
    )
    incident_id, page_id = await paged_for(paging, flows)
    if fault == "key_refused":
        paging.simulator.change(key_refused=True)
    else:
        paging.simulator.fail_next(fault, path_end="/resolve", times=100)
    await flows.move(incident_id, "resolved")
    (run,) = await flows.ran(resolving)
    await eventually(lambda: call_of(paging, page_id, OperationKind.RESOLVE_ALERT), tried)
    assert "could not be resolved" not in "\n".join(await flows.timeline(incident_id))

    async with paging.sessions.begin() as session:
        before = func.now() - timedelta(minutes=2)
        await session.execute(update(Page).values(sent_at=before))
        await session.execute(update(Operation).values(created_at=before))
    call = await failed(paging, page_id, OperationKind.RESOLVE_ALERT)
    async with raw_connection(engine) as connection, connection.transaction():
        await tell_late(connection)
    assert call.state in ("queued", "running"), "it is still tried"
    told = [each for each in await flows.timeline(incident_id) if "could not be resolved" in each]
    assert len(told) == 1, "once"
    assert "People may still be paged. It is tried again" in told[0]
    assert (await paging.events(page_id)).count("page.resolve_failed") == 1
    (task,) = await flows.tasks(run)
    assert any("could not be resolved" in note for note in task.notes)
    said = (await trace(service_api, "incident", incident_id))["summary"]
    assert "The resolve in PagerTree failed, so people may still be paged" in said
    async with paging.sessions() as session:
        codes = {finding.code for finding in await find_page_problems(session, settings)}
    assert "resolve_failed" in codes


@pytest.mark.parametrize(
    ("kind", "path_end", "event", "said"),
    [
        (
            OperationKind.ACKNOWLEDGE_ALERT,
            "/acknowledge",
            "page.acknowledge_failed",
            "acknowledged",
        ),
        (OperationKind.UPDATE_ALERT, "", "page.update_failed", "changed"),
    ],
)
async def test_another_call_that_goes_on_failing_is_told_before_its_attempts_are_over(  # noqa: PLR0913, PLR0917 - fixtures and what is asked
    paging: Paging,
    flows: Flows,
    engine: AsyncEngine,
    kind: OperationKind,
    path_end: str,
    event: str,
    said: str,
) -> None:
    incident_id, page_id = await paged_for(paging, flows)
    method = "POST" if path_end else "PUT"
    fault = "internal_error"
    paging.simulator.fail_next(fault, method=method, path_end=path_end, times=100)
    await _ask(paging, page_id, kind)
    await eventually(lambda: call_of(paging, page_id, kind), tried)
    async with paging.sessions.begin() as session:
        before = func.now() - timedelta(minutes=2)
        await session.execute(update(Page).values(sent_at=before))
        await session.execute(update(Operation).values(created_at=before))
    call = await failed(paging, page_id, kind)
    async with raw_connection(engine) as connection, connection.transaction():
        await tell_late(connection)
    assert call.state in ("queued", "running"), "it is still tried"
    told = [each for each in await flows.timeline(incident_id) if f"could not be {said}" in each]
    assert len(told) == 1, "once"
    assert told[0].endswith("It is tried again.")
    assert (await paging.events(page_id)).count(event) == 1


def tried(call: Operation | None) -> bool:
    """Tell whether a call was made, and has to be made again."""
    return call is not None and call.state == "queued" and call.last_error is not None


async def test_a_person_ends_the_retries_of_a_failed_resolve(
    directory: Paging, flows: Flows, hasty: AsyncClient
) -> None:
    _, page_id = await paged_for(directory, flows)
    directory.simulator.fail_next("internal_error", path_end="/resolve", times=1)
    await _ask(directory, page_id, OperationKind.RESOLVE_ALERT)
    call = await failed(directory, page_id, OperationKind.RESOLVE_ALERT)
    answer = await hasty.post(f"/v1/operations/{call.id}/cancel")
    assert answer.status_code == 200, answer.text
    shown = answer.json()["data"]["attributes"]
    assert (shown["state"], shown["retry_at"]) == ("dead", None)
    assert "not tried again" in shown["last_error"]


async def test_a_new_resolve_takes_the_place_of_a_failed_one(
    directory: Paging, flows: Flows, hasty: AsyncClient
) -> None:
    del hasty
    _, page_id = await paged_for(directory, flows)
    directory.simulator.fail_next("internal_error", path_end="/resolve", times=1)
    await _ask(directory, page_id, OperationKind.RESOLVE_ALERT)
    first = await failed(directory, page_id, OperationKind.RESOLVE_ALERT)
    await _ask(directory, page_id, OperationKind.RESOLVE_ALERT)
    await directory.reaches(page_id, "resolved")
    (again,) = [each for each in await directory.operations(page_id) if each.id == first.id]
    assert again.retry_at is None


async def retry_now(directory: Paging, call: Operation) -> None:
    async with directory.sessions.begin() as session:
        own = update(Operation).where(Operation.id == call.id)
        await session.execute(own.values(retry_at=func.now()))


async def of_kind(directory: Paging, call: Operation) -> Operation:
    operations = await directory.operations(UUID(str(call.page_id)))
    return next(each for each in operations if each.id == call.id)


async def is_done(directory: Paging, call: Operation) -> None:
    await eventually(lambda: of_kind(directory, call), lambda each: each.state == "done")


async def test_a_failed_acknowledgement_is_told_and_made_again_until_it_is_done(
    directory: Paging, flows: Flows, hasty: AsyncClient, settings: Settings
) -> None:
    incident_id, page_id = await paged_for(directory, flows)
    directory.simulator.fail_next("internal_error", path_end="/acknowledge", times=1)
    await _ask(directory, page_id, OperationKind.ACKNOWLEDGE_ALERT)
    call = await failed(directory, page_id, OperationKind.ACKNOWLEDGE_ALERT)
    assert call.retry_at is not None
    assert "page.acknowledge_failed" in await directory.events(page_id)
    told = [each for each in await flows.timeline(incident_id) if "could not be ackn" in each]
    assert told[0].endswith("It is tried again.")
    said = (await trace(hasty, "incident", incident_id))["summary"]
    assert "The acknowledgement in PagerTree failed" in said
    async with directory.sessions() as session:
        codes = {finding.code for finding in await find_page_problems(session, settings)}
    assert "acknowledge_failed" in codes
    await retry_now(directory, call)
    await directory.reaches(page_id, "acknowledged")


async def test_an_acknowledgement_that_somebody_made_in_pagertree_is_not_made_again(
    directory: Paging, flows: Flows, hasty: AsyncClient
) -> None:
    del hasty
    _, page_id = await paged_for(directory, flows)
    directory.simulator.fail_next("internal_error", path_end="/acknowledge", times=1)
    await _ask(directory, page_id, OperationKind.ACKNOWLEDGE_ALERT)
    call = await failed(directory, page_id, OperationKind.ACKNOWLEDGE_ALERT)
    (alert,) = directory.simulator.alerts()
    directory.simulator.act(alert["id"], "acknowledge")
    await directory.reaches(page_id, "acknowledged")
    calls = len(await directory.attempts(page_id))
    await retry_now(directory, call)
    await is_done(directory, call)
    assert len(await directory.attempts(page_id)) == calls


async def test_a_failed_change_is_made_again_and_undoes_no_newer_one(
    directory: Paging, flows: Flows, hasty: AsyncClient
) -> None:
    del hasty
    _, page_id = await paged_for(directory, flows)
    kind = OperationKind.UPDATE_ALERT
    directory.simulator.fail_next("internal_error", method="PUT", times=1)
    await _ask(directory, page_id, kind, title="Old", description="More of it")
    call = await failed(directory, page_id, kind)
    assert call.retry_at is not None
    assert "page.update_failed" in await directory.events(page_id)
    await _ask(directory, page_id, kind, title="New")
    await eventually(lambda: texts(directory), lambda found: found[0] == "New")
    await retry_now(directory, call)
    await is_done(directory, call)
    assert await texts(directory) == ("New", "More of it")


async def test_a_failed_change_that_newer_ones_replace_is_not_made_again(
    directory: Paging, flows: Flows, hasty: AsyncClient
) -> None:
    del hasty
    _, page_id = await paged_for(directory, flows)
    kind = OperationKind.UPDATE_ALERT
    directory.simulator.fail_next("internal_error", method="PUT", times=1)
    await _ask(directory, page_id, kind, title="Old")
    call = await failed(directory, page_id, kind)
    await _ask(directory, page_id, kind, title="New")
    await eventually(lambda: texts(directory), lambda found: found[0] == "New")
    await retry_now(directory, call)
    ended = await eventually(lambda: of_kind(directory, call), lambda each: each.retry_at is None)
    assert (ended.state, ended.params) == ("dead", {})
    assert "newer changes took its place" in str(ended.last_error)


async def texts(directory: Paging) -> tuple[str, str]:
    (alert,) = directory.simulator.alerts()
    return alert["title"], alert["description"]


@pytest.mark.parametrize("kind", RETRIED)
async def test_a_call_that_failed_for_months_is_tried_again_until_the_alert_is_gone(
    directory: Paging, flows: Flows, hasty: AsyncClient, kind: OperationKind
) -> None:
    del hasty
    incident_id, page_id = await paged_for(directory, flows)
    method, path_end = CALLS[kind]
    directory.simulator.fail_next("internal_error", method=method, path_end=path_end, times=2)
    await _ask(directory, page_id, kind, **({"title": "New"} if method == "PUT" else {}))
    call = await failed(directory, page_id, kind)
    async with directory.sessions.begin() as session:
        months_ago = func.now() - timedelta(days=90)
        await session.execute(update(Operation).values(created_at=months_ago))
    await retry_now(directory, call)
    again = await eventually(lambda: of_kind(directory, call), lambda each: each.failures == 2)
    assert again.retry_at is not None
    (alert,) = directory.simulator.alerts()
    directory.simulator.delete_alert(directory.simulator.state.alerts[alert["id"]])
    await retry_now(directory, call)
    last = await eventually(lambda: of_kind(directory, call), lambda each: each.failures == 3)
    assert (last.state, last.retry_at) == ("failed", None)
    assert "PagerTree no longer has the alert" in str(last.last_error)
    told = [each for each in await flows.timeline(incident_id) if "could not be " in each]
    assert len(told) == 2, "the first and the last time"


async def test_a_resolve_whose_account_was_removed_is_told(
    directory: Paging, flows: Flows, hasty: AsyncClient
) -> None:
    incident_id, page_id = await paged_for(directory, flows)
    answer = await hasty.delete(f"/v1/integrations/{directory.integration_id}")
    assert answer.status_code == 200
    await _ask(directory, page_id, OperationKind.RESOLVE_ALERT)
    call = await failed(directory, page_id, OperationKind.RESOLVE_ALERT)
    assert (call.state, call.retry_at) == ("failed", None)
    assert any("resolve it in PagerTree" in line for line in await flows.timeline(incident_id))


async def test_an_alert_is_resolved_once_however_many_ask(directory: Paging) -> None:
    async with directory.sessions.begin() as session:
        cause = Cause("a test")
        new = actions.NewLocalAlert(
            integration_id=directory.integration_id,
            summary="Disk full",
            description=None,
            labels={},
            data={},
            cause=cause,
        )
        alert_id = (await actions.create_alert(session, new)).id
        alert = await session.scalar(select(Alert).where(Alert.id == alert_id))
        assert alert is not None
        alert.external_id = "alt_1"
        await session.flush()
        for _ in range(2):
            await actions.resolve_alert(session, alert, cause)
        own = select(func.count()).where(Operation.alert_id == alert_id)
        assert await session.scalar(own) == 1


async def _ask(directory: Paging, page_id: UUID, kind: OperationKind, **params: Any) -> None:
    async with directory.sessions.begin() as session:
        page = await get_page(session, page_id)
        values: dict[str, Any] = {"integration_id": page.integration_id, "page": page}
        values["params"] = params
        await request_operation(session, kind, requested_by="a test", **values)


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=1e9))
def test_pauses_grow_from_a_minute_to_an_hour_and_of_old_calls_to_a_day(
    failures: int, age_s: float
) -> None:
    pause = pause_s(failures, age_s)
    assert PAUSE_FIRST_S <= pause <= pause_s(failures + 1, age_s + 1)
    assert pause <= (PAUSE_MAX_S if age_s <= 86_400 else PAUSE_OF_OLD_MAX_S)
