"""`/v1/incidents`, `/v1/events` and `/v1/severities` as an integrator uses them."""

import asyncio
from typing import Any

import pytest

from pagersync.database.base import new_id
from pagersync.http import AsyncClient, Response


def body(type_: str = "incidents", **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": type_, "attributes": attributes}}


async def made(api: AsyncClient, **attributes: Any) -> dict[str, Any]:
    response = await api.post("/v1/incidents", json=body(**attributes))
    assert response.status_code == 201, response.text
    return dict(response.json()["data"])


async def severity(api: AsyncClient, **attributes: Any) -> dict[str, Any]:
    response = await api.post("/v1/severities", json=body("severities", **attributes))
    assert response.status_code == 201, response.text
    return dict(response.json()["data"])


async def titles(api: AsyncClient, query: str) -> list[str]:
    response = await api.get(f"/v1/incidents?{query}")
    assert response.status_code == 200, response.text
    return [row["attributes"]["title"] for row in response.json()["data"]]


async def timeline(api: AsyncClient, incident_id: str, query: str = "") -> list[dict[str, Any]]:
    response = await api.get(f"/v1/incidents/{incident_id}/events?{query}")
    assert response.status_code == 200, response.text
    return [row["attributes"] for row in response.json()["data"]]


def pointers(response: Response) -> set[str]:
    assert response.status_code == 422, response.text
    return {error["source"]["pointer"] for error in response.json()["errors"]}


async def test_an_incident_is_shown_with_rootlys_attributes_by_id_and_number(
    api: AsyncClient,
) -> None:
    high = await severity(api, name="High", severity="high", color="#E65100")
    incident = await made(
        api,
        title="Checkout is down",
        summary="5xx everywhere",
        severity_id=high["id"],
        labels={"platform": "osx"},
    )
    attributes = incident["attributes"]
    assert (
        attributes
        | {
            "sequential_id": 1,
            "title": "Checkout is down",
            "status": "started",
            "kind": "normal",
            "private": False,
            "severity": {"data": high},
            "labels": {"platform": "osx"},
            "source": "api",
            "created_by": {"name": "the API key 'test'"},
            "started_by": {"name": "the API key 'test'"},
            "resolved_at": None,
            "resolved_by": None,
            "version": 1,
        }
        == attributes
    )
    for reference in (incident["id"], "1"):
        response = await api.get(f"/v1/incidents/{reference}")
        assert response.json()["data"] == incident
        assert response.headers["etag"] == '"1"'
    assert (await api.get("/v1/incidents/2")).status_code == 404


async def test_nulls_are_as_good_as_nothing_when_an_incident_is_made(api: AsyncClient) -> None:
    given: dict[str, Any] = {
        "title": None,
        "kind": None,
        "private": None,
        "labels": None,
        "severity_id": None,
    }
    response = await api.post("/v1/incidents", json=body(**given, alert_ids=None))
    assert response.status_code == 201, response.text
    assert response.json()["data"]["attributes"]["title"] == "Incident 1"


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"titel": "x"}, "titel"),
        ({"title": " "}, "title"),
        ({"status": "scheduled"}, "status"),
        ({"status": 1}, "status"),
        ({"kind": "scheduled"}, "kind"),
        ({"severity_id": "high"}, "severity_id"),
        ({"severity_id": str(new_id())}, "severity_id"),
        ({"duplicate_incident_id": str(new_id())}, "duplicate_incident_id"),
        ({"alert_ids": [str(new_id())]}, "alert_ids"),
        ({"started_at": "2999-01-01T00:00:00Z"}, "started_at"),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "started_at"),
        ({"resolved_at": "2026-01-01T00:00:00Z"}, "resolved_at"),
        ({"number": 7}, "number"),
    ],
)
async def test_what_cannot_be_right_is_refused_with_its_attribute(
    api: AsyncClient, attributes: dict[str, Any], pointer: str
) -> None:
    incident = await made(api, title="kept")
    for response in (
        await api.post("/v1/incidents", json=body(**attributes)),
        await api.put(f"/v1/incidents/{incident['id']}", json=body(**attributes)),
    ):
        assert pointers(response) == {f"/data/attributes/{pointer}"}
    assert await titles(api, "") == ["kept"]
    assert (await api.get("/v1/incidents/1")).json()["data"] == incident


