"""Labels are kept as well as they can be, and found again by what they say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.labels import LABELS_MAX, alternatives, fit_labels, label_of, parts_of

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=6,
)


def escaped(text: str) -> str:
    for sign in ("\\", ",", ":"):
        text = text.replace(sign, f"\\{sign}")
    return text


@given(
    given_labels=st.lists(JSON, max_size=60) | st.dictionaries(st.text(), JSON, max_size=60),
    as_text=st.booleans(),
)
def test_whatever_labels_are_given_they_can_be_kept(given_labels: Any, *, as_text: bool) -> None:
    notes: list[str] = []
    kept = fit_labels(given_labels, notes, as_text=as_text)
    assert len(kept) <= LABELS_MAX
    json.dumps(kept, allow_nan=False)
    assert not any("\x00" in f"{key}{value}" for key, value in kept.items())
    assert all(len(key) <= 100 for key in kept)
    assert all(len(value) <= 255 for value in kept.values() if isinstance(value, str))
    assert not as_text or all(isinstance(value, str) for value in kept.values())


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1, max_size=4))
def test_a_label_that_is_written_with_backslashes_is_read_back(pairs: list[Any]) -> None:
    written = ",".join(f"{escaped(key)}:{escaped(value)}" for key, value in pairs)
    assert [label_of(part) for part in parts_of(written)] == pairs


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a:b", [("a", "b")]),
        ("a:b,c:", [("a", "b"), ("c", "")]),
        ("url:https://x.test:8080/a", [("url", "https://x.test:8080/a")]),
        (r"path:C:\temp", [("path", r"C:\temp")]),
        ("no colon", [None]),
    ],
)
def test_a_filter_from_before_backslashes_means_what_it_meant(
    text: str, labels: list[tuple[str, str] | None]
) -> None:
    assert [label_of(part) for part in parts_of(text)] == labels


def test_numbers_are_found_by_their_text() -> None:
    assert alternatives("3") == ["3", 3]
    assert alternatives("true") == ["true", True]
    assert alternatives("NaN") == ["NaN"]
    assert alternatives("x") == ["x"]


def test_what_is_left_out_is_noted() -> None:
    notes: list[str] = []
    many = [{"key": f"k{number}", "value": "v"} for number in range(LABELS_MAX + 2)]
    assert len(fit_labels(many, notes)) == LABELS_MAX
    assert notes == [f"2 labels were left out: the first {LABELS_MAX} are kept"]
    notes.clear()
    assert fit_labels([{"value": "v"}, "env:prod", 7, {"key": "a", "value": None}], notes) == {
        "env": "prod"
    }
    assert notes == [
        "label 1 was left out: it has no key",
        "label 3 was left out: it has no key",
    ]
