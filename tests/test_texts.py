"""Texts, keys, addresses and tags are made to fit; what is lost is noted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.texts import few, fit_key, fit_tags, fit_text, fit_url

ANY_TEXT = st.text(st.characters(exclude_categories=[]))


def is_storable(text: str) -> bool:
    text.encode()
    return "\x00" not in text


@given(ANY_TEXT, st.integers(min_value=1, max_value=30))
def test_any_text_becomes_one_that_fits_and_a_change_is_noted(text: str, most: int) -> None:
    notes: list[str] = []
    fitted = fit_text("summary", text, most, notes)
    assert len(fitted) <= most
    assert is_storable(fitted)
    assert (fitted != text) == bool(notes)


@given(ANY_TEXT, ANY_TEXT)
def test_keys_that_differ_stay_different_and_fit(one: str, other: str) -> None:
    notes: list[str] = []
    keys = [fit_key("key", f"{'x' * 30}{text}", 30, notes) for text in (one, other)]
    assert all(key is not None and len(key) <= 30 and is_storable(key) for key in keys)
    assert (keys[0] == keys[1]) == (one == other)


def test_a_blank_key_is_none_or_everything_without_a_key_would_be_one_thing() -> None:
    notes: list[str] = []
    assert fit_key("deduplication_key", " ", 255, notes) is None
    assert notes == ["deduplication_key is empty: it was left out"]
    assert fit_key("deduplication_key", "a", 255, notes) == "a"


def test_an_address_is_kept_whole_or_not_at_all() -> None:
    notes: list[str] = []
    assert fit_url("external_url", "https://a.test", 20, notes) == "https://a.test"
    assert fit_url("external_url", "https://a.test/too-long", 20, notes) is None
    assert notes == ["external_url was left out: it has 23 characters, at most 20 are kept"]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", " http://a", "//a.test", "http://a\x1b[2J", "a"],
)
def test_an_address_that_is_no_link_of_the_web_is_left_out(url: str) -> None:
    notes: list[str] = []
    assert fit_url("external_url", url, 100, notes) is None
    assert notes == [
        "external_url was left out: it must begin with https:// or http://, and be printable"
    ]
    assert fit_url("external_url", "HTTPS://a.test/x", 100, notes) == "HTTPS://a.test/x"


@given(st.lists(ANY_TEXT, max_size=30))
def test_any_tags_become_tags_that_can_be_sent(tags: list[str]) -> None:
    notes: list[str] = []
    kept = fit_tags(tags, tags_max=5, characters_max=10, notes=notes)
    assert len(kept) == len(set(kept)) <= 5
    assert all(tag.strip() and len(tag) <= 10 and tag.isprintable() for tag in kept)
    assert notes or kept == list(dict.fromkeys(tag.strip() for tag in tags))


def test_of_very_many_notes_the_first_are_kept_and_the_rest_counted() -> None:
    assert few(["a", "b", "a"]) == ["a", "b"]
    assert few([str(number) for number in range(5)], 2) == ["0", "1", "and 3 more like these"]
