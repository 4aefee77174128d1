"""Of what pagersync itself writes all the time, the audit log has what people did to it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pagersync.access.models import AuditEntry
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations.directory_models import DirectoryEntry
from tests.access.test_audit import entries, good
from tests.support.account import Account, event
from tests.support.times import TIME
from tests.support.wait import eventually


def body(type_: str, **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": type_, "attributes": attributes}}


async def last(sessions: Sessions, **where: Any) -> AuditEntry:
    return (await entries(sessions, **where))[-1]


async def new_alert(api: AsyncClient, **attributes: Any) -> Any:
    return good(await api.post("/v1/alerts", json=body("alerts", summary="Disk", **attributes)))


async def test_an_alert_is_shown_before_and_after(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    assert account.url
    alert = (await new_alert(api, description="full"))["id"]
    made = await last(sessions, resource_type="alerts", action="create")
    assert (made.operation, made.resource_id, made.before) == ("createAlert", alert, None)
    assert made.after is not None
    assert (made.after["summary"], made.after["status"]) == ("Disk", "open")
    assert "fold" not in made.after
    good(await api.patch(f"/v1/alerts/{alert}", json=body("alerts", description="half full")))
    changed = await last(sessions, operation="updateAlert", resource_type="alerts")
    assert (changed.before, changed.after) == (
        {"description": "full"},
        {"description": "half full"},
    )
    good(await api.post(f"/v1/alerts/{alert}/acknowledge"))
    taken = await last(sessions, operation="acknowledgeAlert", resource_type="alerts")
    assert taken.resource_id == alert
    assert taken.before == {"status": "open", "acknowledged_at": None}
    assert taken.after is not None
    assert taken.after["status"] == "acknowledged"


async def test_a_note_is_shown_before_and_after(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    assert account.url
    alert = (await new_alert(api))["id"]
    note = body("alert_events", kind="note", details="a")
    note_id = good(await api.post(f"/v1/alerts/{alert}/events", json=note))["id"]
    path = f"/v1/alert_events/{note_id}"
    good(await api.patch(path, json=body("alert_events", details="b")))
    good(await api.delete(path))
    found = await entries(sessions, resource_type="alert_events", resource_id=note_id)
    assert [entry.action for entry in found] == ["create", "update", "delete"]
    created, changed, removed = found
    assert created.after is not None
    assert (created.after["details"], created.after["alert_id"]) == ("a", alert)
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before["details"], changed.after["details"]) == ("a", "b")
    assert (removed.before or {})["details"] == "b"


@pytest.mark.parametrize(("kind", "type_"), [("team", "groups"), ("user", "users")])
async def test_teams_and_users_are_shown_before_and_after(
    api: AsyncClient, account: Account, sessions: Sessions, kind: str, type_: str
) -> None:
    now = datetime.now(UTC)
    entry = DirectoryEntry(
        integration_id=account.id,
        kind=kind,
        pagertree_id="01X",
        name="Olivia",
        slug="olivia",
        name_key="olivia",
        fetched_at=now,
        missing_since=now,
    )
    async with sessions.begin() as session:
        session.add(entry)
    name = "description" if kind == "team" else "first_name"
    path = f"/v1/{kind}s/{entry.id}"
    good(await api.put(path, json=body(type_, **{name: "On call"})))
    good(await api.delete(path))
    changed, removed = await entries(sessions, resource_type="directory_entries")
    assert (changed.resource_id, changed.before, changed.after) == (
        str(entry.id),
        {name: None},
        {name: "On call"},
    )
    assert (removed.action, removed.before) == ("update", {"removed_at": None})


async def test_what_is_replayed_is_an_act_without_its_body(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    delivery = (await account.post(event())).json()["data"]["id"]

    async def is_done() -> bool:
        shown = good(await api.get(f"/v1/deliveries/{delivery}"))
        return bool(shown["attributes"]["state"] == "done")

    await eventually(is_done)
    good(await api.post(f"/v1/deliveries/{delivery}/replay"))
    (entry,) = await entries(sessions, resource_type="deliveries")
    assert (entry.operation, entry.resource_id) == ("replayDelivery", delivery)
    assert (entry.action, entry.before, entry.after) == ("act", None, None)


async def test_a_run_that_is_canceled_is_shown_before_and_after(
    api: AsyncClient, sessions: Sessions
) -> None:
    workflow = {
        "name": "Later",
        "trigger_params": {"trigger_type": "incident", "triggers": ["incident_created"]},
        "wait": "1 hour",
        "tasks": [{"name": "p", "task_params": {"task_type": "print", "message": "m"}}],
    }
    workflow_id = good(await api.post("/v1/workflows", json=body("workflows", **workflow)))["id"]
    good(await api.post("/v1/incidents", json=body("incidents", title="x")))
    path = f"/v1/workflows/{workflow_id}/workflow_runs"

    async def runs() -> list[Any]:
        return list(good(await api.get(path)))

    (run,) = await eventually(runs)
    good(await api.post(f"/v1/workflow_runs/{run['id']}/cancel"))
    (entry,) = await entries(sessions, resource_type="workflow_runs")
    assert (entry.operation, entry.resource_id) == ("cancelWorkflowRun", run["id"])
    assert (entry.before or {})["state"] == "queued"
    assert (entry.after or {})["state"] == "canceled"


async def test_what_is_only_asked_of_pagertree_is_kept_as_an_act(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    await account.post(event())

    async def alerts() -> list[Any]:
        return list(good(await api.get("/v1/alerts")))

    (alert,) = await eventually(alerts)
    assert {entry.resource_type for entry in await entries(sessions)} == {
        "api_keys",
        "integrations",
        "webhook_secrets",
    }, "what PagerTree told is no change that somebody asked for"
    good(await api.post(f"/v1/alerts/{alert['id']}/acknowledge"))
    entry = await last(sessions)
    assert (entry.operation, entry.action) == ("acknowledgeAlert", "act")
    assert (entry.resource_type, entry.resource_id) == ("alerts", alert["id"])


async def test_times_before_and_after_have_the_form_of_all_others(
    api: AsyncClient, account: Account
) -> None:
    assert account.url
    stamp = "2026-03-01T03:00:00.123456+00:00"
    alert = (await new_alert(api, labels=[{"key": "seen", "value": stamp}]))["id"]
    found = good(await api.get(f"/v1/audit?filter[resource_id]={alert}&filter[action]=create"))
    made = found[0]["attributes"]["after"]
    assert TIME.fullmatch(made["started_at"]), made["started_at"]
    assert made["ended_at"] is None
    assert made["labels"] == {"seen": stamp}, "what somebody wrote stays as it was written"


async def test_a_time_that_only_sql_can_have_written_is_shown_as_it_is(
    server: str, api: AsyncClient, sessions: Sessions
) -> None:
    values = {"created_at": "infinity", "updated_at": "0044-03-15 12:00:00+00 BC"}
    async with sessions.begin() as session:
        session.add(
            AuditEntry(actor_kind="system", action="update", resource_type="alerts", after=values)
        )
    async with AsyncClient(base_url=server, headers=api.headers, trust_env=False) as client:
        (found,) = good(await client.get("/v1/audit?filter[resource_type]=alerts"))
    assert found["attributes"]["after"] == values


async def test_an_endpoints_address_has_no_query_in_it(
    api: AsyncClient, sessions: Sessions
) -> None:
    attributes = {
        "name": "hooks",
        "url": "https://hooks.example.com/x?key=planted",
        "event_types": ["alert.created"],
    }
    good(await api.post("/v1/webhooks/endpoints", json=body("webhooks_endpoints", **attributes)))
    made = await last(sessions, resource_type="webhook_endpoints")
    assert (made.after or {})["url"] == "https://hooks.example.com/x?(hidden)"
