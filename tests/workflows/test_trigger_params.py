from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagersync.errors import ManyInvalidError
from pagersync.events.triggers import TRIGGERS
from pagersync.workflows.conditions import compile_conditions
from pagersync.workflows.trigger_params import parse_trigger_params, to_json

POINTER = "/data/attributes/trigger_params"
OPERATORS = (
    "IS", "IS NOT", "ANY", "CONTAINS", "CONTAINS_ALL", "CONTAINS_NONE", "NONE", "SET", "UNSET"
)  # fmt: skip

ROOTLYS: dict[str, dict[str, Any]] = {
    "incident": {
        "triggers": [],
        "incident_visibilities": [],
        "incident_kinds": ["normal"],
        "incident_statuses": [],
        "incident_inactivity_duration": None,
        "incident_condition": "ALL",
        "incident_condition_visibility": "ANY",
        "incident_condition_kind": "IS",
        "incident_condition_status": "ANY",
        "incident_condition_sub_status": "ANY",
        "incident_condition_environment": "ANY",
        "incident_condition_severity": "ANY",
        "incident_condition_incident_type": "ANY",
        "incident_condition_incident_roles": "ANY",
        "incident_condition_service": "ANY",
        "incident_condition_functionality": "ANY",
        "incident_condition_group": "ANY",
        "incident_condition_cause": "ANY",
        "incident_condition_label": "ANY",
        "incident_condition_label_use_regexp": False,
        "incident_labels": [],
        "incident_post_mortem_condition_cause": "ANY",
        "incident_condition_summary": None,
        "incident_condition_started_at": None,
        "incident_condition_detected_at": None,
        "incident_condition_acknowledged_at": None,
        "incident_condition_mitigated_at": None,
        "incident_condition_resolved_at": None,
        "incident_conditional_inactivity": None,
    },
    "alert": {
        "triggers": [],
        "alert_condition": "ALL",
        "alert_condition_source": "ANY",
        "alert_condition_source_use_regexp": False,
        "alert_sources": [],
        "alert_condition_label": "ANY",
        "alert_condition_label_use_regexp": False,
        "alert_condition_status": "ANY",
        "alert_condition_status_use_regexp": False,
        "alert_statuses": [],
        "alert_labels": [],
        "alert_condition_urgency": "ANY",
        "alert_urgency_ids": [],
        "alert_condition_payload": "ANY",
        "alert_condition_payload_use_regexp": False,
        "alert_payload": [],
        "alert_query_payload": None,
        "alert_field_conditions": [],
        "alert_payload_conditions": {"logic": "ALL", "conditions": []},
    },
    "simple": {"triggers": []},
}
"""Every parameter of Rootly's, with the value that asks for nothing more than its preset."""


def problems_of(kind: str, **given: Any) -> dict[str, str]:
    """Return what is wrong, by its place within the params."""
    with pytest.raises(ManyInvalidError) as caught:
        parse_trigger_params({"trigger_type": kind, **given})
    return {
        (problem.pointer or "").removeprefix(f"{POINTER}/"): problem.detail
        for problem in caught.value.problems
    }


@pytest.mark.parametrize("kind", ROOTLYS)
def test_a_client_of_rootly_may_send_every_parameter(kind: str) -> None:
    parsed = parse_trigger_params({"trigger_type": kind, **ROOTLYS[kind]})
    assert parsed == parse_trigger_params({"trigger_type": kind})
    assert to_json(parsed).items() >= ROOTLYS[kind].items()


@pytest.mark.parametrize("kind", ROOTLYS)
def test_null_stands_for_the_preset_of_every_parameter(kind: str) -> None:
    nulls = dict.fromkeys(ROOTLYS[kind])
    assert parse_trigger_params({"trigger_type": kind, **nulls}) == parse_trigger_params(
        {"trigger_type": kind}
    )


