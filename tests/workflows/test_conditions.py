from dataclasses import replace
from typing import Any

import pytest

from pagersync.http import AsyncClient
from pagersync.workflows.conditions import Subject
from tests.workflows.subjects import (
    ALERT,
    BARE_ALERT,
    BARE_INCIDENT,
    INCIDENT,
    NOW,
    PAGE,
    compiled,
    holds,
)

PATH = "$.meta.teams[*]"

ONE = [
    ("IS", ["open", "resolved"], True),
    ("IS", ["resolved"], False),
    ("CONTAINS", ["open", "resolved"], True),
    ("CONTAINS", ["resolved"], False),
    ("CONTAINS_ALL", ["open"], True),
    ("CONTAINS_ALL", ["resolved"], False),
    ("IS NOT", ["resolved", "acknowledged"], True),
    ("IS NOT", ["resolved", "open"], False),
    ("CONTAINS_NONE", ["resolved"], True),
    ("CONTAINS_NONE", ["open"], False),
    ("NONE", ["resolved"], True),
    ("NONE", ["open"], False),
    ("SET", [], True),
    ("ANY", [], True),
]


@pytest.mark.parametrize(("operator", "values", "expected"), ONE)
def test_each_operator_on_a_field_with_one_value(
    operator: str, values: list[str], *, expected: bool
) -> None:
    assert holds(ALERT, alert_condition_status=operator, alert_statuses=values) is expected


MANY = [
    ("IS", ["env:prod", "x:y"], True),
    ("IS", ["x:y"], False),
    ("CONTAINS", ["env:prod", "x:y"], True),
    ("CONTAINS", ["x:y", "env:pro"], False),
    ("CONTAINS_ALL", ["env:prod", "team:core"], True),
    ("CONTAINS_ALL", ["env:prod", "x:y"], False),
    ("IS NOT", ["x:y"], True),
    ("IS NOT", ["x:y", "env:prod"], False),
    ("CONTAINS_NONE", ["x:y"], True),
    ("CONTAINS_NONE", ["x:y", "env:prod"], False),
    ("NONE", ["x:y"], True),
    ("NONE", ["env:prod"], False),
    ("NONE", [], False),
    ("SET", [], True),
    ("UNSET", [], False),
    ("ANY", [], True),
]


@pytest.mark.parametrize(("operator", "values", "expected"), MANY)
def test_each_operator_on_a_field_with_many_values(
    operator: str, values: list[str], *, expected: bool
) -> None:
    for subject in (INCIDENT, ALERT, PAGE):
        names = f"{subject.kind}_condition_label", f"{subject.kind}_labels"
        assert holds(subject, **dict(zip(names, (operator, values), strict=True))) is expected
    query = {} if operator == "ANY" else {"alert_query_payload": PATH}
    payload = {"alert_condition_payload": operator, "alert_payload": values, **query}
    assert holds(ALERT, **payload) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("IS", ["Checkout is down"], True),
        ("IS", ["Checkout"], False),
        ("IS NOT", ["Checkout"], True),
        ("CONTAINS", ["Login", "Checkout"], True),
        ("CONTAINS", ["checkout"], False),
        ("CONTAINS_ALL", ["Checkout", "down"], True),
        ("CONTAINS_ALL", ["Checkout", "up"], False),
        ("CONTAINS_NONE", ["Login"], True),
        ("CONTAINS_NONE", ["Login", "down"], False),
        ("NONE", ["down"], False),
        ("NONE", [], False),
        ("SET", [], True),
        ("UNSET", [], False),
        ("ANY", [], True),
    ],
)
def test_each_operator_on_a_text(operator: str, values: list[str], *, expected: bool) -> None:
    for subject in (INCIDENT, ALERT, PAGE):
        names = f"{subject.kind}_condition_summary", f"{subject.kind}_summaries"
        assert holds(subject, **dict(zip(names, (operator, values), strict=True))) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("IS", ["^env:", "nothing"], True),
        ("IS", ["^prod"], False),
        ("CONTAINS", ["prod$"], True),
        ("CONTAINS_ALL", ["^env:", "core"], True),
        ("CONTAINS_ALL", ["^env:", "web"], False),
        ("IS NOT", ["^prod"], True),
        ("IS NOT", ["^prod", "core"], False),
        ("CONTAINS_NONE", ["(?i)ENV"], False),
        ("NONE", ["staging"], True),
    ],
)
def test_each_operator_with_regular_expressions(
    operator: str, values: list[str], *, expected: bool
) -> None:
    label: dict[str, Any] = {"alert_condition_label": operator, "alert_labels": values}
    assert holds(ALERT, alert_condition_label_use_regexp=True, **label) is expected
    payload: dict[str, Any] = {"alert_condition_payload": operator, "alert_payload": values}
    payload |= {"alert_condition_payload_use_regexp": True, "alert_query_payload": PATH}
    assert holds(ALERT, **payload) is expected


