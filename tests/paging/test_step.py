from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pagersync.database.base import new_id
from pagersync.errors import Ambiguous, Contract, CredentialsRefused, Rejected, Unavailable
from pagersync.paging.models import OperationKind, OperationState
from pagersync.paging.settle import Settle
from pagersync.paging.step import (
    STALE_REFUSALS_MAX,
    Step,
    Work,
    after_empty_lookup,
    after_error,
    after_failed_lookup,
    after_refusal,
    next_step,
)

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
MAX = 5
SETTLE = Settle(wait_s=1, looks_min=2, in_order_s=None, longest_s=20)


def work(**fields: Any) -> Work:
    return Work(
        **{
            "id": new_id(),
            "integration_id": new_id(),
            "kind": OperationKind.CREATE_ALERT,
            "attempt": 1,
            "created_at": NOW,
            **fields,
        }
    )


RESOLVE = {"kind": OperationKind.RESOLVE_ALERT, "page_id": new_id()}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Step.SEND),
        ({"expires_at": NOW + timedelta(seconds=1)}, Step.SEND),
        ({"expires_at": NOW}, Step.EXPIRE),
        ({"may_have_been_sent": True}, Step.LOOK),
        ({"may_have_been_sent": True, "expires_at": NOW}, Step.LOOK),
        ({"may_have_been_sent": True, "target": "01A"}, Step.ADOPT),
        ({"target": "01A", "attempt": MAX + 1}, Step.ADOPT),
        ({"attempt": MAX}, Step.SEND),
        ({"attempt": MAX + 1}, Step.BURY),
        ({"attempt": MAX + 1, "may_have_been_sent": True}, Step.BURY),
        ({**RESOLVE, "target": "01A"}, Step.CALL),
        ({**RESOLVE, "creation": OperationState.QUEUED}, Step.WAIT),
        ({**RESOLVE, "creation": OperationState.RUNNING}, Step.WAIT),
        ({**RESOLVE, "creation": OperationState.UNKNOWN}, Step.WAIT),
        ({**RESOLVE, "creation": OperationState.FAILED}, Step.CANCEL),
        ({**RESOLVE, "creation": OperationState.DEAD}, Step.CANCEL),
        ({**RESOLVE, "creation": OperationState.CANCELED}, Step.CANCEL),
        ({**RESOLVE, "creation": OperationState.EXPIRED}, Step.CANCEL),
        ({**RESOLVE, "target": "01A", "attempt": MAX + 1}, Step.BURY),
    ],
)
def test_the_next_step_of_an_operation(fields: dict[str, Any], expected: Step) -> None:
    assert next_step(work(**fields), now=NOW, attempts_max=MAX) == expected


@pytest.mark.parametrize("attempt", [1, MAX, MAX + 1])
@pytest.mark.parametrize("kind", list(OperationKind))
def test_nothing_is_created_while_it_may_have_been_sent(kind: OperationKind, attempt: int) -> None:
    step = next_step(
        work(kind=kind, attempt=attempt, may_have_been_sent=True), now=NOW, attempts_max=MAX
    )
    assert step != Step.SEND


@pytest.mark.parametrize(
    ("error", "attempt", "state", "may_have_been_sent"),
    [
        (Unavailable("x"), 1, "queued", False),
        (Unavailable("x"), MAX, "dead", False),
        (Ambiguous("x"), 1, "queued", True),
        (Ambiguous("x"), MAX, "unknown", True),
        (Contract("x"), 1, "queued", True),
        (Contract("x"), MAX, "unknown", True),
        (Rejected("x"), 1, "failed", False),
        (CredentialsRefused("x"), 1, "queued", False),
        (CredentialsRefused("x"), MAX, "queued", False),
    ],
)
def test_how_a_create_goes_on_after_an_error(
    error: Any,
    attempt: int,
    state: str,
    may_have_been_sent: bool,  # noqa: FBT001 - parametrized
) -> None:
    end = after_error(work(attempt=attempt), error, attempts_max=MAX)
    assert (end.outcome.state, end.may_have_been_sent) == (state, may_have_been_sent)
    assert end.outcome.is_attempt != isinstance(error, CredentialsRefused)


def test_an_ambiguous_resolve_is_simply_tried_again() -> None:
    end = after_error(work(**RESOLVE), Ambiguous("x"), attempts_max=MAX)
    assert (end.outcome.state, end.may_have_been_sent) == ("queued", False)


def test_pagertree_is_not_asked_again_before_it_said() -> None:
    end = after_error(work(), Unavailable("x", retry_after_s=77), attempts_max=MAX)
    assert end.outcome.delay_s >= 77


