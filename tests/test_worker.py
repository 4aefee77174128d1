"""Batches are as large as can be worked in about half a second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.worker import BATCH_S, fitting_rows


@given(st.integers(1, 500), st.floats(0, 600), st.integers(1, 500))
def test_a_batch_is_never_empty_or_too_large(rows: int, took_s: float, rows_max: int) -> None:
    assert 1 <= fitting_rows(rows, took_s, rows_max) <= rows_max


@given(st.integers(1, 500), st.floats(0.002, 10))
def test_rows_that_take_as_long_as_those_before_end_in_time(rows: int, each_s: float) -> None:
    following = fitting_rows(rows, rows * each_s, 500)
    assert following == 1 or following * each_s <= BATCH_S + 0.01


@pytest.mark.parametrize(("rows", "took_s", "following"), [(500, 5.0, 50), (500, 0.1, 500)])
def test_a_slow_batch_is_followed_by_a_smaller_one(
    rows: int, took_s: float, following: int
) -> None:
    assert fitting_rows(rows, took_s, 500) == following
