"""Alerts, by Rootly's own client."""

from typing import Any

import pytest
from rootly_sdk.api.alerts import (
    acknowledge_alert,
    attach_alert,
    create_alert,
    escalate_alert,
    get_alert,
    list_alerts,
    list_incident_alerts,
    resolve_alert,
    snooze_alert,
    update_alert,
)
from rootly_sdk.models import (
    AttachAlert,
    EscalateAlert,
    NewAlert,
    ResolveAlert,
    SnoozeAlert,
    UpdateAlert,
)

from pagersync.http import AsyncClient
from tests.compatibility.driving import Driver, body_of
from tests.paging.conftest import Paging
from tests.support.account import Account
from tests.support.wait import eventually

INCLUDES = (
    "environments,services,groups,functionalities,responders,incidents,notified_users,events,"
    "alert_urgency,heartbeat,live_call_router,alert_group,group_leader_alert,group_member_alerts,"
    "alert_field_values,alerting_targets,escalation_policies,alert_call_recording"
)


async def made(rootly: Driver, **attributes: Any) -> Any:
    body = body_of(NewAlert, "alerts", {"summary": "Disk full", **attributes})
    return (await rootly(create_alert, body=body)).data


@pytest.mark.usefixtures("account")
async def test_an_alert_from_its_making_to_its_end(rootly: Driver) -> None:
    alert = await made(
        rootly,
        noise="not_noise",
        source="nightly job",
        status="triggered",
        description="db-1",
        service_ids=[],
        group_ids=None,
        external_id="job-1",
        external_url="https://jobs.example/1",
        started_at="2026-03-01T03:00:00Z",
        labels=[{"key": "host", "value": "db-1"}, {"key": "tries", "value": 3}],
        data={"run": {"id": 7}},
        alert_field_values_attributes=[],
    )
    known = alert.attributes
    assert (known.status, known.source, known.external_id) == ("triggered", "nightly job", "job-1")
    assert known.started_at.isoformat() == "2026-03-01T03:00:00+00:00"
    assert [label.value for label in known.labels] == ["db-1", 3]
    assert known.external_url == known.url == "https://jobs.example/1"
    change = body_of(UpdateAlert, "alerts", {"summary": "Disk very full", "data": {"run": 8}})
    changed = await rootly(update_alert, alert.id, body=change)
    assert changed.data.attributes.summary == "Disk very full"
    assert changed.data.attributes.data.to_dict() == {"run": 8}
    assert (await rootly(acknowledge_alert, alert.id)).data.attributes.status == "acknowledged"
    how = body_of(ResolveAlert, "alerts", {"resolution_message": "Emptied it"})
    resolved = await rootly(resolve_alert, alert.id, body=how)
    assert resolved.data.attributes.status == "resolved"
    by_short_id = await rootly(get_alert, known.short_id, include=INCLUDES)
    events = [one.attributes.to_dict() for one in by_short_id.included]
    assert [one["action"] for one in events[:2]] == ["resolved", "added"]
    assert events[1]["details"] == "Emptied it"
    (error,) = await rootly.refused(400, acknowledge_alert, alert.id)
    assert error["code"] == "impossible"
    assert (await rootly.refused(404, get_alert, "01a211e1-1f1d-76c0-a35b-28a8484c2988"))[0]


@pytest.mark.usefixtures("account")
async def test_an_alert_with_the_same_deduplication_key_is_the_same_until_it_is_resolved(
    rootly: Driver,
) -> None:
    first = await made(rootly, deduplication_key="db-1 disk")
    assert (await made(rootly, deduplication_key="db-1 disk")).id == first.id
    assert (await made(rootly, deduplication_key="db-2 disk")).id != first.id
    shown = await rootly(get_alert, first.id, include="events")
    actions = [one.attributes.to_dict()["action"] for one in shown.included]
    assert actions == ["ignored_alert_request", "created"]
    await rootly(resolve_alert, first.id, body=body_of(ResolveAlert, "alerts", {}))
    assert (await made(rootly, deduplication_key="db-1 disk")).id != first.id