def test_a_refusal_whose_words_were_lost_is_asked_for_again() -> None:
    cut = Rejected("x", http_status=422)
    cut.is_cut = True
    end = after_error(work(), cut, attempts_max=MAX)
    assert (end.outcome.state, end.may_have_been_sent) == ("queued", False)


def test_what_may_have_been_sent_is_looked_for_at_once() -> None:
    end = after_error(work(), Ambiguous("x"), attempts_max=MAX)
    assert end.outcome.delay_s == 0


def test_a_call_that_ended_in_doubt_may_be_worked_on_for_as_long_again() -> None:
    assert after_error(work(), Ambiguous("x"), attempts_max=MAX, took_s=7).grace_s == 7


@pytest.mark.parametrize(
    ("finds_others", "attempt", "state", "may_have_been_sent", "lookups", "is_unknown"),
    [
        (None, 1, "queued", True, 1, False),
        (True, 1, "queued", False, 0, False),
        (False, 1, "queued", True, 1, True),
        (False, MAX, "unknown", True, 1, True),
    ],
)
def test_how_a_create_goes_on_after_an_empty_search(
    finds_others: bool | None,  # noqa: FBT001 - parametrized
    attempt: int,
    state: str,
    may_have_been_sent: bool,  # noqa: FBT001
    lookups: int,
    is_unknown: bool,  # noqa: FBT001
) -> None:
    ambiguous = work(may_have_been_sent=True, attempt=attempt)
    end = after_empty_lookup(
        ambiguous, finds_others=finds_others, attempts_max=MAX, settle=SETTLE, waited_s=1
    )
    assert end.outcome.state == state
    assert (end.may_have_been_sent, end.lookups, end.is_unknown) == (
        may_have_been_sent,
        lookups,
        is_unknown,
    )


@pytest.mark.parametrize("error", [Unavailable("x"), Contract("x"), CredentialsRefused("x")])
def test_a_search_that_failed_leaves_the_page_as_it_is(error: Any) -> None:
    ambiguous = work(may_have_been_sent=True, lookups=2)
    end = after_failed_lookup(ambiguous, error, attempts_max=MAX, waited_s=1, longest_s=20)
    assert (end.outcome.state, end.may_have_been_sent, end.lookups) == ("queued", True, 2)
    assert not end.is_unknown


@pytest.mark.parametrize(("waited_s", "attempt"), [(20, 1), (1, MAX)])
def test_a_page_whose_search_goes_on_failing_is_told_to_be_unknown(
    waited_s: float, attempt: int
) -> None:
    ambiguous = work(may_have_been_sent=True, attempt=attempt)
    end = after_failed_lookup(
        ambiguous, Unavailable("x"), attempts_max=MAX, waited_s=waited_s, longest_s=20
    )
    assert end.is_unknown


def test_a_search_that_failed_is_made_again_soon_at_first() -> None:
    first = after_failed_lookup(
        work(may_have_been_sent=True, attempt=50),
        Unavailable("x"),
        attempts_max=100,
        waited_s=0.1,
        longest_s=20,
    )
    assert first.outcome.delay_s < 1


def test_a_refusal_that_goes_on_is_believed() -> None:
    refused = work(kind=OperationKind.RESOLVE_ALERT, target="01A", lookups=STALE_REFUSALS_MAX - 1)
    end = after_refusal(refused, Rejected("no"), "open", attempts_max=100)
    assert end.outcome.state == "failed"


def test_a_refusal_after_many_attempts_that_failed_otherwise_may_still_be_too_early() -> None:
    refused = work(kind=OperationKind.RESOLVE_ALERT, target="01A", attempt=50)
    end = after_refusal(refused, Rejected("no"), "open", attempts_max=100)
    assert (end.outcome.state, end.lookups) == ("queued", 1)


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("resolve_alert", "queued", "queued"),
        ("resolve_alert", "resolved", "done"),
        ("resolve_alert", "suppressed", "failed"),
        ("resolve_alert", None, "failed"),
        ("acknowledge_alert", "queued", "queued"),
        ("acknowledge_alert", "acknowledged", "done"),
        ("acknowledge_alert", "resolved", "done"),
        ("acknowledge_alert", "open", "queued"),
        ("resolve_alert", "open", "queued"),
    ],
)
def test_what_a_refusal_means_depends_on_where_the_alert_is(
    kind: str, status: str | None, state: str
) -> None:
    refused = work(kind=OperationKind(kind), target="01A")
    end = after_refusal(refused, Rejected("no"), status, attempts_max=MAX)
    assert end.outcome.state == state