UNKNOWN_HERE = [
    ("incident", name, "IS")
    for name, preset in ROOTLYS["incident"].items()
    if preset == "ANY" and name.split("_")[-1] not in ("visibility", "status", "severity", "label")
]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        *UNKNOWN_HERE,
        ("incident", "incident_condition_sub_status", "SET"),
        ("alert", "alert_urgency_ids", ["1f3b"]),
        (
            "alert",
            "alert_field_conditions",
            [{"alert_field_id": "1", "condition_type": "IS", "values": ["x"]}],
        ),
    ],
)
def test_a_condition_on_what_pagersync_does_not_have_is_refused(
    kind: str, name: str, value: Any
) -> None:
    assert problems_of(kind, **{name: value}) == {
        name: f"{name}: pagersync has no such thing: leave it out"
    }


def test_every_unsupported_condition_of_rootly_is_known() -> None:
    assert len(UNKNOWN_HERE) == 8


@pytest.mark.parametrize("kind", TRIGGERS)
def test_every_trigger_of_a_kind_is_accepted(kind: str) -> None:
    params = parse_trigger_params({"trigger_type": kind, "triggers": [*TRIGGERS[kind]] * 2})
    assert to_json(params)["triggers"] == [*TRIGGERS[kind]]


@pytest.mark.parametrize(
    ("kind", "trigger", "reason"),
    [
        ("incident", "slack_command", "never happens in pagersync"),
        ("incident", "custom_fields.impact.updated", "never happens in pagersync"),
        ("incident", "services_added", "never happens in pagersync"),
        ("incident", "visibility_updated", "never happens in pagersync"),
        ("simple", "slack_command", "never happens in pagersync"),
        ("simple", "noon", "by hand only"),
        ("incident", "alert_created", "a trigger of the trigger_type 'alert'"),
        ("page", "incident_created", "a trigger of the trigger_type 'incident'"),
        ("alert", "alert_resolved", "none of alert_created, alert_status_updated"),
    ],
)
def test_a_trigger_that_cannot_happen_is_refused_with_the_reason(
    kind: str, trigger: str, reason: str
) -> None:
    problems = problems_of(kind, triggers=[*TRIGGERS[kind][:1], trigger])
    assert list(problems) == [f"triggers/{len(TRIGGERS[kind][:1])}"]
    assert reason in next(iter(problems.values()))


@pytest.mark.parametrize("operator", ["IS", "IS NOT", "CONTAINS", "CONTAINS_ALL", "CONTAINS_NONE"])
@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        ("incident", "status", "incident_statuses"),
        ("incident", "severity", "incident_severities"),
        ("incident", "visibility", "incident_visibilities"),
        ("incident", "summary", "incident_summaries"),
        ("alert", "label", "alert_labels"),
        ("alert", "urgency", "alert_urgencies"),
        ("page", "severity", "page_severities"),
    ],
)
def test_an_operator_without_the_values_it_needs_is_refused(
    kind: str, name: str, values: str, operator: str
) -> None:
    problems = problems_of(kind, **{f"{kind}_condition_{name}": operator})
    assert problems == {values: f"{values}: {operator} needs at least one value"}


@pytest.mark.parametrize("operator", ["ANY", "SET", "UNSET"])
@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [("alert", "label", "alert_labels"), ("incident", "summary", "incident_summaries")],
)
def test_values_that_an_operator_would_ignore_are_refused(
    kind: str, name: str, values: str, operator: str
) -> None:
    problems = problems_of(kind, **{f"{kind}_condition_{name}": operator, values: ["env:prod"]})
    assert f"would be ignored by {operator}" in problems[values]


