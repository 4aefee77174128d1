from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.errors import ManyInvalidError
from pagersync.workflows.conditions import Subject
from tests.workflows.subjects import ALERT, NOW, compiled, holds

LISTS = [
    ("status", "alert_statuses", ["open", "resolved", "triggered"]),
    ("urgency", "alert_urgencies", ["high", "low"]),
    ("label", "alert_labels", ["env:prod", "team:core", "x"]),
    ("source", "alert_sources", ["pagertree", "api"]),
    ("summary", "alert_summaries", ["down", "Checkout is down", "up"]),
]
operators = st.sampled_from(["IS", "IS NOT", "CONTAINS", "CONTAINS_NONE", "NONE"])


@st.composite
def alert_conditions(draw: st.DrawFn, min_size: int = 0, max_size: int = 5) -> dict[str, Any]:
    chosen = draw(
        st.lists(st.sampled_from(LISTS), min_size=min_size, max_size=max_size, unique_by=str)
    )
    given: dict[str, Any] = {}
    for name, values, choice in chosen:
        given[f"alert_condition_{name}"] = draw(operators)
        given[values] = draw(st.lists(st.sampled_from(choice), min_size=1, max_size=2))
    return given


subjects = st.builds(
    Subject,
    kind=st.just("alert"),
    status=st.sampled_from(["open", "resolved", "triggered"]),
    labels=st.dictionaries(st.sampled_from(["env", "team"]), st.sampled_from(["prod", "core"])),
    source=st.sampled_from(["pagertree", "api", None]),
    urgency=st.sampled_from(["high", "low", None]),
    summary=st.sampled_from(["Checkout is down", "down", "", None]),
)


@given(alert_conditions(min_size=1), subjects)
def test_none_is_the_negation_of_any(given: dict[str, Any], subject: Subject) -> None:
    is_any = holds(subject, alert_condition="ANY", **given)
    assert holds(subject, alert_condition="NONE", **given) is not is_any


@given(alert_conditions(min_size=1, max_size=1), subjects)
def test_all_of_one_is_any_of_one(given: dict[str, Any], subject: Subject) -> None:
    is_any = holds(subject, alert_condition="ANY", **given)
    assert holds(subject, alert_condition="ALL", **given) is is_any


@given(alert_conditions(), subjects)
def test_all_holds_if_each_holds_alone(given: dict[str, Any], subject: Subject) -> None:
    each = [
        holds(subject, **{f"alert_condition_{name}": given[f"alert_condition_{name}"]},
              **{values: given[values]})
        for name, values, _ in LISTS if values in given
    ]  # fmt: skip
    assert holds(subject, alert_condition="ALL", **given) is all(each)


@pytest.mark.parametrize(
    ("operator", "opposite"), [("IS", "IS NOT"), ("CONTAINS", "CONTAINS_NONE"), ("SET", "UNSET")]
)
@given(subject=subjects, chosen=st.sampled_from(LISTS[1:]))
def test_operators_have_opposites(
    operator: str, opposite: str, subject: Subject, chosen: tuple[str, str, list[str]]
) -> None:
    name, values, choice = chosen
    given = {} if operator == "SET" else {values: choice[:1]}
    held = holds(subject, **{f"alert_condition_{name}": operator}, **given)
    assert holds(subject, **{f"alert_condition_{name}": opposite}, **given) is not held


json_documents = st.dictionaries(
    st.text(max_size=3),
    st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-(10**400), 10**400),
            st.floats(),
            st.text(max_size=5),
            st.just("\ud800"),
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=3,
)
paths = st.one_of(
    st.sampled_from(["$", "$.*", "$..*", "$..[?@ < 5]", "$..[0:2]", "$..[?@.a != null]"]),
    st.text("$@.[]?*ab'01:,!=<&", max_size=8).map("${}".format),
)


@given(
    query=paths,
    operator=st.sampled_from(["IS", "NONE", "SET", "CONTAINS_ALL"]),
    value=st.one_of(st.text(max_size=6), st.sampled_from([".", "^a?", "(a|aa)+$"])),
    data=json_documents,
    use_regexp=st.booleans(),
)
def test_an_accepted_condition_never_fails_on_a_payload(
    query: str, operator: str, value: str, data: dict[str, Any], *, use_regexp: bool
) -> None:
    condition = {
        "query": query,
        "operator": operator,
        "values": [] if operator == "SET" else [value],
        "use_regexp": use_regexp,
    }
    try:
        conditions = compiled("alert", alert_payload_conditions={"conditions": [condition]})
    except ManyInvalidError:
        return
    failed = conditions.first_failed(replace(ALERT, payload=data), NOW)
    assert failed is None or failed.startswith("alert payload")