@pytest.mark.parametrize("name", ["title", "status", "kind", "private"])
async def test_what_can_never_be_null_is_not_set_to_it(api: AsyncClient, name: str) -> None:
    await made(api)
    response = await api.put("/v1/incidents/1", json=body("incidents", **{name: None}))
    assert pointers(response) == {f"/data/attributes/{name}"}


async def test_a_change_sets_what_it_names_and_a_null_clears(api: AsyncClient) -> None:
    await made(api, title="a", summary="s", labels={"k": "v"})
    changed = await api.put("/v1/incidents/1", json=body(summary=None, labels={"k": "w"}))
    attributes = changed.json()["data"]["attributes"]
    assert (attributes["title"], attributes["summary"]) == ("a", None)
    assert attributes["labels"] == {"k": "w"}
    assert changed.headers["etag"] == '"2"'
    again = await api.put("/v1/incidents/1", json=body(summary=None, labels={"k": "w"}))
    assert again.json() == changed.json()


async def test_an_incident_goes_through_its_life_by_its_actions(api: AsyncClient) -> None:
    await made(api, status="in_triage")

    async def act(action: str, **attributes: Any) -> dict[str, Any]:
        sent = body(**attributes) if attributes else None
        response = await api.put(f"/v1/incidents/1/{action}", json=sent)
        assert response.status_code == 200, response.text
        return dict(response.json()["data"]["attributes"])

    assert (await act("restart"))["status"] == "started"
    assert (await act("in_triage"))["status"] == "in_triage"
    await act("restart")
    mitigated = await act("mitigate", mitigation_message="rolled back")
    assert (mitigated["status"], mitigated["mitigation_message"]) == ("mitigated", "rolled back")
    resolved = await act("resolve", resolution_message="fixed")
    assert resolved["mitigated_at"] == mitigated["mitigated_at"]
    assert (await act("resolve", resolution_message="other"))["resolution_message"] == "fixed"
    again = await act("restart")
    assert (again["resolved_at"], again["resolved_by"], again["status"]) == (None, None, "started")
    await act("in_triage")
    cancelled = await act("cancel", cancellation_message="no incident")
    assert (cancelled["status"], cancelled["cancellation_message"]) == ("cancelled", "no incident")
    said = [entry["event"] for entry in await timeline(api, "1", "filter[kind]=trail")]
    assert "Status changed from Mitigated to Resolved by the API key 'test': fixed" in said


@pytest.mark.parametrize(
    ("status", "action"),
    [("in_triage", "resolve"), ("in_triage", "mitigate"), ("started", "cancel")],
)
async def test_an_impossible_action_is_refused_with_the_rule(
    api: AsyncClient, status: str, action: str
) -> None:
    await made(api, status=status)
    response = await api.put(f"/v1/incidents/1/{action}")
    assert pointers(response) == {"/data/attributes/status"}
    assert "it can become" in response.json()["errors"][0]["detail"]


async def test_an_unknown_attribute_of_an_action_is_refused(api: AsyncClient) -> None:
    await made(api)
    response = await api.put("/v1/incidents/1/resolve", json=body(message="x"))
    assert pointers(response) == {"/data/attributes/message"}
    assert response.json()["errors"][0]["detail"] == "message: there is no such attribute"


async def test_a_duplicate_names_the_original_and_is_cancelled(api: AsyncClient) -> None:
    original = await made(api)
    await made(api)
    response = await api.put(
        "/v1/incidents/2/duplicate",
        json=body(duplicate_incident_id=original["id"], reason_for_cancellation="same"),
    )
    attributes = response.json()["data"]["attributes"]
    assert (attributes["status"], attributes["cancellation_message"]) == ("cancelled", "same")
    assert attributes["duplicate_incident_id"] == original["id"]
    said = [entry["event"] for entry in await timeline(api, "2")]
    assert "Marked as a duplicate of incident 1 by the API key 'test'." in said
    kept = await made(api)
    only_marked = body(duplicate_incident_id=original["id"], auto_cancel_incident=False)
    response = await api.put(f"/v1/incidents/{kept['id']}/duplicate", json=only_marked)
    assert response.json()["data"]["attributes"]["status"] == "started"


