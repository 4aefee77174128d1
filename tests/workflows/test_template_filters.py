"""Filters by Rootly's names do what its public page says of them."""

from typing import Any

import pytest

from pagersync.workflows.template_times import in_words
from pagersync.workflows.templates import TemplateError, render

CONTEXT: dict[str, Any] = {
    "roles": [
        {"role": "commander", "user": {"name": "Alice"}, "n": 1},
        {"role": "scribe", "user": {"name": "Bob"}, "n": 2},
        {"role": "scribe", "user": {"name": "Cara"}, "n": 2},
    ],
    "object": {"key": "hello", "value": "world", "foo": "bar"},
    "nested": ["1", "2", ["3"]],
    "none": None,
    "body": "Severity: high\nHost: db1.example.com\nLine 3\nDone",
}


def rendered(expression: str) -> str:
    return render(f"{{{{ {expression} }}}}", {"context": CONTEXT})


def failed(expression: str) -> str:
    with pytest.raises(TemplateError) as error:
        rendered(expression)
    return error.value.detail


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("context.roles | find: 'role', 'scribe' | get: 'user.name'", "Bob"),
        ("context.roles | find: 'user.name', 'Cara' | get: 'role'", "scribe"),
        ("context.roles | find: 'n', '2' | get: 'user.name'", "Bob"),
        ("context.roles | find: 'role', 'nobody'", ""),
        ("context.roles | where: 'role', 'scribe' | map: 'n' | join: '-'", "2-2"),
        ("context.roles | where: 'user.name' | size", "3"),
        ("context.roles | map: 'n' | uniq | join: ','", "1,2"),
        ("context.roles | uniq: 'role' | size", "2"),
        ("context.roles | get: '1.user.name'", "Bob"),
        ("context.roles | get: '9.user.name'", ""),
        ("context.object | slice: 'key', 'foo'", '{"key": "hello", "foo": "bar"}'),
        ("'PagerTree' | slice: 0, 5", "Pager"),
        ("context.nested | flatten | join: ','", "1,2,3"),
        ("context.object | to_values", '{"value": "world"}'),
        ("context.object | to_values: 'key'", '{"value": "hello"}'),
        ("context.roles | first | get: 'user' | to_json", '{"name": "Alice"}'),
        ("context.none | default: '-'", "-"),
        ("'a<b>c</b><!-- <i> --><script>x()</script ><style>y</style>d' | strip_html", "acd"),
        ("'1 < 2 and 3 > 2' | strip_html", "1  2"),
        ("'a-b-c' | replace: '-', '+'", "a+b+c"),
    ],
)
def test_lookups(expression: str, expected: str) -> None:
    assert rendered(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'hello_world' | dasherize", "hello-world"),
        ("'Hello, Wörld!' | parameterize", "hello-world"),
        ("'Hello World' | parameterize: '_'", "hello_world"),
        ("'hello world' | camelize", "Hello world"),
        ("'incident_status' | camelize", "IncidentStatus"),
        ("'hello world' | titleize", "Hello World"),
        ("'incident_management' | humanize", "Incident Management"),
        ("'0' | humanize", "No"),
        ("'1' | humanize", "Yes"),
    ],
)
def test_words(expression: str, expected: str) -> None:
    assert rendered(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (r"'foo bar 123 456' | regex_replace: '\d+', 'baz'", "foo bar baz baz"),
        (r"'foo bar 123 456' | regex_replace_first: '\d+', 'baz'", "foo bar baz 456"),
        (r"'user@host' | regex_replace: '(\w+)@(\w+)', '\2 at \1'", "host at user"),
        (r"'foo bar 123 456' | regex_remove: '\s*\d+'", "foo bar"),
        (r"'foo bar 123 456' | regex_remove_first: '\d+'", "foo bar  456"),
        (r"'Key1: value1' | regex_match: 'Key(\d+): (.+)' | last", "value1"),
        (r"'a@b.org' | regex_match: '(\w+)@(\w+\.\w+)' | size", "3"),
        (r"'nothing' | regex_match: '\d' | size", "0"),
        ("'HELLO world' | regex_match: 'hello', 'i' | first", "HELLO"),
        ("context.body | regex_match: 'line.*done', 'im' | size", "1"),
        ("context.body | regex_match: '^Host: (.+)$' | last", "db1.example.com"),
        (r"'foo 123 bar 456' | regex_match_all: '\d+' | join: ','", "123,456"),
        (r"'ERROR: failed, error: late' | regex_match_all: 'error: (\w+)', 'i' | last", "late"),
        (r"'a=1 b=2' | regex_match_all: '(\w)=(\d)' | last | join: ':'", "b:2"),
    ],
)
def test_regular_expressions(expression: str, expected: str) -> None:
    assert rendered(expression) == expected


