"""Incidents and what can be done to them, by Rootly's own client."""

import inspect
from typing import Any

import pytest
from rootly_sdk.api.alerts import create_alert
from rootly_sdk.api.incidents import (
    cancel_incident,
    create_incident,
    delete_incident,
    get_incident,
    list_incidents,
    mark_as_duplicate_incident,
    mitigate_incident,
    resolve_incident,
    restart_incident,
    triage_incident,
    unmark_as_duplicate_incident,
    update_incident,
)
from rootly_sdk.api.severities import create_severity
from rootly_sdk.models import (
    CancelIncident,
    InTriageIncident,
    MitigateIncident,
    NewAlert,
    NewIncident,
    NewSeverity,
    ResolveIncident,
    RestartIncident,
    UpdateIncident,
)
from rootly_sdk.models.list_incidents_include import LIST_INCIDENTS_INCLUDE_VALUES
from rootly_sdk.models.list_incidents_sort import LIST_INCIDENTS_SORT_VALUES

from pagersync.database.base import new_id
from tests.compatibility.driving import Driver, body_of
from tests.support.account import Account

NOTHING_HERE: dict[str, Any] = {
    "parent_incident_id": None,
    "public_title": "We are looking into it",
    "environment_ids": [],
    "incident_type_ids": [],
    "service_ids": None,
    "functionality_ids": [],
    "group_ids": [],
    "cause_ids": [],
    "muted_service_ids": [],
    "slack_channel_name": None,
    "slack_channel_id": None,
    "slack_channel_url": None,
    "slack_channel_archived": False,
    "google_drive_parent_id": None,
    "google_drive_url": "https://drive.example.com/1",
    "jira_issue_key": "OPS-1",
    "jira_issue_id": "1",
    "jira_issue_url": "https://jira.example.com/OPS-1",
    "scheduled_for": None,
    "scheduled_until": None,
}


def body(model: Any, **attributes: Any) -> Any:
    return body_of(model, "incidents", attributes)


async def made(rootly: Driver, **attributes: Any) -> Any:
    return (await rootly(create_incident, body=body(NewIncident, **attributes))).data


async def test_an_incident_is_made_with_all_that_rootly_knows_and_shown(rootly: Driver) -> None:
    new = {"name": "Sev 1", "severity": "critical"}
    severity = NewSeverity.from_dict({"data": {"type": "severities", "attributes": new}})
    severity_id = (await rootly(create_severity, body=severity)).data.id
    incident = await made(
        rootly,
        title="Checkout is down",
        summary="5xx",
        kind="normal",
        status="started",
        private=False,
        severity_id=severity_id,
        labels={"platform": "osx"},
        started_at="2026-03-01T03:00:00Z",
        user_id=None,
        notify_emails=[],
        url="https://elsewhere.example.com",
        alert_ids=[],
        duplicate_incident_id=None,
        **NOTHING_HERE,
    )
    known = incident.attributes
    assert (known.id, known.sequential_id) == (incident.id, 1)
    assert known.slug == "1-checkout-is-down"
    assert known.severity.data.attributes.name == "Sev 1"
    assert known.labels["platform"] == "osx"
    assert known.user["name"] == known.started_by["name"] == "the API key 'test'"
    assert known.started_at == "2026-03-01T03:00:00.000Z"
    assert (known.url, known.public_title, known.jira_issue_key) == (None, None, None)
    for reference in (incident.id, "1", known.slug, "1-what-it-was-called-before"):
        assert (await rootly(get_incident, reference)).data.to_dict() == incident.to_dict()


async def test_an_incident_goes_through_its_life(rootly: Driver) -> None:
    incident = await made(rootly, status="in_triage")
    changes = body(UpdateIncident, title="Worse", labels={"a": "b"}, **NOTHING_HERE)
    changed = await rootly(update_incident, incident.id, body=changes)
    assert changed.data.attributes.title == "Worse"
    restart = body(RestartIncident)
    assert (
        await rootly(restart_incident, incident.id, body=restart)
    ).data.attributes.status == "started"
    triage = body(InTriageIncident)
    assert (await rootly(triage_incident, incident.id, body=triage)).data.attributes.in_triage_by[
        "name"
    ]
    cancel = body(CancelIncident, cancellation_message="a test")
    cancelled = (await rootly(cancel_incident, incident.id, body=cancel)).data.attributes
    assert (cancelled.status, cancelled.cancellation_message) == ("cancelled", "a test")
    await rootly(restart_incident, incident.id, body=restart)
    mitigate = body(MitigateIncident, mitigation_message="rolled back")
    mitigated = (await rootly(mitigate_incident, incident.id, body=mitigate)).data.attributes
    assert (mitigated.status, mitigated.mitigation_message) == ("mitigated", "rolled back")
    resolve = body(ResolveIncident, resolution_message="fixed")
    resolved = (await rootly(resolve_incident, incident.id, body=resolve)).data.attributes
    assert (resolved.status, resolved.resolution_message) == ("resolved", "fixed")
    close = body(UpdateIncident, status="closed")
    closed = (await rootly(update_incident, incident.id, body=close)).data.attributes
    assert closed.closed_by["name"] == "the API key 'test'"