def test_regular_expressions_are_looked_for_in_statuses_sources_and_texts() -> None:
    for field, values in (("status", "statuses"), ("source", "sources"), ("summary", "summaries")):
        flags = {f"alert_condition_{field}": "IS", f"alert_condition_{field}_use_regexp": True}
        assert holds(ALERT, **flags, **{f"alert_{values}": ["(?i)PE|open|down$"]}) is (
            field != "source"
        )


@pytest.mark.parametrize("field", ["label", "summary", "severity", "source", "urgency"])
def test_what_is_not_there_is_unset_and_not_anything(field: str) -> None:
    name = f"alert_condition_{field}"
    values = {
        "label": ("alert_labels", "a:b"),
        "summary": ("alert_summaries", "x"),
        "severity": ("alert_severities", "low"),
        "source": ("alert_sources", "pagertree"),
        "urgency": ("alert_urgencies", "low"),
    }[field]
    one = {values[0]: [values[1]]}
    held = {
        operator: holds(BARE_ALERT, **{name: operator}, **given)
        for operator, given in {
            "SET": {}, "UNSET": {}, "NONE": {}, "IS": one, "IS NOT": one, "CONTAINS_ALL": one
        }.items()
    }  # fmt: skip
    assert held == {
        "SET": False, "UNSET": True, "NONE": True, "IS": False, "IS NOT": True,
        "CONTAINS_ALL": False,
    }  # fmt: skip
    assert holds(ALERT, **{name: "SET"})


@pytest.mark.parametrize("name", ["0198", "SEV0", "Sev 0", "Critical"])
def test_the_severity_of_an_incident_is_known_by_id_slug_name_and_level(name: str) -> None:
    given = {"incident_condition_severity": "IS", "incident_severities": [name]}
    assert holds(INCIDENT, **given)
    assert not holds(BARE_INCIDENT, **given)


@pytest.mark.parametrize("name", ["SEV-1", "sev-1", "critical", "CRITICAL"])
def test_sev_1_is_critical(name: str) -> None:
    assert holds(ALERT, alert_condition_severity="IS", alert_severities=[name])
    assert not holds(PAGE, page_condition_severity="IS", page_severities=[name])
    odd = replace(ALERT, severity=frozenset({"sev-unknown"}))
    assert holds(odd, alert_condition_severity="IS", alert_severities=["SEV-UNKNOWN"])


def test_an_incident_may_be_private() -> None:
    private = {"incident_condition_visibility": "IS", "incident_visibilities": [True]}
    assert holds(replace(INCIDENT, private=True), **private)
    assert not holds(INCIDENT, **private)


def test_times_are_set_or_not() -> None:
    assert holds(INCIDENT, incident_condition_started_at="SET")
    assert holds(INCIDENT, incident_condition_resolved_at="UNSET")
    assert not holds(INCIDENT, incident_condition_resolved_at="SET")
    assert not holds(INCIDENT, incident_condition_detected_at="SET")


