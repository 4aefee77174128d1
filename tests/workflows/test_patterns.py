import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from pagersync.workflows.patterns import (
    PATTERN_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    compile_pattern,
)


def test_a_pattern_matches_anywhere_in_a_text() -> None:
    matches = compile_pattern("check.?out (is )?down$")
    assert matches("the checkout is down")
    assert not matches("the checkout is down again")
    assert compile_pattern("(?i)ÜBER")("über")


@pytest.mark.parametrize(
    "pattern",
    ["(x+x+)+y", "(a|aa)+$", "(a*)*b", "(a|b)*a(a|b){900}", "^(([a-z])+.)+[A-Z]([a-z])+$"],
)
@pytest.mark.parametrize("text", ["a" * 200_000, "x" * 200_000, "ab" * 100_000])
def test_patterns_that_would_backtrack_for_ever_finish(pattern: str, text: str) -> None:
    assert compile_pattern(pattern)(text) in (True, False)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing \\)"),
        ("(?=a)b", "perl operator"),
        ("(a)\\1", "escape"),
        ("a{1001}", "repetition"),
        ("\\pL{500}", "too large"),
        ("\\pL{3}", "too large"),
        ("a" * (PATTERN_CHARACTERS_MAX + 1), "at most 500"),
        ("\ud800", "surrogate"),
    ],
)
def test_a_pattern_that_re2_does_not_take_is_refused_with_its_reason(
    pattern: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_pattern(pattern)


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    matches = compile_pattern("z")
    assert matches("a" * (TEXT_CHARACTERS_MAX - 1) + "z")
    assert not matches("a" * TEXT_CHARACTERS_MAX + "z")


@given(st.text(max_size=40), st.text(max_size=200))
def test_an_accepted_pattern_never_fails_on_a_text(pattern: str, text: str) -> None:
    try:
        matches = compile_pattern(pattern)
    except ValueError:
        return
    assert matches(text) in (True, False)


@given(st.text(min_size=1, max_size=30))
def test_an_escaped_text_is_found_in_itself(text: str) -> None:
    assert compile_pattern(re2.escape(text))(f"-{text}-")