@pytest.mark.parametrize(
    ("kind", "given", "at", "reason"),
    [
        ("incident", {"status": ["scheduled"]}, "incident_statuses/0", "none of in_triage"),
        ("incident", {"status": ["started", "done"]}, "incident_statuses/1", "none of"),
        ("incident", {"kind": ["scheduled_sub"]}, "incident_kinds/0", "none of normal"),
        ("alert", {"status": ["deferred"]}, "alert_statuses/0", "none of open"),
        ("alert", {"urgency": ["urgent"]}, "alert_urgencies/0", "none of critical"),
        ("alert", {"severity": ["SEV-6"]}, "alert_severities/0", "none of critical"),
        ("page", {"status": ["open"]}, "page_statuses/0", "none of queued"),
        ("page", {"urgency": ["silent"]}, "page_urgencies/0", "none of critical"),
        ("alert", {"source": [" "]}, "alert_sources/0", "must not be empty"),
        ("alert", {"source": ["a\0b"]}, "alert_sources/0", "NUL"),
        ("alert", {"label": ["x" * 501]}, "alert_labels/0", "at most 500"),
        ("alert", {"label": [str(n) for n in range(101)]}, "alert_labels", "at most 100"),
    ],
)
def test_a_value_that_can_never_be_there_is_refused(
    kind: str, given: dict[str, list[str]], at: str, reason: str
) -> None:
    ((name, values),) = given.items()
    problems = problems_of(
        kind, **{f"{kind}_condition_{name}": "IS", at.split("/", maxsplit=1)[0]: values}
    )
    assert list(problems) == [at]
    assert reason in problems[at]


@pytest.mark.parametrize(
    ("kind", "given", "at", "reason"),
    [
        (
            "alert",
            {"alert_condition_status": "CONTAINS_ALL", "alert_statuses": ["open", "resolved"]},
            "alert_statuses",
            "has one value",
        ),
        ("alert", {"alert_condition_status": "UNSET"}, "alert_condition_status", "always set"),
        ("page", {"page_condition_status": "NONE"}, "page_condition_status", "always set"),
        (
            "alert",
            {
                "alert_condition_label": "IS",
                "alert_condition_label_use_regexp": True,
                "alert_labels": ["env:.*", "(?=a)"],
            },
            "alert_labels/1",
            "no regular expression of RE2: invalid perl operator",
        ),
        (
            "alert",
            {
                "alert_condition_label": "IS",
                "alert_condition_label_use_regexp": True,
                "alert_labels": [str(number) for number in range(21)],
            },
            "alert_labels",
            "at most 20",
        ),
        (
            "alert",
            {
                "alert_condition_status": "IS",
                "alert_condition_status_use_regexp": True,
                "alert_statuses": ["^re", "closed"],
            },
            "alert_statuses/1",
            "matches none of open",
        ),
        (
            "alert",
            {"alert_condition_payload": "IS", "alert_payload": ["x"]},
            "alert_query_payload",
            "is needed",
        ),
        (
            "alert",
            {"alert_condition_payload": "SET", "alert_query_payload": "$.a["},
            "alert_query_payload",
            "no JSONPath",
        ),
        ("alert", {"alert_query_payload": "$.a"}, "alert_query_payload", "ignored by ANY"),
        (
            "incident",
            {"incident_conditional_inactivity": "IS"},
            "incident_inactivity_duration",
            "needs a duration",
        ),
        (
            "incident",
            {
                "incident_conditional_inactivity": "IS",
                "incident_inactivity_duration": "a while",
            },
            "incident_inactivity_duration",
            "no duration",
        ),
        (
            "incident",
            {"incident_inactivity_duration": "1h"},
            "incident_inactivity_duration",
            "incident_conditional_inactivity",
        ),
        ("incident", {"incident_condition": "SOME"}, "incident_condition", "'ALL', 'ANY'"),
        ("incident", {"incident_condition_status": "is"}, "incident_condition_status", "'IS'"),
        ("incident", {"incident_visibilities": ["yes"]}, "incident_visibilities/0", "boolean"),
        ("incident", {"alert_labels": []}, "alert_labels", "no such attribute"),
        ("incident", {"a/b~c": None}, "a~1b~0c", "no such attribute"),
    ],
)
def test_a_condition_that_cannot_be_right_is_refused_at_its_place(
    kind: str, given: dict[str, Any], at: str, reason: str
) -> None:
    problems = problems_of(kind, **given)
    assert list(problems) == [at]
    assert reason in problems[at]


def payload_condition(**given: Any) -> dict[str, Any]:
    return {"query": "$.a", "operator": "IS", "values": ["x"], **given}


