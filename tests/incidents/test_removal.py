"""Incidents that were removed: nobody finds them, and nobody is paged for what cannot be seen."""

from uuid import UUID

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.errors import InvalidError, NotFoundError
from pagersync.events.models import DomainEvent
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.incidents.models import Incident
from pagersync.incidents.service import (
    NewIncident,
    create_incident,
    get_incident,
    move_incident,
    remove_incident,
)
from pagersync.paging.service import keep_incident
from tests.incidents.test_routes import body, made, severity, timeline, titles
from tests.support.account import Account

CI = Cause("the API key 'ci'")


@pytest.mark.parametrize("status", ["in_triage", "started", "mitigated"])
async def test_an_incident_that_is_not_over_stays(api: AsyncClient, status: str) -> None:
    incident = await made(api, status=status)
    refused = await api.delete("/v1/incidents/1")
    assert refused.status_code == 409
    assert "resolve or cancel it first" in refused.json()["errors"][0]["detail"]
    assert (await api.get("/v1/incidents/1")).json()["data"] == incident


async def test_a_removed_incident_is_gone_for_good_and_its_number_is_not_given_again(
    api: AsyncClient, sessions: Sessions
) -> None:
    incident = await made(api, title="Old", status="resolved", labels={"a": "b"})
    (entry,) = (await api.get("/v1/incidents/1/events")).json()["data"]
    removed = await api.delete("/v1/incidents/1", headers={"If-Match": '"1"'})
    assert removed.status_code == 200, removed.text
    assert removed.json()["data"]["id"] == incident["id"]
    assert await titles(api, "") == await titles(api, "filter[search]=old") == []
    for reference in (incident["id"], "1", "1-old"):
        for path in ("", "/events", "/alerts", "/trace"):
            assert (await api.get(f"/v1/incidents/{reference}{path}")).status_code == 404
        for action in ("", "/restart", "/unmark_as_duplicate"):
            answer = await api.put(f"/v1/incidents/{reference}{action}", json=body())
            assert answer.status_code == 404
        assert (await api.delete(f"/v1/incidents/{reference}")).status_code == 404
    url, change = f"/v1/events/{entry['id']}", body("incident_events", event="x")
    for answer in (await api.get(url), await api.put(url, json=change), await api.delete(url)):
        assert answer.status_code == 404
    assert (await made(api))["attributes"]["sequential_id"] == 2
    duplicate = await api.post("/v1/incidents", json=body(duplicate_incident_id=incident["id"]))
    assert duplicate.status_code == 422
    async with sessions() as session:
        row = await session.scalar(select(Incident).where(Incident.number == 1))
        assert row is not None
        assert row.removed_at is not None
        event = await session.scalar(
            select(DomainEvent).where(DomainEvent.type == "incident.deleted")
        )
        assert event is not None
        assert (event.subject_id, event.requested_by) == (row.id, "the API key 'test'")
        assert event.data == {"status": "resolved", "title": "Old", "number": 1}


async def test_a_removal_of_an_older_version_is_refused(api: AsyncClient) -> None:
    await made(api, status="resolved")
    await api.put("/v1/incidents/1", json=body(title="b"))
    late = await api.delete("/v1/incidents/1", headers={"If-Match": '"1"'})
    assert late.status_code == 412
    assert await titles(api, "") == ["b"]


async def test_nobody_is_paged_for_a_removed_incident(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        incident = await create_incident(session, NewIncident(status="cancelled"), CI)
        await remove_incident(session, incident, CI)
        with pytest.raises(InvalidError, match="there is no incident"):
            await keep_incident(session, incident.id)
        with pytest.raises(NotFoundError):
            await get_incident(session, incident.id)


async def test_an_alert_whose_incident_was_removed_can_become_another(
    api: AsyncClient, account: Account, sessions: Sessions
) -> None:
    del account
    alert = await api.post("/v1/alerts", json=body("alerts", summary="x", status="open"))
    alert_id = UUID(alert.json()["data"]["id"])
    new = NewIncident(source_alert_id=alert_id)
    async with sessions.begin() as session:
        first = await create_incident(session, new, CI)
        assert (await create_incident(session, new, CI)).id == first.id
        await move_incident(session, first, "resolved", CI)
        await remove_incident(session, first, CI)
        second = await create_incident(session, new, CI)
        assert (second.number, second.source_alert_id) == (2, alert_id)


async def test_a_severity_that_only_a_removed_incident_has_can_be_removed(
    api: AsyncClient,
) -> None:
    used = await severity(api, name="Used", severity="high")
    await made(api, severity_id=used["id"], status="resolved")
    await api.delete("/v1/incidents/1")
    assert (await api.delete(f"/v1/severities/{used['id']}")).status_code == 200


async def test_a_duplicate_is_unmarked_and_keeps_its_status(api: AsyncClient) -> None:
    original = await made(api)
    await made(api, duplicate_incident_id=original["id"])
    unmark = "/v1/incidents/2/unmark_as_duplicate"
    assert (await api.put(unmark, headers={"If-Match": '"7"'})).status_code == 412
    attributes = (await api.put(unmark)).json()["data"]["attributes"]
    assert (attributes["duplicate_incident_id"], attributes["status"]) == (None, "started")
    said = [entry["event"] for entry in await timeline(api, "2")]
    assert said[-1] == "Mark of a duplicate removed by the API key 'test'."
    again = await api.put(unmark)
    assert again.status_code == 422
    assert "is not marked as a duplicate" in again.json()["errors"][0]["detail"]


async def test_entries_and_severities_are_changed_at_the_version_that_was_read(
    api: AsyncClient,
) -> None:
    await made(api)
    new = await api.post("/v1/incidents/1/events", json=body("incident_events", event="a"))
    entry_url = f"/v1/events/{new.json()['data']['id']}"
    added = await api.post("/v1/severities", json=body("severities", name="a", severity="low"))
    severity_url = f"/v1/severities/{added.json()['data']['id']}"
    assert new.headers["ETag"] == added.headers["ETag"] == '"1"'
    for url, first, then in (
        (entry_url, body("incident_events", event="b"), body("incident_events", event="c")),
        (severity_url, body("severities", name="b"), body("severities", name="c")),
    ):
        changed = await api.put(url, json=first, headers={"If-Match": '"1"'})
        assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
        same = await api.put(url, json=first)
        assert same.headers["ETag"] == (await api.get(url)).headers["ETag"] == '"2"'
        late = {"If-Match": '"1"'}
        assert (await api.put(url, json=then, headers=late)).status_code == 412
        assert (await api.delete(url, headers=late)).status_code == 412
        assert (await api.get(url)).json()["data"] == changed.json()["data"]
        assert (await api.delete(url, headers={"If-Match": '"2"'})).status_code == 200


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Ärger im Café!", "1-arger-im-cafe"),
        ("停电", "1"),
        ("a" * 200, "1-" + "a" * 98),
    ],
)
async def test_an_incident_is_found_by_its_slug(api: AsyncClient, title: str, slug: str) -> None:
    incident = await made(api, title=title)
    assert incident["attributes"]["slug"] == slug
    found = await api.get(f"/v1/incidents/{incident['attributes']['slug']}")
    assert found.json()["data"] == incident
    for wrong in ("x-1", "1_a", "1-A%20b", "%00", "1-%00"):
        assert (await api.get(f"/v1/incidents/{wrong}")).status_code == 404
        assert (await api.get(f"/v1/severities/{wrong}")).status_code == 404