@pytest.mark.parametrize(
    ("duration", "expected"), [("59 min", True), ("1h", True), ("61 min", False)]
)
def test_an_incident_is_inactive_when_it_has_not_changed_for_that_long(
    duration: str, *, expected: bool
) -> None:
    given = {
        "incident_conditional_inactivity": "IS",
        "incident_inactivity_duration": duration,
    }
    assert holds(INCIDENT, **given) is expected
    assert not holds(BARE_INCIDENT, **given)


def payload_holds(query: str, operator: str, *values: str, data: Any) -> bool:
    condition = {"query": query, "operator": operator, "values": list(values)}
    return holds(replace(ALERT, payload=data), alert_payload_conditions={"conditions": [condition]})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("prod", "prod"),
        (5, "5"),
        (5.0, "5"),
        (5.5, "5.5"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (["a", "prod"], "prod"),
    ],
)
def test_values_of_a_payload_are_compared_as_texts(value: Any, text: str) -> None:
    assert payload_holds("$.v", "IS", text, data={"v": value})
    assert not payload_holds("$.v", "IS", "other", data={"v": value})
    assert payload_holds("$.v", "SET", data={"v": value})


@pytest.mark.parametrize("value", [None, "", [], {}, [None]])
def test_nothing_in_a_payload_is_unset(value: Any) -> None:
    assert payload_holds("$.v", "UNSET", data={"v": value})
    assert payload_holds("$.v", "UNSET", data={})


def test_an_object_in_a_payload_is_set() -> None:
    assert payload_holds("$.v", "SET", data={"v": {"a": 1}})
    assert not payload_holds("$.v", "CONTAINS", "a", data={"v": {"a": 1}})


def test_a_number_too_large_to_compare_is_set() -> None:
    assert payload_holds("$.v", "SET", data={"v": 10**5_000})
    assert payload_holds("$.v", "IS", str(10**18), data={"v": 10**18})


def test_a_subject_without_a_payload_has_nothing_in_it() -> None:
    assert payload_holds("$.v", "UNSET", data=None)
    assert not payload_holds("$", "SET", data=None)


@pytest.mark.parametrize(
    ("logic", "expected"), [("ALL", False), ("ANY", True), ("NONE", False), (None, False)]
)
def test_payload_conditions_are_joined_on_their_own(logic: str | None, *, expected: bool) -> None:
    conditions = [
        {"query": "$.a", "operator": "IS", "values": ["1"]},
        {"query": "$.b", "operator": "IS", "values": ["1"]},
        {"query": "$.c", "operator": "ANY"},
    ]
    given = {"logic": logic, "conditions": conditions}
    subject = replace(ALERT, payload={"a": 1, "b": 2})
    assert holds(subject, alert_payload_conditions=given) is expected
    assert holds(subject, alert_payload_conditions=given, alert_condition="NONE") is not expected


TWO = {
    "alert_condition_status": "IS",
    "alert_statuses": ["open"],
    "alert_condition_label": "CONTAINS",
    "alert_labels": ["env:prod"],
}
TEST_OPEN = replace(ALERT, labels={"env": "test"})
TEST_RESOLVED = replace(TEST_OPEN, status="resolved")


@pytest.mark.parametrize(
    ("join", "subject", "failed"),
    [
        ("ALL", ALERT, None),
        ("ALL", TEST_OPEN, "alert label CONTAINS [env:prod]"),
        ("ALL", TEST_RESOLVED, "alert status IS [open]"),
        ("ANY", ALERT, None),
        ("ANY", TEST_OPEN, None),
        (
            "ANY",
            TEST_RESOLVED,
            "none of these holds: alert status IS [open]; alert label CONTAINS [env:prod]",
        ),
        ("NONE", ALERT, "must not hold: alert status IS [open]"),
        (
            "NONE",
            replace(ALERT, status="resolved"),
            "must not hold: alert label CONTAINS [env:prod]",
        ),
        ("NONE", TEST_RESOLVED, None),
    ],
)
def test_the_first_condition_that_failed_is_named(
    join: str, subject: Subject, failed: str | None
) -> None:
    assert compiled("alert", alert_condition=join, **TWO).first_failed(subject, NOW) == failed


