"""What happens reaches those who subscribed: all of it, once, as the API shows it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from pagersync.database.base import new_id
from pagersync.database.session import driver_connection
from pagersync.events.publish import Fact, publish
from pagersync.integrations import service
from pagersync.paging.models import Page
from tests.support.account import event
from tests.support.wait import eventually
from tests.webhooks.conftest import DELIVERIES, ENDPOINTS, Hooks, body, flat, ids


async def test_an_incident_is_told_as_the_api_shows_it_and_signed(hooks: Hooks) -> None:
    made = await hooks.add(
        event_types=["incident.created"], custom_headers=[{"name": "X-Room", "value": "ops"}]
    )
    incident = await hooks.declare()
    (request,) = await hooks.received(1)
    assert request.data == incident
    assert request.type == "incident.created"
    assert request.event["id"] == request.id
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-room"] == "ops"
    assert Webhook(made["secret"]).verify(request.body, request.headers)
    (delivery,) = await hooks.reached(made, "done")
    shown = await hooks.delivery(delivery)
    assert shown["payload"] == request.body.decode()
    assert shown["event_id"] == request.id
    assert shown["delivered_at"]
    assert [(each["http_status"], each["error"]) for each in shown["attempts"]] == [(200, None)]


async def test_only_what_was_subscribed_to_is_sent(hooks: Hooks) -> None:
    everything = await hooks.add("/all")
    resolved = await hooks.add("/resolved", event_types=["incident.resolved"])
    pattern = await hooks.add("/pattern", event_types=["incident_event.*"])
    other = await hooks.add("/other", event_types=["page.*", "alert.*"])
    off = await hooks.add("/off", enabled=False)
    incident = await hooks.declare()
    entries = f"/v1/incidents/{incident['id']}/events"
    entry = flat(await hooks.api.post(entries, json=body("incident_events", event="Looking.")))
    await hooks.move(incident, "mitigate")
    await hooks.move(incident, "resolve")
    came = await hooks.received(6, "/all")
    assert sorted(request.type for request in came) == [
        "incident.created",
        "incident.mitigated",
        "incident.resolved",
        "incident.updated",
        "incident.updated",
        "incident_event.created",
    ]
    assert len({request.id for request in came}) == 6
    (told,) = await hooks.received(1, "/resolved")
    assert (told.type, told.data["status"]) == ("incident.resolved", "resolved")
    assert told.id in {request.id for request in came}  # the same event has the same id
    (noted,) = await hooks.received(1, "/pattern")
    assert noted.data == entry
    counts = [len(await hooks.deliveries(each)) for each in (everything, resolved, pattern)]
    assert counts == [6, 1, 1]
    assert await hooks.deliveries(other) == await hooks.deliveries(off) == []


async def test_an_entry_of_a_timeline_that_is_gone_is_still_told(hooks: Hooks) -> None:
    await hooks.add(event_types=["incident_event.updated", "incident_event.deleted"])
    incident = await hooks.declare()
    entries = f"/v1/incidents/{incident['id']}/events"
    entry = flat(await hooks.api.post(entries, json=body("incident_events", event="Looking.")))
    await hooks.api.put(f"/v1/events/{entry['id']}", json=body("incident_events", event="Found."))
    await hooks.received(1)
    await hooks.api.delete(f"/v1/events/{entry['id']}")
    changed, deleted = await hooks.received(2)
    assert (changed.type, changed.data["event"]) == ("incident_event.updated", "Found.")
    assert deleted.type == "incident_event.deleted"
    assert deleted.data == {
        "id": entry["id"],
        "event": "Found.",
        "incident_id": incident["id"],
    }


async def test_alerts_of_pagertree_are_told_and_a_repetition_is_no_event(hooks: Hooks) -> None:
    await hooks.add(event_types=["alert.*"])
    async with hooks.sessions.begin() as session:
        new = await service.add_integration(session, name="acme")
    path = f"/webhooks/pagertree/{new.integration.id}?secret={new.webhook_secret}"
    for type_ in ("alert.created", "alert.created", "alert.open"):
        answer = await hooks.api.post(path, json=event(type_, status="open", title="CPU"))
        assert answer.status_code == 202
    came = {request.type: request.data for request in await hooks.received(2)}
    assert came.keys() == {"alert.created", "alert.updated"}
    alert = flat(await hooks.api.get(f"/v1/alerts/{came['alert.created']['id']}"))
    told = came["alert.updated"] | {"updated_at": alert["updated_at"]}  # it goes on being written
    assert told == alert


async def test_pages_and_runs_are_told_as_lists_show_them(hooks: Hooks) -> None:
    await hooks.add(event_types=["page.*", "genius_workflow_run.*"])
    page = Page(
        id=new_id(), integration_id=new_id(), title="t", urgency="low", targets=[], requested_by="t"
    )
    async with hooks.sessions.begin() as session:
        session.add(page)
        await session.flush()
        fact = Fact(
            integration_id=page.integration_id,
            type="page.dropped",
            subject_type="page",
            subject_id=page.id,
            delivery_id=None,
            data={},
            occurred_at=datetime.now(UTC),
        )
        await publish(await driver_connection(session), [fact])
    (told,) = await hooks.received(1)
    listed = (await hooks.api.get("/v1/pages")).json()["data"][0]
    assert told.data == {"id": listed["id"], **listed["attributes"]}

    params = {"trigger_type": "simple", "triggers": []}
    tasks = [{"name": "p", "task_params": {"task_type": "print", "message": "hello"}}]
    flow = body("workflows", name="w", trigger_params=params, tasks=tasks)
    created = await hooks.api.post("/v1/workflows", json=flow)
    assert created.status_code == 201, created.text
    runs = f"/v1/workflows/{flat(created)['id']}/workflow_runs"
    started = await hooks.api.post(runs, json=body("workflow_runs"))
    assert started.status_code == 201, started.text
    _, ended = await hooks.received(2)
    assert ended.type == "genius_workflow_run.completed"
    shown = (await hooks.api.get(runs)).json()["data"][0]
    assert ended.data == {"id": shown["id"], **shown["attributes"]}


async def test_a_failure_is_tried_again_with_the_same_id_and_body(hooks: Hooks) -> None:
    made = await hooks.add(event_types=["incident.created"])
    hooks.receiver.answers["/hook"] = [500, (503, {"Retry-After": "7200"}), 302]
    await hooks.declare()
    for attempts in range(1, 4):
        await hooks.received(attempts)

        async def failed(attempts: int = attempts) -> bool:
            (delivery,) = await hooks.deliveries(made)
            return bool(delivery["state"] == "queued" and delivery["attempt"] == attempts)

        await eventually(failed)
        assert (await hooks.show(made))["failing_since"]
        await hooks.hurry()
    (done,) = await hooks.reached(made, "done")
    shown = await hooks.delivery(done)
    assert [each["http_status"] for each in shown["attempts"]] == [500, 503, 302, 200]
    assert shown["last_error"] is None
    assert (await hooks.show(made))["failing_since"] is None
    came = await hooks.received(4)
    assert len({(request.id, request.body) for request in came}) == 1


async def test_retry_after_is_waited_for(hooks: Hooks) -> None:
    made = await hooks.add(event_types=["incident.created"])
    hooks.receiver.answers["/hook"] = [(429, {"Retry-After": "7200"})]
    await hooks.declare()
    (delivery,) = await eventually_failed(hooks, made)
    assert delivery["last_error"] == "the endpoint answered 429"
    async with hooks.sessions() as session:
        raw = await (await session.connection()).exec_driver_sql(
            "SELECT extract(epoch FROM run_at - now()) FROM webhook_deliveries"
        )
        assert 7100 < raw.scalar_one() <= 7200


async def test_410_disables_the_endpoint_for_everybody_to_see(hooks: Hooks) -> None:
    made = await hooks.add(event_types=["incident.created"])
    hooks.receiver.answers["/hook"] = [410]
    await hooks.declare()
    (dead,) = await hooks.reached(made, "dead")
    assert dead["last_error"] == "the endpoint answered 410"
    shown = await hooks.show(made)
    assert (shown["enabled"], shown["version"]) == (False, 2)
    assert "410" in shown["disabled_reason"]
    events = await hooks.api.get("/v1/domain_events?filter[type]=webhooks_endpoint.disabled")
    assert [row["attributes"]["subject_id"] for row in events.json()["data"]] == [made["id"]]
    await hooks.declare()
    assert len(await hooks.deliveries(made)) == 1
    refused = await hooks.api.post(f"{DELIVERIES}/{dead['id']}/deliver")
    assert refused.status_code == 409
    enabled = await hooks.change(made, enabled=True)
    assert enabled["disabled_reason"] is None
    assert (await hooks.api.post(f"{DELIVERIES}/{dead['id']}/deliver")).status_code == 200
    await hooks.reached(made, "done")


async def test_an_endpoint_that_fails_for_days_is_disabled_and_what_waits_is_held(
    hooks: Hooks,
) -> None:
    made = await hooks.add(event_types=["incident.created"])
    hooks.receiver.answers["/hook"] = [500, 500]
    await hooks.declare()
    await eventually_failed(hooks, made)
    await hooks.execute("UPDATE webhook_endpoints SET failing_since = now() - interval '4 days'")
    await hooks.hurry()

    async def reason() -> str | None:
        return str((await hooks.show(made))["disabled_reason"] or "")

    assert "failed for 3 days" in str(await eventually(reason))
    await hooks.hurry()
    (held,) = await hooks.reached(made, "held")
    assert "disabled" in held["last_error"]
    assert len(hooks.receiver.requests) == 2
    await hooks.change(made, enabled=True)
    await hooks.reached(made, "done")
    assert (await hooks.show(made))["failing_since"] is None


async def test_the_last_attempt_leaves_a_delivery_that_can_be_replayed(hooks: Hooks) -> None:
    made = await hooks.add(event_types=["incident.created"])
    hooks.receiver.answers["/hook"] = [500, 500]
    await hooks.declare()
    await eventually_failed(hooks, made)
    await hooks.execute("UPDATE webhook_deliveries SET attempt = 9")
    await hooks.hurry()
    (dead,) = await hooks.reached(made, "dead")
    replayed = await hooks.api.post(f"{DELIVERIES}/{dead['id']}/deliver")
    assert replayed.status_code == 200
    assert flat(replayed)["state"] in ("queued", "running", "done")
    (done,) = await hooks.reached(made, "done")
    assert ids([done]) == ids([dead])
    again = await hooks.api.post(f"{DELIVERIES}/{dead['id']}/deliver")  # also what was delivered
    assert again.status_code == 200
    came = await hooks.received(4)
    assert len({(request.id, request.body) for request in came}) == 1
    unknown = await hooks.api.post(f"{DELIVERIES}/{made['id']}/deliver")
    assert unknown.status_code == 404


async def test_what_is_being_sent_is_not_delivered_a_second_time(hooks: Hooks) -> None:
    hooks.receiver.held.add("/hook")
    made = await hooks.add(event_types=["incident.created"])
    await hooks.declare()
    await hooks.received(1)
    (running,) = await hooks.reached(made, "running")
    refused = await hooks.api.post(f"{DELIVERIES}/{running['id']}/deliver")
    assert refused.status_code == 409
    assert "is being sent already" in refused.json()["errors"][0]["detail"]
    hooks.receiver.released.set()
    (done,) = await hooks.reached(made, "done")
    assert len(hooks.receiver.to("/hook")) == done["attempt"] == 1


async def test_after_a_rotation_both_secrets_sign(hooks: Hooks) -> None:
    made = await hooks.add(event_types=["incident.created"])
    rotating = await hooks.api.post(f"{ENDPOINTS}/{made['id']}/rotate_secret")
    assert rotating.status_code == 200
    new = flat(rotating)["secret"]
    assert new != made["secret"]
    await hooks.declare()
    (request,) = await hooks.received(1)
    for secret in (made["secret"], new):
        Webhook(secret).verify(request.body, request.headers)
    await hooks.execute(
        "UPDATE webhook_signing_secrets SET expires_at = now() WHERE expires_at IS NOT NULL"
    )
    await hooks.declare()
    _, later = await hooks.received(2)
    assert later.headers["webhook-signature"].count("v1,") == 1
    Webhook(new).verify(later.body, later.headers)


async def test_many_rotations_leave_few_secrets(quiet: Hooks) -> None:
    made = await quiet.add()
    for _ in range(6):
        await quiet.api.post(f"{ENDPOINTS}/{made['id']}/rotate_secret")
    async with quiet.sessions() as session:
        raw = await (await session.connection()).exec_driver_sql(
            "SELECT count(*), count(*) FILTER (WHERE expires_at IS NULL) "
            "FROM webhook_signing_secrets"
        )
        assert tuple(raw.one()) == (4, 1)


async def test_no_log_of_a_delivery_holds_a_secret(
    hooks: Hooks, capsys: pytest.CaptureFixture[str]
) -> None:
    header = {"name": "Authorization", "value": "Bearer planted-header"}
    made = await hooks.add(url="http://127.0.0.1:9/x?token=planted-token", custom_headers=[header])
    await hooks.declare()
    (delivery,) = await eventually_failed(hooks, made)
    shown = await hooks.delivery(delivery)
    assert [each["http_status"] for each in shown["attempts"]] == [None]
    assert "127.0.0.1 did not answer" in shown["last_error"]
    said = f"{shown} {capsys.readouterr()}"
    for secret in ("planted-header", "planted-token", made["secret"]):
        assert secret not in said
    rows = "SELECT secret_encrypted FROM webhook_signing_secrets"
    async with hooks.sessions() as session:
        stored = await (await session.connection()).exec_driver_sql(rows)
        assert made["secret"].encode() not in stored.scalar_one()


async def test_an_endpoint_that_does_not_answer_keeps_nobody_waiting(hooks: Hooks) -> None:
    hooks.receiver.held.add("/slow")
    await hooks.add("/slow", event_types=["incident.created"])
    await hooks.add("/quick", event_types=["incident.created"])
    for number in range(10):
        await hooks.declare(title=f"incident {number}")
    await hooks.received(4, "/slow")
    assert len(await hooks.received(10, "/quick")) == 10
    assert len(hooks.receiver.to("/slow")) == 4
    hooks.receiver.released.set()
    assert len(await hooks.received(10, "/slow")) == 10


async def test_a_removed_endpoint_is_sent_nothing_more(hooks: Hooks) -> None:
    made = await hooks.add(event_types=["incident.created"])
    hooks.receiver.answers["/hook"] = [500]
    await hooks.declare()
    (delivery,) = await eventually_failed(hooks, made)
    assert (await hooks.api.delete(f"{ENDPOINTS}/{made['id']}")).status_code == 200
    await hooks.declare()
    await hooks.hurry()
    assert (await hooks.delivery(delivery))["state"] == "canceled"
    refused = await hooks.api.post(f"{DELIVERIES}/{delivery['id']}/deliver")
    assert refused.status_code == 409
    assert len(hooks.receiver.requests) == 1


async def eventually_failed(hooks: Hooks, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an endpoint's deliveries when the first attempt has failed."""

    async def ask() -> list[dict[str, Any]]:
        return await hooks.deliveries(endpoint, "filter[state]=queued")

    return await eventually(ask, lambda rows: bool(rows) and bool(rows[0]["last_error"]))
