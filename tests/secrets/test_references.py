"""Named secrets in calls: nothing but the call itself ever holds a value."""

import base64
import json
from urllib.parse import quote

import pytest

from pagersync.secrets.references import CallSecrets, mark, marked_text, names_in, unmark

VALUE = 'p"a&s/s wört'
SECRETS = CallSecrets({"A": VALUE})


def filled(text: str) -> str:
    return SECRETS.fill(str(marked_text(text)))


def test_a_reference_becomes_the_value_and_what_only_looks_like_one_does_not() -> None:
    assert filled("x {{ secrets.A }} {{secrets.A}}") == f"x {VALUE} {VALUE}"
    assert filled("{{- secrets.A -}}") == VALUE
    assert SECRETS.fill("{{ secrets.A }}") == "{{ secrets.A }}", "a rendered text refers to nothing"
    assert filled("{{ secrets.B }}") != VALUE


def test_an_address_gets_the_value_encoded_unless_it_begins_with_it() -> None:
    url = CallSecrets({"BASE": "https://hooks.example/T0?x=1", "A": VALUE})
    text = str(marked_text("{{ secrets.BASE }}&token={{ secrets.A }}"))
    assert url.fill_url(text) == f"https://hooks.example/T0?x=1&token={quote(VALUE, safe='')}"


def test_a_body_that_is_json_stays_json() -> None:
    body = SECRETS.fill_body(str(marked_text('{"a": "{{ secrets.A }}", "b": 1}')))
    assert json.loads(str(body)) == {"a": VALUE, "b": 1}
    assert SECRETS.fill_body(str(marked_text("a={{ secrets.A }}"))) == f"a={VALUE}"
    assert SECRETS.fill_body(None) is None


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        quote(VALUE, safe=""),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        base64.b64encode(VALUE.encode()).decode(),
    ],
)
def test_a_value_is_hidden_in_every_form_in_which_it_may_come_back(form: str) -> None:
    assert SECRETS.hide(f"<{form}>").strip("=") in ("<***>", "<***=>", "<***==>")


def test_parts_of_a_login_and_of_an_address_are_hidden_too() -> None:
    login = base64.b64encode(b"ada:hunter2-hunter2").decode()
    assert "hunter2-hunter2" not in CallSecrets(written=(login,)).hide("you are hunter2-hunter2")
    address = CallSecrets({"HOOK": "https://h.example/services/T0/abcdefgh12"})
    assert "abcdefgh12" not in address.hide("no such hook abcdefgh12")


def test_an_answer_that_is_cut_amid_a_value_shows_nothing_of_it() -> None:
    assert SECRETS.hide(f"x {VALUE[:6]}", is_cut=True) == "x ***"
    assert SECRETS.hide("x", is_cut=True) == "x"


def test_markers_are_shown_as_what_they_stand_for() -> None:
    params = {
        "url": "https://a.example/{{ secrets.A }}",
        "headers": '{"X": "{{secrets.B}}"}',
        "n": 1,
    }
    assert list(names_in(params)) == [("url", "A"), ("headers", "B")]
    shown = unmark(mark(params))
    assert shown["url"] == params["url"]
    assert shown["n"] == 1
    assert unmark([mark(params)])[0] == shown