@pytest.mark.parametrize("join", ["ALL", "ANY", "NONE"])
@pytest.mark.parametrize("subject", [INCIDENT, ALERT, PAGE])
def test_without_conditions_everything_holds(join: str, subject: Subject) -> None:
    assert holds(subject, **{f"{subject.kind}_condition": join})
    assert holds(replace(subject, kind="simple"))


@pytest.mark.parametrize("join", ["ALL", "ANY", "NONE"])
def test_test_incidents_match_only_where_their_kind_is_asked_for(join: str) -> None:
    test = replace(INCIDENT, incident_kind="test")
    for status in ("started", "resolved"):
        given = {
            "incident_condition": join,
            "incident_condition_status": "IS",
            "incident_statuses": [status],
        }
        failed = compiled("incident", **given).first_failed(test, NOW)
        assert failed == "incident kind IS [normal]"
        every = compiled("incident", incident_condition_kind="ANY", incident_kinds=[], **given)
        normal = compiled("incident", **given)
        assert every.first_failed(test, NOW) == normal.first_failed(INCIDENT, NOW)
    asked = {"incident_condition_kind": "IS", "incident_kinds": ["test"]}
    assert holds(test, **asked)
    assert not holds(test, incident_condition="NONE", **asked)


def test_conditions_are_described_in_words() -> None:
    described = compiled(
        "alert",
        **TWO,
        alert_condition_summary="CONTAINS",
        alert_condition_summary_use_regexp=True,
        alert_summaries=["a", "b", "c", "d", "e", "f", "g"],
        alert_payload_conditions={
            "logic": "ANY",
            "conditions": [
                {"query": "$.a", "operator": "IS", "values": ["1"]},
                {"query": "$.b", "operator": "SET"},
            ],
        },
    ).describe()
    assert described == [
        "alert status IS [open]",
        "alert label CONTAINS [env:prod]",
        "alert summary CONTAINS [a, b, c, d, e and 2 more] (regular expression)",
        "alert payload ANY of (ANY of: alert payload $.a IS [1]; alert payload $.b SET)",
    ]
    assert compiled("incident", incident_condition="ANY").describe() == [
        "incident kind IS [normal]"
    ]


def test_a_subject_keeps_what_was_seen_of_it() -> None:
    assert ALERT.seen() == {
        "status": "open",
        "severity": ["critical"],
        "source": "pagertree",
        "urgency": "high",
        "labels": {"env": "prod", "team": "core"},
    }
    assert BARE_INCIDENT.seen() == {"status": "started"}


def test_the_same_path_is_followed_once_for_a_subject() -> None:
    subject = replace(ALERT, payload={"a": 1})
    given = {"conditions": [{"query": "$.a", "operator": "IS", "values": ["1"]}]}
    conditions = compiled("alert", alert_payload_conditions=given)
    assert conditions.first_failed(subject, NOW) is None
    assert subject.found == {"$.a": frozenset({"1"})}
    subject.found["$.a"] = frozenset({"2"})
    assert (
        conditions.first_failed(subject, NOW) == "alert payload ALL of (alert payload $.a IS [1])"
    )
    assert replace(subject, payload={}).found == {}


async def test_labels_are_looked_at_as_they_are_whatever_they_hold(api: AsyncClient) -> None:
    labels = {"a:b,c": "d,e", "flag": True, "n": 3}
    body = {"data": {"type": "incidents", "attributes": {"title": "x", "labels": labels}}}
    assert (await api.post("/v1/incidents", json=body)).status_code == 201
    workflow = {
        "name": "w",
        "trigger_params": {
            "trigger_type": "incident",
            "triggers": ["incident_created"],
            "incident_condition_label": "CONTAINS_ALL",
            "incident_labels": ["a:b,c:d,e", "flag:true", "n:3"],
        },
    }
    asked = {"workflow": workflow, "incident_id": 1}
    seen = await api.post(
        "/v1/workflows/preview",
        json={"data": {"type": "workflow_previews", "attributes": asked}},
    )
    assert seen.json()["data"]["attributes"]["conditions_hold"] is True, seen.text