async def test_a_change_of_an_older_version_is_refused_and_loses_nothing(api: AsyncClient) -> None:
    await made(api, title="a")
    first = {"If-Match": '"1"'}
    assert (
        await api.put("/v1/incidents/1", json=body(title="b"), headers=first)
    ).status_code == 200
    late = await api.put("/v1/incidents/1", json=body(title="c"), headers=first)
    assert late.status_code == 412
    (error,) = late.json()["errors"]
    assert (error["code"], error["source"]) == ("precondition_failed", {"parameter": "If-Match"})
    assert '"2"' in error["detail"]
    resolve = "/v1/incidents/1/resolve"
    assert (await api.put(resolve, headers=first)).status_code == 412
    assert await titles(api, "") == ["b"]
    for tag in ('"1", "2"', 'W/"2"', "*"):
        response = await api.put("/v1/incidents/1", json=body(), headers={"If-Match": tag})
        assert response.status_code == 200


async def test_of_concurrent_changes_of_one_version_one_wins(api: AsyncClient) -> None:
    await made(api, title="a")
    answers = await asyncio.gather(
        *[
            api.put("/v1/incidents/1", json=body(title=f"t{n}"), headers={"If-Match": '"1"'})
            for n in range(4)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


async def test_a_creation_that_is_sent_again_makes_one_incident(api: AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}
    answers = [await api.post("/v1/incidents", json=body(title="a"), headers=headers) for _ in "ab"]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["etag"] == '"1"'
    assert (await made(api))["attributes"]["sequential_id"] == 2


async def test_incidents_are_found_by_words_status_severity_labels_and_times(
    api: AsyncClient,
) -> None:
    worst = await severity(api, name="Sev 0", severity="critical")
    await made(api, title="Checkout is down", severity_id=worst["id"], labels={"team": "shop"})
    await made(api, title="Slow search", summary="the checkout is fine", status="in_triage")
    await made(api, title="Old one", private=True, status="resolved", kind="backfilled")
    both = {"Checkout is down", "Slow search"}
    assert set(await titles(api, "filter[search]=checkout")) == both
    assert await titles(api, 'filter[search]="checkout is" -fine') == ["Checkout is down"]
    assert await titles(api, "filter[search]=nothing of the kind") == []
    assert await titles(api, "filter[status][in]=in_triage,resolved") == ["Old one", "Slow search"]
    for name in ("critical", "sev-0"):
        assert await titles(api, f"filter[severity]={name}") == ["Checkout is down"]
    without = ["Old one", "Slow search"]
    assert await titles(api, "filter[severity][not_eq]=critical") == without
    assert await titles(api, f"filter[severity_id]={worst['id']}") == ["Checkout is down"]
    assert await titles(api, "filter[labels]=team:shop") == ["Checkout is down"]
    assert await titles(api, "filter[sequential_id]=2") == ["Slow search"]
    assert await titles(api, "filter[private]=true") == ["Old one"]
    assert await titles(api, "filter[kind]=backfilled") == ["Old one"]
    assert await titles(api, "filter[resolved_at][gt]=2026-01-01T00:00:00Z") == ["Old one"]


@pytest.mark.parametrize(
    "query",
    [
        "filter[sequential_id]=x",
        f"filter[sequential_id]={'9' * 30}",
        "filter[private]=maybe",
        "filter[search][eq]=x",
        "filter[search]=%00",
        "filter[severity]=%00",
        "sort=title",
        "sort=-started_at,",
        "sort=created_at&page[after]=AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
async def test_a_parameter_that_makes_no_sense_is_refused(api: AsyncClient, query: str) -> None:
    response = await api.get(f"/v1/incidents?{query}")
    if query.endswith(","):
        assert response.status_code == 200
        return
    assert response.status_code == 422
    assert "parameter" in response.json()["errors"][0]["source"]


async def test_incidents_are_sorted_and_turned_page_by_page(api: AsyncClient) -> None:
    for number, hour in enumerate((2, 3, 1)):
        await made(api, title=f"t{number}", started_at=f"2026-01-01T0{hour}:00:00Z")
    await made(api, title="never started", status="in_triage")
    assert await titles(api, "sort=started_at") == ["t2", "t0", "t1", "never started"]
    assert await titles(api, "sort=-started_at") == ["t1", "t0", "t2", "never started"]
    assert await titles(api, "") == ["never started", "t2", "t1", "t0"]
    first = (await api.get("/v1/incidents?sort=-started_at&page[size]=3")).json()
    assert first["meta"]["next_cursor"] is None
    assert first["meta"]["next_page"] == 2
    second = (await api.get(first["links"]["next"])).json()
    assert [row["attributes"]["title"] for row in second["data"]] == ["never started"]
    assert second["links"]["next"] is None


async def test_a_late_entry_stands_at_its_own_time(api: AsyncClient) -> None:
    await made(api)
    url, type_ = "/v1/incidents/1/events", "incident_events"
    for event, hour in (("deployed", "02"), ("first errors", "01"), ("rolled back", "03")):
        occurred_at = f"2026-01-01T{hour}:00:00Z"
        response = await api.post(url, json=body(type_, event=event, occurred_at=occurred_at))
        assert response.status_code == 201
    entries = [entry["event"] for entry in await timeline(api, "1", "filter[kind]=event")]
    assert entries == ["first errors", "deployed", "rolled back"]
    newest = await timeline(api, "1", "sort=-occurred_at&page[size]=1")
    assert newest[0]["event"].startswith("Incident 1 created")


async def test_an_entry_can_be_changed_and_removed_by_people(api: AsyncClient) -> None:
    await made(api)
    new = body("incident_events", event="We look into it", visibility="external")
    created = (await api.post("/v1/incidents/1/events", json=new)).json()["data"]
    attributes = created["attributes"]
    assert (attributes["kind"], attributes["source"]) == ("event", "api")
    assert (attributes["visibility"], attributes["user_display_name"]) == (
        "external",
        "the API key 'test'",
    )
    url = f"/v1/events/{created['id']}"
    assert (await api.get(url)).json()["data"] == created
    changed = await api.put(url, json=body("incident_events", event="We know", id=1))
    assert pointers(changed) == {"/data/attributes/id"}
    changed = await api.put(url, json=body("incident_events", event="We know"))
    assert changed.json()["data"]["attributes"]["event"] == "We know"
    assert (await api.delete(url)).json()["data"]["attributes"]["event"] == "We know"
    assert (await api.get(url)).status_code == 404
    said = [entry["event"] for entry in await timeline(api, "1")]
    assert said[1:] == [
        "Timeline event changed by the API key 'test'.",
        "Timeline event removed by the API key 'test'.",
    ]


async def test_what_the_system_wrote_stays_as_it_is(api: AsyncClient) -> None:
    await made(api)
    (entry,) = (await api.get("/v1/incidents/1/events")).json()["data"]
    url = f"/v1/events/{entry['id']}"
    for response in (
        await api.put(url, json=body("incident_events", event="x")),
        await api.delete(url),
    ):
        assert response.status_code == 409
        assert "the system wrote this" in response.json()["errors"][0]["detail"]
    assert (await api.get(url)).json()["data"] == entry


async def test_severities_are_an_editable_list_by_position(api: AsyncClient) -> None:
    worst = await severity(api, name="Sev 1", severity="critical")
    fine = await severity(api, name="Sev 2", severity="low", description="nearly nothing")
    assert (worst["attributes"]["slug"], worst["attributes"]["position"]) == ("sev-1", 1)
    taken = body("severities", name="SEV 1", severity="low")
    assert (await api.post("/v1/severities", json=taken)).status_code == 409
    url = f"/v1/severities/{worst['id']}"
    renamed = await api.put(url, json=body("severities", name="Very bad", position=9))
    assert renamed.json()["data"]["attributes"]["slug"] == "sev-1"
    listed = (await api.get("/v1/severities")).json()["data"]
    assert [row["attributes"]["name"] for row in listed] == ["Sev 2", "Very bad"]
    filtered = await api.get("/v1/severities?filter[severity]=low")
    assert [row["id"] for row in filtered.json()["data"]] == [fine["id"]]
    nothing = await api.put(url, json=body("severities", severity=None))
    assert pointers(nothing) == {"/data/attributes/severity"}


async def test_a_severity_that_incidents_have_stays(api: AsyncClient) -> None:
    used = await severity(api, name="Used", severity="high")
    incident = await made(api, severity_id=used["id"])
    url = f"/v1/severities/{used['id']}"
    refused = await api.delete(url)
    assert refused.status_code == 409
    assert "incident 1" in refused.json()["errors"][0]["detail"]
    await api.put(f"/v1/incidents/{incident['id']}", json=body(severity_id=None))
    assert (await api.delete(url)).json()["data"]["id"] == used["id"]
    assert (await api.get(url)).status_code == 404