async def test_a_duplicate_is_marked_and_unmarked(rootly: Driver) -> None:
    original, other = await made(rootly), await made(rootly)
    # Rootly's document names the wrong body for this operation: it cannot say of what.
    said = body(UpdateIncident, duplicate_incident_id=original.id)
    marked = (await rootly(mark_as_duplicate_incident, other.id, body=said)).data.attributes
    assert (marked.duplicate_incident_id, marked.status) == (original.id, "cancelled")
    unmarked = (await rootly(unmark_as_duplicate_incident, other.id)).data.attributes
    assert (unmarked.duplicate_incident_id, unmarked.status) == (None, "cancelled")
    answer = await unmark_as_duplicate_incident.asyncio_detailed(other.id, client=rootly.client)
    assert answer.status_code == 422


async def test_an_incident_that_is_over_is_removed(rootly: Driver) -> None:
    incident = await made(rootly, status="resolved")
    assert (await rootly(delete_incident, incident.id)).data.id == incident.id
    for operation in (get_incident, delete_incident, unmark_as_duplicate_incident):
        assert (await rootly.refused(404, operation, incident.id))[0]["status"] == "404"
    assert (await rootly(list_incidents)).data == []


FILTERS = [
    name
    for name in inspect.signature(list_incidents.asyncio_detailed).parameters
    if name.startswith("filter")
]
OPERATORS = ("", "not_eq", "eq", "not_in", "in", "gte", "gt", "lte", "lt")


def operator_of(name: str) -> str:
    """Return the operator at the end of the client's name of a filter."""
    if name.removesuffix("in") in ("filteruser_id", "filterkind"):
        return "in"
    bare = {f"filter{n}" for n in ("search", "cause", "slack_channel_id")}
    if name in bare or f"{name}eq" in FILTERS or name == "filtercustom_field_selected_option_ids":
        return ""
    return next(operator for operator in OPERATORS[1:] if name.endswith(operator))


def value_of(name: str) -> Any:
    """Return a value that fits a started incident with the label a:b, or nothing."""
    if name == "filteruser_id":
        return 1
    values = {
        "kind": "normal",
        "status": "started",
        "private": "false",
        "severity_id": str(new_id()),
        "labels": "a:b",
        "sequential_id": "1",
    }
    column = name.removeprefix("filter")
    column = column.removesuffix(operator_of(name))
    is_time = operator_of(name) in ("gt", "gte", "lt", "lte")
    return "2026-01-01T00:00:00Z" if is_time else values.get(column, "x")


@pytest.mark.parametrize("operator", OPERATORS)
async def test_every_filter_of_rootlys_is_taken(rootly: Driver, operator: str) -> None:
    await made(rootly, title="x", labels={"a": "b"})
    wanted = {name: value_of(name) for name in FILTERS if operator_of(name) == operator}
    assert wanted
    for name, value in wanted.items():
        await rootly(list_incidents, **{name: value})
    assert (await rootly(list_incidents, **wanted)).data == []


async def test_an_incident_that_was_cut_is_read_with_its_notes(rootly: Driver) -> None:
    known = await made(rootly, title="x" * 700, labels={"a:b,c": "d,e"})
    assert known.attributes.title == "x" * 499 + "…"
    assert known.attributes.labels["a:b,c"] == "d,e", "as Rootly's client reads them"
    listed = await rootly(list_incidents, filterlabels=r"a\:b\,c:d\,e")
    assert [each.id for each in listed.data] == [known.id]