@pytest.mark.parametrize(
    ("condition", "at", "reason"),
    [
        ({"query": "a.b"}, "query", "at character 1"),
        ({"query": ""}, "query", "is needed"),
        ({"query": "$['\0']"}, "query", "NUL|no JSONPath"),
        ({"values": []}, "values", "at least one"),
        ({"operator": "ANY"}, "values", "ignored by ANY"),
        ({"use_regexp": True, "values": ["("]}, "values/0", "missing"),
        ({"operator": "LIKE"}, "operator", "'IS'"),
        ({"path": "$"}, "path", "no such attribute"),
    ],
)
def test_a_payload_condition_that_cannot_be_right_is_refused_at_its_place(
    condition: dict[str, Any], at: str, reason: str
) -> None:
    conditions = [payload_condition(), payload_condition(**condition)]
    problems = problems_of("alert", alert_payload_conditions={"conditions": conditions})
    assert list(problems) == [f"alert_payload_conditions/conditions/1/{at}"]
    assert any(each in next(iter(problems.values())) for each in reason.split("|"))


def test_too_many_payload_conditions_are_refused() -> None:
    given = {"logic": "ANY", "conditions": [payload_condition()] * 21}
    problems = problems_of("alert", alert_payload_conditions=given)
    assert "at most 20" in problems["alert_payload_conditions/conditions"]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    problems = problems_of(
        "alert",
        triggers=["noon"],
        alert_condition_status="IS",
        alert_condition_label="IS",
        alert_labels=[""],
    )
    assert list(problems) == ["triggers/0", "alert_statuses", "alert_labels/0"]


@pytest.mark.parametrize("given", [{}, {"trigger_type": "pulse"}, {"trigger_type": None}])
def test_a_workflow_is_of_a_kind_that_pagersync_has(given: dict[str, Any]) -> None:
    with pytest.raises(
        ManyInvalidError, match="must be one of incident, alert, page, account, simple"
    ):
        parse_trigger_params(given)


def test_pointers_begin_where_the_params_stand() -> None:
    with pytest.raises(ManyInvalidError) as caught:
        parse_trigger_params({"trigger_type": "simple", "triggers": ["x"]}, "/workflows/3")
    assert caught.value.problems[0].pointer == "/workflows/3/triggers/0"


LISTS = [
    ("incident", "status", "incident_statuses", ["started", "resolved"]),
    ("incident", "severity", "incident_severities", ["Sev0", "critical"]),
    ("incident", "label", "incident_labels", ["env:prod", "a:b"]),
    ("alert", "status", "alert_statuses", ["open", "resolved"]),
    ("alert", "severity", "alert_severities", ["SEV-1", "low"]),
    ("alert", "urgency", "alert_urgencies", ["high", "low"]),
    ("page", "status", "page_statuses", ["dropped", "stuck"]),
    ("page", "label", "page_labels", ["checkout", "web"]),
]


@st.composite
def raw_params(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["incident", "alert", "page"]))
    join = draw(st.sampled_from(["ALL", "ANY", "NONE"]))
    given: dict[str, Any] = {"trigger_type": kind, f"{kind}_condition": join}
    for of_kind, name, values, choice in LISTS:
        if of_kind == kind and draw(st.booleans()):
            operator = st.sampled_from(["IS", "IS NOT", "CONTAINS_NONE", "NONE"])
            given[f"{kind}_condition_{name}"] = draw(operator)
            given[values] = draw(st.lists(st.sampled_from(choice), min_size=1, max_size=3))
    return given


@given(raw_params())
def test_what_is_stored_reads_back_as_the_same(raw: dict[str, Any]) -> None:
    params = parse_trigger_params(raw)
    stored = to_json(params)
    assert parse_trigger_params(stored) == params
    assert to_json(parse_trigger_params(stored)) == stored


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(OPERATORS), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
parameters = st.sampled_from([name for names in ROOTLYS.values() for name in names])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*TRIGGERS, "pulse"]), st.dictionaries(parameters, json_values, max_size=4))
def test_any_json_is_read_or_refused(kind: str, given: dict[str, Any]) -> None:
    raw = {"trigger_type": kind, **given}
    try:
        params = parse_trigger_params(raw)
    except ManyInvalidError as error:
        assert all(problem.pointer for problem in error.problems)  # noqa: PT017
    else:
        assert parse_trigger_params(to_json(params)) == params
        assert compile_conditions(params).describe() is not None
