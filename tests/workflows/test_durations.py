from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.workflows.durations import DAY_S, INACTIVITY, REPEAT_EVERY, WAIT, Limits, duration_s

ANY = Limits(0, 10**12)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30 seconds", 30),
        ("10 sec", 10),
        ("10 min", 600),
        ("30min", 1800),
        ("1h", 3600),
        ("1 hour", 3600),
        ("2h 30min", 9000),
        ("1 day", 86_400),
        ("1 day, 2 hours", 93_600),
        ("3 days", 3 * 86_400),
        ("2 weeks", 14 * 86_400),
        ("1 month", 30 * 86_400),
        ("  1 HOUR ", 3600),
    ],
)
def test_durations_are_read_as_rootly_writes_them(text: str, seconds: int) -> None:
    assert duration_s(text, ANY) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "10", "min", "-1 min", "1.5 h", "1 min !", "1 year", "1h or 2h", "9" * 200]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no duration|no unit"):
        duration_s(text, ANY)


@pytest.mark.parametrize(
    ("text", "limits", "words"),
    [
        ("9 seconds", WAIT, "10 seconds to 31 days"),
        ("32 days", WAIT, "10 seconds to 31 days"),
        ("59 s", REPEAT_EVERY, "1 minute to 31 days"),
        ("367 days", INACTIVITY, "1 minute to 366 days"),
    ],
)
def test_a_duration_outside_its_limits_is_refused_with_them(
    text: str, limits: Limits, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        duration_s(text, limits)


def test_the_shortest_wait_is_ten_seconds_and_the_longest_a_month() -> None:
    assert duration_s("10 seconds", WAIT) == 10
    assert duration_s("31 days", WAIT) == 31 * DAY_S


@given(st.one_of(st.text(max_size=120), st.from_regex(r"[0-9 a-z,]{0,110}", fullmatch=True)))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert duration_s(text, ANY) >= 0
