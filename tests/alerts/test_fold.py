"""The fold: every order and every repetition of the same events gives the same row."""

import json
import random
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagersync.alerts.fold import EMPTY, AlertState, fold, from_json, to_json, view
from pagersync.alerts.models import AlertStatus
from tests.support.events import EIGHT, at, eight_bodies, state_of

TIMES = st.one_of(st.none(), st.integers(0, 3).map(at), st.just("nonsense"))
STATUSES = st.sampled_from(["queued", "open", "acknowledged", "resolved", "dropped", "archived"])


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an event that may lack anything, with times that often collide."""
    optional = {
        "status": st.one_of(st.none(), STATUSES),
        "title": st.sampled_from([None, "a", "b"]),
        "description": st.sampled_from([None, "", "x\ny"]),
        "urgency": st.sampled_from(["low", "silent", 7]),
        "updatedAt": TIMES,
        "createdAt": TIMES,
        "acknowledged": st.sampled_from([None, 1772334130, 1772334131.5]),
        "resolved": st.sampled_from([None, 1772334999]),
        "extra": st.integers(0, 2),
    }
    data = draw(st.fixed_dictionaries({"id": st.just("alt_1")}, optional=optional))
    return {"type": draw(st.sampled_from([name for name, _ in EIGHT])), "data": data}


@given(st.lists(bodies(), max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_any_order_and_multiplicity_folds_to_the_same_state(
    lives: list[dict[str, Any]], rng: random.Random
) -> None:
    states = [state_of(body) for body in lives]
    again = [*states, *rng.choices(states, k=len(states))] if states else []
    rng.shuffle(again)
    assert fold(again) == fold(states)
    assert view(fold(again), external_id="alt_1") == view(fold(states), external_id="alt_1")


@given(st.lists(bodies(), min_size=2, max_size=8), st.integers(1, 7))
@settings(max_examples=200, deadline=None)
def test_a_row_can_be_folded_further_at_any_time(lives: list[dict[str, Any]], split: int) -> None:
    states = [state_of(body) for body in lives]
    first = fold(states[:split])
    kept = from_json(json.loads(json.dumps(to_json(first))))
    further = view(kept.join(fold(states[split:])), external_id="alt_1")
    expected = view(fold(states), external_id="alt_1")
    data = view(first, external_id="alt_1").data if further.data is None else further.data
    assert replace(further, data=data) == expected


def test_the_eight_events_fold_to_the_same_row_in_all_40320_orders() -> None:
    states = [state_of(body) for body in eight_bodies()]
    expected = fold(states)
    assert all(fold(order) == expected for order in permutations(states))
    row = view(expected, external_id="alt_1")
    assert row.status is AlertStatus.RESOLVED
    assert row.summary == "as of minute 7"
    assert row.labels == {"pagertree_status": "resolved", "pagertree_urgency": "high"}


@pytest.mark.parametrize(
    ("pagertree", "expected"),
    [
        ("queued", AlertStatus.OPEN),
        ("open", AlertStatus.TRIGGERED),
        ("acknowledged", AlertStatus.ACKNOWLEDGED),
        ("resolved", AlertStatus.RESOLVED),
        ("dropped", AlertStatus.OPEN),
        ("suppressed", AlertStatus.OPEN),
    ],
)
def test_each_pagertree_status_has_its_alert_status(pagertree: str, expected: AlertStatus) -> None:
    body = {"type": "alert.handoff", "data": {"id": "a", "status": pagertree}}
    row = view(state_of(body), external_id="a")
    assert row.status is expected
    assert row.labels["pagertree_status"] == pagertree


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        ("alert.created", AlertStatus.OPEN),
        ("alert.open", AlertStatus.TRIGGERED),
        ("alert.acknowledged", AlertStatus.ACKNOWLEDGED),
        ("alert.resolved", AlertStatus.RESOLVED),
        ("alert.dropped", AlertStatus.OPEN),
    ],
)
def test_the_type_stands_in_for_a_missing_status(event_type: str, expected: AlertStatus) -> None:
    assert view(state_of({"type": event_type, "data": {"id": "a"}}), external_id="a").status is (
        expected
    )


@pytest.mark.parametrize("event_type", ["alert.rejected", "alert.timeout", "alert.handoff"])
def test_rejected_timeout_and_handoff_change_no_status_by_themselves(event_type: str) -> None:
    acknowledged = state_of({"type": "alert.acknowledged", "data": {"id": "a", "updatedAt": at(1)}})
    later = state_of({"type": event_type, "data": {"id": "a", "updatedAt": at(2)}})
    row = view(fold([acknowledged, later]), external_id="a")
    assert row.status is AlertStatus.ACKNOWLEDGED


def test_a_late_old_snapshot_does_not_turn_the_alert_back() -> None:
    new = state_of({"type": "alert.acknowledged", "data": {"id": "a", "updatedAt": at(5)}})
    old = state_of({"type": "alert.open", "data": {"id": "a", "updatedAt": at(1), "title": "old"}})
    row = view(new.join(old), external_id="a")
    assert row.status is AlertStatus.ACKNOWLEDGED
    assert row.summary == "old", "the newest snapshot had no title, so the older one's is known"


def test_nothing_reopens_a_resolved_alert() -> None:
    resolved = state_of(
        {"type": "alert.resolved", "data": {"id": "a", "updatedAt": at(1), "status": "resolved"}}
    )
    later = state_of(
        {"type": "alert.open", "data": {"id": "a", "updatedAt": at(9), "status": "open"}}
    )
    row = view(fold([resolved, later]), external_id="a")
    assert row.status is AlertStatus.RESOLVED
    assert row.labels["pagertree_status"] == "resolved"
    assert row.ended_at is not None


def test_first_times_are_the_earliest_that_any_event_knows() -> None:
    first = state_of({"type": "alert.acknowledged", "data": {"id": "a", "updatedAt": at(3)}})
    second = state_of({"type": "alert.acknowledged", "data": {"id": "a", "updatedAt": at(8)}})
    row = view(fold([second, first]), external_id="a")
    assert row.acknowledged_at is not None
    assert row.acknowledged_at.minute == 3


def test_an_unknown_status_is_shown_but_changes_none() -> None:
    known = state_of({"type": "alert.open", "data": {"id": "a", "updatedAt": at(1)}})
    unknown = state_of(
        {"type": "alert.handoff", "data": {"id": "a", "updatedAt": at(2), "status": "archived"}}
    )
    row = view(fold([known, unknown]), external_id="a")
    assert (row.status, row.labels["pagertree_status"]) == (AlertStatus.TRIGGERED, "archived")


def test_the_summary_falls_back_to_the_description_and_then_to_the_id() -> None:
    described: dict[str, Any] = {
        "type": "alert.open",
        "data": {"id": "a", "description": "\n first line\nsecond"},
    }
    assert view(state_of(described), external_id="a").summary == "first line"
    described["data"] |= {"title": " \n"}
    assert view(state_of(described), external_id="a").summary == "first line"
    assert view(EMPTY, external_id="a").summary == "a"


def test_joining_is_associative() -> None:
    one, two, three = (state_of(body) for body in eight_bodies()[:3])
    assert one.join(two).join(three) == one.join(two.join(three))
    assert isinstance(one.join(two), AlertState)