def test_a_regular_expression_that_is_none_is_an_error() -> None:
    assert "not a regular expression: missing )" in failed("'x' | regex_match: '('")
    assert "invalid perl operator: (?<=" in failed("'x' | regex_match: '(?<=a)b'")
    assert "unknown flag 'x': i and m are known" in failed("'x' | regex_match: 'a', 'x'")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "'2023-06-29T10:30:00Z' | date_add: 2, 'hours' | date: '%Y-%m-%d %H:%M'",
            "2023-06-29 12:30",
        ),
        (
            "'2023-06-29T13:30:00Z' | date_minus: 1, 'hour' | date: '%Y-%m-%d %H:%M'",
            "2023-06-29 12:30",
        ),
        (
            "'2023-06-29T12:00:00Z' | date_add: 30, 'minutes' | date: '%Y-%m-%d %H:%M'",
            "2023-06-29 12:30",
        ),
        ("'2024-01-31' | date_add: 1, 'month' | date: '%Y-%m-%d'", "2024-02-29"),
        ("'2024-03-31' | date_minus: 13, 'months' | date: '%Y-%m-%d'", "2023-02-28"),
        ("'2024-02-29' | date_add: 1, 'year' | date: '%Y-%m-%d'", "2025-02-28"),
        ("'2023-06-29T10:30:00-05:00' | to_utc | date: '%H:%M %Z'", "15:30 UTC"),
        ("'2023-06-29T12:00:00Z' | in_time_zone: 'Europe/London' | date: '%H:%M %Z'", "13:00 BST"),
        (
            "'2023-06-29T12:00:00Z' | in_time_zone: 'Asia/Tokyo' | to_iso8601",
            "2023-06-29T21:00:00+09:00",
        ),
        ("0 | date: '%s %L %N %%s %Y'", "0 000 000000000 %s 1970"),
        ("'1700000000' | date: '%s'", "1700000000"),
        ("'Thu, 29 Jun 2023 12:00:00 +0000' | to_iso8601", "2023-06-29T12:00:00+00:00"),
        ("'May 1, 2020' | to_iso8601", "2020-05-01T00:00:00+00:00"),
        ("context.none | date: '%Y'", ""),
        ("'May 1, 2020' | distance_of_time_in_words: 'May 31, 2020'", "about 1 month"),
        ("3720 | distance_of_time_in_words", "about 1 hour"),
        ("'now' | distance_of_time_in_words_to_now", "less than a minute"),
        ("'now' | date_minus: 3, 'days' | distance_of_time_in_words", "3 days"),
    ],
)
def test_times(expression: str, expected: str) -> None:
    assert rendered(expression) == expected


def test_what_is_no_time_zone_or_part_is_an_error() -> None:
    assert "'soon' is no time" in failed("'soon' | date: '%Y'")
    assert "unknown time zone '../etc/passwd'" in failed("'now' | in_time_zone: '../etc/passwd'")
    assert "unknown part of time 'weeks'" in failed("'now' | date_add: 1, 'weeks'")
    assert "date_add: " in failed("'now' | date_add: 99999, 'years'")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (29, "less than a minute"),
        (60, "1 minute"),
        (44 * 60, "44 minutes"),
        (45 * 60, "about 1 hour"),
        (90 * 60, "about 2 hours"),
        (1_439 * 60, "about 24 hours"),
        (1_440 * 60, "1 day"),
        (2_520 * 60, "2 days"),
        (30 * 86_400, "about 1 month"),
        (59 * 86_400, "about 2 months"),
        (100 * 86_400, "3 months"),
        (370 * 86_400, "about 1 year"),
        (550 * 86_400, "over 1 year"),
        (700 * 86_400, "almost 2 years"),
    ],
)
def test_a_length_of_time_in_the_words_of_rails(seconds: int, words: str) -> None:
    assert in_words(seconds) == words
