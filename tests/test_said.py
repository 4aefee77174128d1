"""What a terminal shows: no text of others takes it over."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.log import _renderers
from pagersync.said import UNPRINTABLE, printable, say

EVIL = "up\x1b]0;gone\x07\x1b[2J\x9b8m\r\u202ehidden\x7f\x00"


def test_nothing_that_is_shown_moves_the_cursor_or_hides_a_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say(EVIL)
    say(EVIL, err=True)
    shown = capsys.readouterr()
    assert shown.out == shown.err
    assert not UNPRINTABLE.search(shown.out)
    assert shown.out.startswith(r"up\u001b]0;gone\u0007\u001b[2J\u009b8m\u000d\u202ehidden")


@given(st.text())
def test_json_means_the_same_and_other_texts_stay(text: str) -> None:
    shown = printable(json.dumps(text, ensure_ascii=False))
    assert json.loads(shown) == text
    assert not UNPRINTABLE.search(shown)
    assert printable(shown) == shown


def test_a_log_line_for_people_is_without_control_characters_too() -> None:
    with pytest.raises(ValueError, match="up") as failed:
        int(EVIL)
    error = (failed.type, failed.value, failed.tb)
    event: Any = {"event": EVIL, "address": EVIL, "exc_info": error, "kept": [EVIL]}
    for renderer in _renderers(as_json=False):
        event = renderer(None, "info", event)
    assert isinstance(event, str)
    assert not UNPRINTABLE.search(event)
    assert "gone" in event
    assert "ValueError" in event
