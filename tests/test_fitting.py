from hypothesis import given
from hypothesis import strategies as st

from pagersync.fitting import cut, fit, with_notes


def test_a_long_text_is_cut_and_noted() -> None:
    notes: list[str] = []
    assert fit("title", "abcdef", 4, notes) == "abc…"
    assert notes == ["title was cut from 6 to 4 characters"]


def test_a_text_that_fits_stays_and_is_not_noted() -> None:
    notes: list[str] = []
    assert fit("title", "abcd", 4, notes) == "abcd"
    assert fit("title", None, 4, notes) is None
    assert notes == []


def test_a_cut_separates_no_accent_and_leaves_no_joiner() -> None:
    assert cut("abe\u0301xyz", 4) == "ab…"
    assert cut("ab\u200dcd", 4) == "ab…"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_whatever_is_cut_fits(text: str, characters_max: int) -> None:
    assert len(cut(text, characters_max)) <= characters_max


def test_a_sentence_has_each_note_once() -> None:
    assert with_notes("Paged SRE", ["a", "b", "a"]) == "Paged SRE (a; b)"
    assert with_notes("Paged SRE", []) == "Paged SRE"
