"""When runs beyond a limit begin: in order, where there is room, the needed ones soon."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pagersync.workflows.spread import minutes_max, spread

ROOMS = st.lists(st.integers(-5, 40), min_size=2, max_size=8)


def test_runs_fill_the_next_minutes_in_their_order() -> None:
    assert spread([0, 2, 2, 2], 5, is_needed=True) == [1, 1, 2, 2, 3]


def test_runs_that_are_needed_are_spread_evenly_where_no_minute_has_room() -> None:
    assert spread([0, 1, 0], 5, is_needed=True) == [1, 1, 1, 2, 2]


def test_runs_that_can_wait_do_not_begin_where_no_minute_has_room() -> None:
    assert spread([0, 1, 1], 4, is_needed=False) == [1, 2, None, None]


def test_of_a_thousand_runs_the_last_that_is_needed_waits_for_five_minutes() -> None:
    minutes = spread([0, *[60] * minutes_max(is_needed=True)], 940, is_needed=True)
    assert Counter(minutes) == {1: 188, 2: 188, 3: 188, 4: 188, 5: 188}


@given(room=ROOMS, runs=st.integers(0, 200), is_needed=st.booleans())
def test_every_run_that_is_needed_begins_and_no_minute_takes_more_while_another_has_room(
    room: list[int], runs: int, *, is_needed: bool
) -> None:
    minutes = spread(room, runs, is_needed=is_needed)
    begun = [minute for minute in minutes if minute is not None]
    assert len(minutes) == runs
    assert begun == sorted(begun)
    assert all(0 <= minute < len(room) for minute in begun)
    if is_needed:
        assert len(begun) == runs
    taken = Counter(begun)
    free = [max(0, n) for n in room]
    if len(begun) <= sum(free):
        assert all(taken[minute] <= free[minute] for minute in taken)
    else:
        assert all(taken[minute] >= free[minute] for minute in range(len(room)))