async def test_filters_find_what_they_say(rootly: Driver) -> None:
    one = await made(rootly, title="Checkout is down", labels={"team": "shop"})
    two = await made(rootly, title="Search is slow", status="in_triage", kind="test")

    async def found(**filters: Any) -> list[str]:
        return [each.id for each in (await rootly(list_incidents, **filters)).data]

    assert await found(filtersearch="checkout") == [one.id]
    assert await found(filterstatus="in_triage") == [two.id]
    assert await found(filterstatusin="in_triage,scheduled") == [two.id]
    assert await found(filterstatuseq="completed") == []
    assert await found(filterkindnot_eq="test") == [one.id]
    assert await found(filterlabels="team:shop") == [one.id]
    assert await found(filtersequential_id="2") == [two.id]
    assert await found(filterservicesnot_in="a,b") == [two.id, one.id]
    assert await found(filterteam_ids="a") == []


async def test_incidents_are_sorted_by_all_that_rootly_sorts_by(rootly: Driver) -> None:
    ids = [(await made(rootly, status="resolved")).id for _ in "ab"]
    assert [each.id for each in (await rootly(list_incidents, sort="created_at")).data] == ids
    for sort in LIST_INCIDENTS_SORT_VALUES:
        assert len((await rootly(list_incidents, sort=sort)).data) == len(ids)


async def test_pages_follow_one_another_by_number_and_by_cursor(rootly: Driver) -> None:
    newest_first = [(await made(rootly)).id for _ in "abc"][::-1]
    first = await rootly(list_incidents, pagenumber=1, pagesize=2)
    assert [each.id for each in first.data] == newest_first[:2]
    assert (first.meta.total_count, first.meta.total_pages) == (3, 2)
    for options in ({"pagenumber": 2}, {"pageafter": first.meta.next_cursor}):
        following = await rootly(list_incidents, pagesize=2, **options)
        assert [each.id for each in following.data] == newest_first[2:]


async def test_what_is_included_of_an_incident_are_its_newest_entries_and_alerts(
    rootly: Driver, account: Account
) -> None:
    del account
    new = body_of(NewAlert, "alerts", {"summary": "Disk full", "status": "open"})
    alert = (await rootly(create_alert, body=new)).data
    await made(rootly, title="another")
    incident = await made(rootly, alert_ids=[alert.id])
    listed = await rootly(list_incidents, include="alerts")
    assert [(each.id, each.type_) for each in listed.included] == [(alert.id, "alerts")]
    shown = await rootly(get_incident, incident.id, include="events")
    attributes = [each.attributes.to_dict() for each in shown.included]
    assert [each["incident_id"] for each in attributes] == [incident.id] * 2
    assert attributes[0]["event"].startswith("Alert ")


async def test_everything_that_rootly_includes_can_be_asked_for(rootly: Driver) -> None:
    incident = await made(rootly)
    for name in LIST_INCIDENTS_INCLUDE_VALUES:
        for answer in (
            await rootly(list_incidents, include=name),
            await rootly(get_incident, incident.id, include=name),
        ):
            kinds = {each.type_ for each in answer.included}
            assert kinds == ({"incident_events"} if name == "events" else set())


@pytest.mark.parametrize(
    "attributes",
    [
        {"service_ids": [str(new_id())]},
        {"parent_incident_id": str(new_id())},
        {"notify_emails": ["a@example.com"]},
        {"slack_channel_name": "incidents"},
        {"user_id": "1"},
        {"kind": "scheduled"},
        {"status": "in_progress"},
        {"scheduled_for": "2026-03-01T03:00:00Z"},
    ],
)
async def test_what_cannot_be_meant_here_is_refused(
    rootly: Driver, attributes: dict[str, Any]
) -> None:
    (error,) = await rootly.refused(422, create_incident, body=body(NewIncident, **attributes))
    assert (error["code"], "pagersync" in error["detail"]) == ("invalid", True)
    assert error["source"] == {"pointer": f"/data/attributes/{next(iter(attributes))}"}


async def test_an_incident_that_is_not_there_is_not_found(rootly: Driver) -> None:
    for operation, sent in (
        (get_incident, None),
        (delete_incident, None),
        (unmark_as_duplicate_incident, None),
        (update_incident, body(UpdateIncident, title="x")),
        (mitigate_incident, body(MitigateIncident)),
        (resolve_incident, body(ResolveIncident)),
        (cancel_incident, body(CancelIncident)),
        (triage_incident, body(InTriageIncident)),
        (restart_incident, body(RestartIncident)),
        (mark_as_duplicate_incident, body(UpdateIncident, duplicate_incident_id=str(new_id()))),
    ):
        options = {} if sent is None else {"body": sent}
        for reference in (str(new_id()), "7", "7-gone", "no-such-slug"):
            assert (await rootly.refused(404, operation, reference, **options))[0]["code"]
