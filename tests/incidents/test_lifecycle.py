"""The lifecycle: every change that is allowed, every one that is not, and the times they set."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.incidents.lifecycle import (
    OVER,
    TIMES,
    TRANSITIONS,
    is_over,
    problems_of_times,
    values_of_entering,
    why_not,
)
from pagersync.incidents.models import IncidentStatus

S = IncidentStatus
WORKED = {S.STARTED, S.DETECTED, S.ACKNOWLEDGED}

ALLOWED = {
    S.IN_TRIAGE: WORKED | {S.CANCELLED},
    S.STARTED: WORKED | {S.IN_TRIAGE, S.MITIGATED, S.RESOLVED},
    S.DETECTED: WORKED | {S.IN_TRIAGE, S.MITIGATED, S.RESOLVED},
    S.ACKNOWLEDGED: WORKED | {S.IN_TRIAGE, S.MITIGATED, S.RESOLVED},
    S.MITIGATED: {S.STARTED, S.RESOLVED},
    S.RESOLVED: {S.STARTED, S.CLOSED},
    S.CLOSED: {S.STARTED},
    S.CANCELLED: {S.STARTED},
}
"""Written out once more, from Rootly's documentation and not from the table."""

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", S)
def test_every_change_of_status_is_allowed_or_refused_with_the_rule(
    before: IncidentStatus, after: IncidentStatus
) -> None:
    rule = why_not(before, after)
    assert (rule is None) == (after == before or after in ALLOWED[before])
    if rule is not None:
        assert f"that is {before.value} cannot become {after.value}" in rule
        assert all(status.value in rule for status in ALLOWED[before] - {before})


def test_what_is_resolved_closed_or_cancelled_is_over() -> None:
    assert {status for status in S if is_over(status)} == {S.RESOLVED, S.CLOSED, S.CANCELLED}


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[IncidentStatus, float]]:
    """Return statuses, each allowed after the one before, and how long each lasted, in seconds.

    A clock that is behind lets time run backwards.
    """
    status = draw(st.sampled_from(list(S)))
    life = [(status, draw(st.floats(0, 100)))]
    for _ in range(draw(st.integers(0, 12))):
        status = draw(st.sampled_from(sorted(TRANSITIONS[status])))
        life.append((status, draw(st.floats(-5, 100))))
    return life


def lived(life: list[tuple[IncidentStatus, float]]) -> list[dict[str, Any]]:
    """Return an incident's columns after each change of its status."""
    columns: dict[str, Any] = dict.fromkeys(TIMES)
    moment, states = NOW, []
    for number, (status, lasted_s) in enumerate(life):
        columns = columns | values_of_entering(status, columns, by=f"person {number}", now=moment)
        moment += timedelta(seconds=lasted_s)
        states.append(columns)
    return states


@given(lives())
def test_whatever_an_incident_lived_through_its_times_make_sense(
    life: list[tuple[IncidentStatus, float]],
) -> None:
    for columns in lived(life):
        status = S(columns["status"])
        assert list(problems_of_times(status, columns)) == []
        for name in TIMES:
            by = columns.get(f"{name.removesuffix('_at')}_by")
            assert (columns[name] is None) == (by is None)
        assert columns[f"{status.value}_at"] is not None
        if status not in OVER:
            assert columns["resolved_at"] is columns["closed_at"] is columns["cancelled_at"] is None


@given(lives())
def test_an_incident_keeps_the_first_time_of_everything_until_it_is_restarted(
    life: list[tuple[IncidentStatus, float]],
) -> None:
    states = lived(life)
    for before, after in pairwise(states):
        kept = TIMES if after["status"] not in (*WORKED, S.IN_TRIAGE) else TIMES[:4]
        for name in kept:
            assert before[name] is None or after[name] == before[name]


def test_resolving_without_mitigating_mitigates_at_the_same_moment() -> None:
    values = values_of_entering(S.RESOLVED, {"started_at": NOW}, by="Ann", now=NOW)
    assert values["mitigated_at"] == values["resolved_at"] == NOW
    assert values["mitigated_by"] == values["resolved_by"] == "Ann"
    assert "started_at" not in values


def test_what_was_skipped_happened_together_with_what_followed_it() -> None:
    known = {"resolved_at": NOW - timedelta(hours=1)}
    values = values_of_entering(S.CLOSED, known, by="Ann", now=NOW)
    assert values["started_at"] == values["mitigated_at"] == known["resolved_at"]
    assert values["closed_at"] == NOW


def test_restarting_forgets_how_it_ended_and_keeps_when_it_began() -> None:
    known = dict.fromkeys(("started_at", "mitigated_at", "resolved_at", "closed_at"), NOW)
    values = values_of_entering(S.STARTED, known, by="Ann", now=NOW + timedelta(hours=1))
    ends = ("mitigated", "resolved", "closed", "cancelled")
    assert all(values[f"{end}_at"] is values[f"{end}_by"] is None for end in ends)
    assert values["resolution_message"] is values["mitigation_message"] is None
    assert "started_at" not in values


@pytest.mark.parametrize(
    ("status", "times", "wrong"),
    [
        (S.STARTED, {"started_at": NOW, "resolved_at": NOW}, {"resolved_at"}),
        (S.STARTED, {}, {"started_at"}),
        (
            S.MITIGATED,
            {"started_at": NOW, "mitigated_at": NOW - timedelta(seconds=1)},
            {"mitigated_at"},
        ),
        (S.CANCELLED, {"cancelled_at": NOW, "mitigated_at": NOW}, set()),
    ],
)
def test_times_that_cannot_be_right_are_named(
    status: IncidentStatus, times: dict[str, datetime], wrong: set[str]
) -> None:
    assert {name for name, _ in problems_of_times(status, times)} == wrong