@pytest.mark.usefixtures("account")
async def test_alerts_are_found_by_every_filter_that_rootly_has(
    rootly: Driver, api: AsyncClient
) -> None:
    one = await made(rootly, labels=[{"key": "host", "value": "db-1"}])
    two = await made(rootly, status="triggered", source="cron")

    async def found(**filters: Any) -> set[str]:
        listed = await rootly(list_alerts, pagesize=10, **filters)
        return {row.id for row in listed.data}

    both, nothing, past = {one.id, two.id}, set[str](), "2020-01-01T00:00:00Z"
    assert await found(filterstatus="open") == {one.id}
    assert await found(filterstatusin="open,triggered") == both
    assert await found(filterstatusnot_eq="open") == {two.id}
    assert await found(filtersource="cron") == {two.id}
    assert await found(filterlabelseq="host:db-1") == {one.id}
    for name in ("services", "environments", "groups"):
        assert await found(**{f"filter{name}": "x"}) == nothing
        assert await found(**{f"filter{name}not_in": "x,y"}) == both
    for name in ("started_at", "created_at", "updated_at"):
        assert await found(**{f"filter{name}gt": past, f"filter{name}gte": past}) == both
        assert await found(**{f"filter{name}lt": past}) == nothing
    assert await found(filterended_atlte=past) == nothing
    first = await rootly(list_alerts, pagesize=1, include=INCLUDES)
    after = await rootly(list_alerts, pagesize=1, pageafter=first.meta.next_cursor)
    second = await rootly(list_alerts, pagesize=1, pagenumber=2)
    assert {first.data[0].id, after.data[0].id} == both
    assert after.data[0].id == second.data[0].id
    trimmed = (await api.get("/v1/alerts?fields[alerts]=status,short_id,nonsense")).json()
    assert [row["attributes"].keys() for row in trimmed["data"]] == [{"status", "short_id"}] * 2


async def test_alerts_are_attached_to_incidents(
    rootly: Driver, api: AsyncClient, account: Account
) -> None:
    del account
    alert = await made(rootly)
    incident = {"data": {"type": "incidents", "attributes": {"title": "Disk full"}}}
    number = (await api.post("/v1/incidents", json=incident)).json()["data"]["id"]
    body = body_of(AttachAlert, "alerts", {"alert_ids": [alert.id]})
    assert [row.id for row in (await rootly(attach_alert, number, body=body)).data] == [alert.id]
    listed = await rootly(list_incident_alerts, number, include="incidents")
    assert [row.id for row in listed.data] == [alert.id]
    assert [one.id for one in listed.included] == [number]
    how = body_of(ResolveAlert, "alerts", {"resolve_related_incidents": True})
    await rootly(resolve_alert, alert.id, body=how)
    assert (await api.get(f"/v1/incidents/{number}")).json()["data"]["attributes"]["status"] == (
        "resolved"
    )
    await api.delete(f"/v1/incidents/{number}")
    again = await rootly(resolve_alert, alert.id, body=how)
    assert again.data.attributes.status == "resolved"
    assert (await rootly(get_alert, alert.id, include="incidents")).included == []


@pytest.mark.parametrize(
    "attributes",
    [
        {"notification_target_type": "Service", "notification_target_id": "x"},
        {"notification_targets": [{"type": "EscalationPolicy", "id": "x"}]},
        {"service_ids": ["x"]},
        {"alert_field_values_attributes": [{"alert_field_id": "x", "value": "y"}]},
        {"noise": "noise"},
    ],
)
@pytest.mark.usefixtures("account")
async def test_what_asks_for_what_is_not_here_is_refused(
    rootly: Driver, attributes: dict[str, Any]
) -> None:
    body = body_of(NewAlert, "alerts", {"summary": "Disk full", **attributes})
    (error,) = await rootly.refused(422, create_alert, body=body)
    assert next(iter(attributes)).split("_")[0] in error["detail"] + str(error["source"])


async def test_a_group_that_is_named_is_paged_in_pagertree_and_again_after_a_snooze(
    service_rootly: Driver, paging: Paging, service_api: AsyncClient
) -> None:

    async def alerts() -> list[dict[str, Any]]:
        return paging.simulator.alerts()

    teams = (await service_api.get("/v1/teams")).json()["data"]
    (team,) = [row for row in teams if row["attributes"]["name"] == "Platform"]
    alert = await made(
        service_rootly,
        notification_targets=[{"type": "Group", "id": team["id"]}],
        alert_urgency_id="high",
    )
    (remote,) = await eventually(alerts)
    assert remote["urgency"] == "high"
    body = body_of(SnoozeAlert, "alerts", {"delay_minutes": 10_080})
    await service_rootly(snooze_alert, alert.id, body=body)
    await service_rootly(snooze_alert, alert.id, body=body)
    pages = (await service_api.get("/v1/pages")).json()["data"]
    later = [row["attributes"] for row in pages if row["attributes"]["send_at"]]
    assert sorted(page["status"] for page in later) == ["canceled", "queued"]
    assert all(page["targets"][0]["name"] == "Platform" for page in later)
    escalation = body_of(EscalateAlert, "alerts", {"escalation_policy_id": team["id"]})
    await service_rootly(escalate_alert, alert.id, body=escalation)
    assert len(await eventually(alerts, lambda found: len(found) > 1)) == 2
    too_far = body_of(EscalateAlert, "alerts", {"escalation_policy_level": 2})
    assert await service_rootly.refused(422, escalate_alert, alert.id, body=too_far)
    gone = "01a211e1-1f1d-76c0-a35b-28a8484c2988"
    assert await service_rootly.refused(404, snooze_alert, gone, body=body)
