"""How long a search is given: pure rules."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.paging.settle import (
    CAREFUL_LOOKS_MIN,
    FACTOR,
    FAILED_LOOK_S_MAX,
    FLOOR_S,
    LOOKS_MIN,
    ORDER_MIN,
    SAMPLES_MAX,
    SAMPLES_MIN,
    Lags,
    Settle,
    after_failed_look_s,
    first_probe_s,
    high_quantile,
    is_settled,
    is_timely,
    may_settle,
    next_look_s,
    next_probe_s,
    settle_of,
)

UPPER_S = 20.0
SECONDS = st.floats(0, 60)
SAMPLES = st.lists(SECONDS, min_size=SAMPLES_MIN, max_size=SAMPLES_MAX)


def measured(*found_s: float, missing_s: Sequence[float] = (), in_order: int = 0) -> Settle:
    lags = Lags(found_s=found_s, missing_s=missing_s, in_order=in_order)
    return settle_of(lags, mode="measured", upper_s=UPPER_S)


@given(st.lists(SECONDS, max_size=SAMPLES_MIN - 1), st.lists(SECONDS, max_size=3))
def test_while_little_is_known_the_longest_wait_counts(
    found_s: list[float], missing_s: list[float]
) -> None:
    assert measured(*found_s, missing_s=missing_s).wait_s == UPPER_S


@given(SAMPLES)
def test_the_wait_is_never_longer_than_the_setting(found_s: list[float]) -> None:
    assert measured(*found_s).wait_s <= UPPER_S


@given(SAMPLES)
def test_the_wait_has_the_factor_over_all_but_one_of_a_hundred_samples(
    found_s: list[float],
) -> None:
    wait_s = measured(*found_s).wait_s
    beyond = sum(lag * FACTOR > wait_s for lag in found_s if lag * FACTOR <= UPPER_S)
    assert beyond <= len(found_s) // 100


@given(st.lists(SECONDS, min_size=SAMPLES_MIN, max_size=99))
def test_of_fewer_than_a_hundred_samples_the_highest_counts(found_s: list[float]) -> None:
    assert high_quantile(found_s) == max(found_s)


@given(st.lists(st.floats(0, 2), min_size=SAMPLES_MIN, max_size=SAMPLES_MAX), st.floats(2, 60))
def test_an_alert_that_is_not_found_yet_makes_the_wait_longer_at_once(
    found_s: list[float], missing_s: float
) -> None:
    wait_s = measured(*found_s, missing_s=[missing_s]).wait_s
    assert wait_s >= max(measured(*found_s).wait_s, min(UPPER_S, missing_s * FACTOR + FLOOR_S))


@given(SAMPLES, st.integers(0, 100))
def test_careful_waits_for_the_setting_and_trusts_no_order(
    found_s: list[float], in_order: int
) -> None:
    careful = settle_of(Lags(found_s, in_order=in_order), mode="careful", upper_s=UPPER_S)
    assert careful == Settle(UPPER_S, CAREFUL_LOOKS_MIN, None, UPPER_S, likely_s=None)


@pytest.mark.parametrize(
    ("in_order", "overtaken", "in_order_s"),
    [
        (ORDER_MIN, 0, 1.0 + FLOOR_S),
        (ORDER_MIN - 1, 0, None),
        (100, 1, None),
    ],
)
def test_an_order_counts_that_was_seen_often_and_never_broken(
    in_order: int, overtaken: int, in_order_s: float | None
) -> None:
    lags = Lags([1.0] * SAMPLES_MIN, in_order=in_order, overtaken=overtaken)
    assert settle_of(lags, mode="measured", upper_s=UPPER_S).in_order_s == in_order_s


@given(SAMPLES)
def test_a_later_alert_shortens_the_wait_by_the_factor_at_most(found_s: list[float]) -> None:
    wait = measured(*found_s, in_order=ORDER_MIN)
    assert wait.in_order_s is not None
    assert min(UPPER_S, high_quantile(found_s)) <= wait.in_order_s <= wait.wait_s


@pytest.mark.parametrize(
    ("looks", "waited_s", "sees_later", "expected"),
    [
        (LOOKS_MIN, 3.0, False, True),
        (LOOKS_MIN - 1, 3.0, False, False),
        (LOOKS_MIN, 2.9, False, False),
        (LOOKS_MIN, 1.0, True, True),
        (LOOKS_MIN - 1, 1.0, True, False),
        (LOOKS_MIN, 0.9, True, False),
    ],
)
def test_when_an_empty_search_may_be_believed(
    looks: int,
    waited_s: float,
    sees_later: bool,  # noqa: FBT001 - parametrized
    expected: bool,  # noqa: FBT001 - parametrized
) -> None:
    wait = Settle(wait_s=3.0, looks_min=LOOKS_MIN, in_order_s=1.0, longest_s=20.0)
    assert is_settled(wait, looks=looks, waited_s=waited_s, sees_later=sees_later) == expected


@given(
    st.floats(0, 20),
    st.none() | st.floats(0, 20),
    st.integers(0, 4),
    st.floats(0, 25),
    st.booleans(),
)
def test_nothing_is_believed_that_only_one_call_looked_for(
    wait_s: float,
    in_order_s: float | None,
    looks: int,
    waited_s: float,
    sees_later: bool,  # noqa: FBT001 - drawn
) -> None:
    wait = Settle(wait_s, LOOKS_MIN, in_order_s, longest_s=20.0)
    if not may_settle(wait, looks=looks, waited_s=waited_s):
        assert not is_settled(wait, looks=looks, waited_s=waited_s, sees_later=sees_later)


def test_a_later_alert_says_nothing_where_no_order_was_seen() -> None:
    wait = Settle(wait_s=3.0, looks_min=LOOKS_MIN, in_order_s=None, longest_s=20.0)
    assert not is_settled(wait, looks=9, waited_s=2.9, sees_later=True)


@given(st.floats(-10, 100), st.floats(0.1, UPPER_S))
def test_the_next_search_is_soon_and_not_much_later_than_the_wait(
    waited_s: float, wait_s: float
) -> None:
    wait = Settle(wait_s, looks_min=2, in_order_s=None, longest_s=UPPER_S, likely_s=wait_s / 3)
    next_at_s = waited_s + next_look_s(wait, waited_s)
    assert waited_s < next_at_s <= waited_s + 2.0 + 1e-6
    assert waited_s >= wait_s or next_at_s <= wait_s + 0.1 + 1e-6


@given(st.floats(-10, 1e6), st.floats(0, 1))
def test_a_search_that_failed_is_repeated_ever_more_rarely(waited_s: float, jitter: float) -> None:
    pause_s = after_failed_look_s(waited_s, jitter)
    assert 0.2 < pause_s <= min(max(waited_s, 0.5), 1.21 * FAILED_LOOK_S_MAX)


@given(SECONDS)
def test_a_lag_counts_only_if_the_search_before_was_not_much_earlier(found_s: float) -> None:
    assert is_timely(missing_s=found_s, found_s=found_s)
    assert is_timely(missing_s=0, found_s=found_s) == (found_s <= 1)


@given(st.lists(SECONDS, max_size=SAMPLES_MAX), SECONDS)
def test_measuring_takes_a_bounded_number_of_searches(
    found_s: list[float], missing_s: float
) -> None:
    waited_s, looks = first_probe_s(Lags(found_s, [missing_s])), 0
    assert waited_s <= 1
    while waited_s < UPPER_S:
        waited_s, looks = waited_s + next_probe_s(waited_s), looks + 1
    assert looks < 20
