"""Templates: what they say, what is refused when they are saved, and where they end."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagersync.errors import InvalidError
from pagersync.workflows import templates
from pagersync.workflows.template_context import LOOP_ITERATIONS_MAX, OUTPUT_BYTES_MAX
from pagersync.workflows.template_remarks import Remarks
from pagersync.workflows.template_source import SOURCE_CHARACTERS_MAX, TAG_CHARACTERS_MAX
from pagersync.workflows.templates import (
    _LIQUID,
    PARAMS_CHARACTERS_MAX,
    PARAMS_NESTED_MAX,
    TemplateError,
    check_params,
    check_template,
    render,
    render_params,
)

INCIDENT: dict[str, Any] = {
    "title": "Database is down",
    "severity": None,
    "started_at": datetime(2026, 1, 15, 12, 0, tzinfo=UTC),
    "labels": {"team": "payments"},
    "events": [{"event": "first", "n": 2}, {"event": "second", "n": 1}],
    "sequential_id": 42,
}
VARIABLES: dict[str, Any] = {
    "incident": INCIDENT,
    "alert": {"data": {"host": {"names": ["db1", "db2"]}}, "summary": "Disk full"},
}


def rendered(source: str) -> str:
    check_template(source, "/title")
    return render(source, VARIABLES)


def refused(source: str) -> str:
    with pytest.raises(InvalidError) as error:
        check_template(source, "/title")
    assert error.value.pointer == "/title"
    return error.value.detail


def failed(source: str) -> str:
    """Return why a template fails where nothing may be cut."""
    with pytest.raises(TemplateError) as error:
        render(source, VARIABLES, Remarks(cuts=False))
    return error.value.detail


def remarked(source: str) -> tuple[str, Remarks]:
    """Return a template's text, and what was noted."""
    check_template(source, "/title")
    remarks = Remarks()
    return render(source, VARIABLES, remarks), remarks


def test_a_text_without_a_template_stays_as_it_is() -> None:
    assert rendered("50 % of {disks} are full") == "50 % of {disks} are full"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ incident.title }}", "Database is down"),
        ("{{ incident['title'] | upcase }}", "DATABASE IS DOWN"),
        ("{{ incident.severity }}|{{ incident.sequential_id }}", "|42"),
        ("{{ incident.started_at }}", "2026-01-15 12:00:00+00:00"),
        ("{{ incident.labels }}", '{"team": "payments"}'),
        ("{{ alert.data.host }}", '{"names": ["db1", "db2"]}'),
        ("{{ incident.events }}", '{"event": "first", "n": 2}{"event": "second", "n": 1}'),
        (
            "{% for e in incident.events %}{{ forloop.index }}{{ e.event }} {% endfor %}",
            "1first 2second ",
        ),
        (
            "{% assign t = incident.title %}{% capture u %}{{ t }}!{% endcapture %}{{ u }}",
            "Database is down!",
        ),
        ("{% if incident.labels.team == 'payments' %}yes{% else %}no{% endif %}", "yes"),
        ("{% liquid\n assign t = incident.title\n echo t %}", "Database is down"),
        ("{% raw %}{{ not a template }}{% endraw %}", "{{ not a template }}"),
        ("{% comment %}{{ incident.title }}{% endcomment %}x", "x"),
    ],
)
def test_a_template_is_filled_in(source: str, expected: str) -> None:
    assert rendered(source) == expected


@pytest.mark.parametrize(
    ("source", "text", "empty"),
    [
        ("a {{ incident.labels.owner }}", "a ", ["incident.labels.owner is empty"]),
        ("{{ incident.severity }}!", "!", ["incident.severity is empty"]),
        ("{{ incident.severity.name }}", "", ["incident.severity.name is empty"]),
        ("{{ incident.labels.owner | upcase }}", "", ["incident.labels.owner is empty"]),
        ("{{ incident.labels.owner | date: '%s' }}", "", ["incident.labels.owner is empty"]),
        ("{{ 'x' | append: incident.labels.owner }}", "x", ["incident.labels.owner is empty"]),
        ("{% echo incident.severity %}", "", ["incident.severity is empty"]),
        ("{% assign o = incident.labels.owner %}{{ o }}", "", ["incident.labels.owner is empty"]),
        ("{% for i in (1..3) %}{{ incident.severity }}{% endfor %}", "", 1),
        ("{{ page.title }}", "", ["page is empty"]),
    ],
)
def test_what_is_not_there_is_empty_and_noted_once(
    source: str, text: str, empty: list[str] | int
) -> None:
    seen, remarks = remarked(source)
    assert seen == text
    assert (remarks.empty if isinstance(empty, list) else len(remarks.empty)) == empty
    assert remarks.notes == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if incident.labels.owner %}x{% else %}y{% endif %}", "y"),
        ("{% unless incident.labels.owner > 3 %}y{% endunless %}", "y"),
        ("{{ incident.labels.owner | default: 'y' }}", "y"),
        ("{{ incident.labels.owner | default: '' }}", ""),
        ("{{ incident.labels.owner | upcase | default: 'y' }}", "y"),
        ("{% for each in incident.labels.owner %}x{% endfor %}", ""),
    ],
)
def test_who_asks_whether_something_is_there_gets_no_note(source: str, text: str) -> None:
    seen, remarks = remarked(source)
    assert (seen, remarks.empty) == (text, [])


def test_default_stands_in_for_what_is_undefined() -> None:
    assert rendered("{{ incident.labels.owner | default: 'nobody' }}") == "nobody"
    assert rendered("{{ incident.severity.name | default: 'none' }}") == "none"


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("{{ incident.title", "line 1, column 1: `{{` is not closed by `}}`"),
        ("a\nb {% if", "line 2, column 3: `{%` is not closed by `%}`"),
        ("{% if incident %}", "line 1, column 18: expected tag endif, found end"),
        ("{{ }}", "line 1, column 6: expected a primitive expression"),
        ("{{ 'x' | nope }}", "line 1, column 10: unknown filter 'nope'"),
        ("{{ 'x' | smart_date: 'tomorrow' }}", "unknown filter 'smart_date'"),
        ("{% nope %}", "line 1, column 4: unexpected tag 'nope'"),
        ("{% include 'a' %}", "unexpected tag 'include'"),
        ("{% render 'a' %}", "unexpected tag 'render'"),
        ("{% extends 'a' %}", "unexpected tag 'extends'"),
        ("\n{{ incidnt.title }}", "line 2, column 4: unknown variable 'incidnt': there are alert,"),
        ("{{ incident.title | append: foo }}", "line 1, column 29: unknown variable 'foo'"),
        ("{% for e in things %}{% endfor %}", "unknown variable 'things'"),
        ("{% if true %}" * 30 + "{% endif %}" * 30, "block nesting limit reached"),
        ("{{ incident" + "[incident" * 109 + "]" * 10 + " }}", "line 1, column"),
        ("x" * (SOURCE_CHARACTERS_MAX + 1), f"longer than {SOURCE_CHARACTERS_MAX} characters"),
        ("{{ '" + "x" * TAG_CHARACTERS_MAX + "' }}", "column 1: a tag longer than"),
    ],
)
def test_what_cannot_be_right_is_refused_when_it_is_saved(source: str, detail: str) -> None:
    assert detail in refused(source)


@pytest.mark.parametrize("name", ["incident", "alert", "page", "workflow", "event", "context"])
def test_the_six_variables_are_known_and_so_is_the_clock(name: str) -> None:
    check_template(f"{{{{ {name} }}}}{{{{ now }}}}{{{{ today }}}}", "/title")
    assert int(rendered("{{ now | date: '%s' }}")) > INCIDENT["started_at"].timestamp()


def test_names_that_a_template_makes_itself_are_known() -> None:
    assert rendered("{% for i in (1..3) %}{{ i }}{% endfor %}{% increment n %}{{ n }}") == "12301"


@pytest.mark.parametrize(
    "source",
    [
        "{{ incident.__class__ }}",
        "{{ incident.title.__class__ }}",
        "{{ incident.started_at.year }}",
        "{{ incident.items }}",
        "{{ incident.labels.pop }}",
        "{{ incident['__class__'] }}",
    ],
)
def test_attributes_of_python_objects_are_out_of_reach(source: str) -> None:
    assert render(source, VARIABLES) == ""


DOUBLED = "{% assign x = 'aaaaaaaaaa' %}" + "{% assign x = x | append: x %}" * 13
"""Leaves 81,920 characters in `x`, in a short source."""

SPLIT = (
    "{% for i in (1..2000) %}{% capture x %}{{ x }}1,2,3,4,5,6,{% endcapture %}{% endfor %}"
    "{{ x | split: ',' | size }}"
)

HOSTILE = {
    "a huge range": ("{% for i in (1..1000000000) %}{% endfor %}", "items in a range"),
    "a long range": ("{% for i in (1..9000) %}{% endfor %}", "loops were stopped"),
    "nested loops": (
        "{% for i in (1..300) %}{% for j in (1..300) %}{% endfor %}{% endfor %}",
        "loops were stopped",
    ),
    "one loop after another": ("{% for i in (1..600) %}{% endfor %}" * 20, "loops were stopped"),
    "a long table": ("{% tablerow i in (1..9000) %}{% endtablerow %}", "the text was cut"),
    "long bodies": (
        f"{{% for i in (1..{LOOP_ITERATIONS_MAX}) %}}" + "{{''}}" * 1_300 + "{% endfor %}",
        "takes longer than",
    ),
    "a flood of output": (
        f"{{% for i in (1..{LOOP_ITERATIONS_MAX}) %}}{'x' * 500}{{% endfor %}}",
        "the text was cut",
    ),
    "doubled by append": (DOUBLED + "{% assign x = x | append: x %}", "the output of append"),
    "doubled by capture": (
        "{% assign x = 'aaaaaaaaaa' %}" + "{% capture x %}{{ x }}{{ x }}{% endcapture %}" * 30,
        "the text was cut",
    ),
    "multiplied by replace": (
        "{% assign x = 'aaaaaaaaaa' %}" + "{% assign x = x | replace: '', x %}" * 9,
        "characters in a text",
    ),
    "multiplied by join": (
        DOUBLED + "{% assign y = '1,1,1' | split: ',' | join: x %}",
        "characters in a text",
    ),
    "multiplied by a regular expression": (
        "{% assign x = 'aaaaaaaaaa' %}"
        + "{% assign x = x | append: x %}" * 9
        + "{{ x | regex_replace: '(a+)', '"
        + r"\1" * 100
        + "' }}",
        "more than 100000 characters",
    ),
    "kept under many names": (
        DOUBLED + "".join(f"{{% assign x{i} = x %}}" for i in range(20)),
        "keeps more than",
    ),
    "squared numbers": (
        "{% assign x = 9 %}" + "{% assign x = x | times: x %}" * 30,
        "bits in a number",
    ),
    "far into a range": (
        "{% for i in (1..999999999999) limit: 1 offset: 99999999999 %}{% endfor %}",
        "items in a range",
    ),
    "a text in a range": (
        "{% if (1..999999999999) contains 'x' %}{% endif %}",
        "items in a range",
    ),
    "a long list": ("{{ (1..10000000) | join: '' }}", "items in a range"),
    "a long text for a regular expression": (
        DOUBLED + "{{ x | regex_match: '(a+a+)+b' }}",
        "the input of regex_match was cut",
    ),
    "filters on large values": (
        DOUBLED + f"{{% for i in (1..{LOOP_ITERATIONS_MAX}) %}}"
        "{% assign y = x | strip_html | escape_once | split: 'b' | uniq | sort | join: '' %}"
        "{% endfor %}",
        "takes longer than",
    ),
}


@pytest.mark.parametrize(("source", "limit"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_template_ends_at_a_limit_with_line_and_column(
    source: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit != "takes longer than":
        # Collecting garbage can take a test process as long as a template may take.
        monkeypatch.setattr(templates, "RENDER_CPU_S_MAX", 60)
    detail = failed(source)
    assert limit in detail
    assert detail.startswith("line 1, column ")


@pytest.mark.parametrize(
    ("source", "begins", "note"),
    [
        (
            f"{{% for i in (1..{LOOP_ITERATIONS_MAX}) %}}{'é' * 500}{{% endfor %}}",
            "ééé",
            f"the text was cut to {OUTPUT_BYTES_MAX} bytes",
        ),
        (
            "{% for i in (1..300) %}{% for j in (1..300) %}.{% endfor %}{% endfor %}end",
            "." * 4_900,
            f"loops were stopped after {LOOP_ITERATIONS_MAX} turns",
        ),
        (
            DOUBLED + "{{ x | append: x | size }}",
            "100000",
            "the output of append was cut from 163840 to 100000 characters",
        ),
        (
            DOUBLED + "{{ x | regex_match: '^a' }}",
            "a",
            "the input of regex_match was cut from 81920 to 20000 characters",
        ),
        (
            SPLIT,
            "10000",
            "the output of split was cut from 12001 to 10000 items",
        ),
    ],
)
def test_what_is_too_large_is_cut_and_noted(source: str, begins: str, note: str) -> None:
    text, remarks = remarked(source)
    assert text.startswith(begins)
    assert remarks.notes == [note]
    assert len(text.encode()) <= OUTPUT_BYTES_MAX


def test_a_failure_says_what_was_rendered_so_far() -> None:
    with pytest.raises(TemplateError) as error:
        rendered("{{ incident.title }} on {{ 'x' | divided_by: 0 }}")
    assert error.value.so_far == "Database is down on "


@pytest.mark.parametrize(
    "source",
    [
        "{{" * (SOURCE_CHARACTERS_MAX // 2),
        "{{" + " " * (SOURCE_CHARACTERS_MAX - 2),
        "{%" + "a" * (SOURCE_CHARACTERS_MAX - 2),
        "{{" + " " * (SOURCE_CHARACTERS_MAX - 4) + "}}",
        ("{{" + " " * 990 + "}}") * 8,
        ("{{ a | b: " + "(" * 900 + " }}") * 8,
        "{% raw %}" * (SOURCE_CHARACTERS_MAX // 9),
        "{% doc %}" * (SOURCE_CHARACTERS_MAX // 9),
    ],
)
def test_a_template_that_the_parser_is_slow_on_is_refused_before(source: str) -> None:
    """Some of these take the parser several seconds; the whole suite has a time limit."""
    assert refused(source).startswith("line 1, column ")


@pytest.mark.parametrize("text", ["<" * 90_000, "<script" * 12_000, "<!--" * 20_000, "_" * 90_000])
def test_filters_take_time_in_proportion_to_the_text(text: str) -> None:
    """Were it in proportion to its square, the suite's time limit would end them."""
    variables = {"incident": {"summary": text}}
    assert render(
        "{{ incident.summary | strip_html | parameterize | squish | size }}", variables
    ).isdigit()


def test_a_render_that_runs_out_of_limits_leaves_the_next_one_alone() -> None:
    failed(HOSTILE["nested loops"][0])
    assert rendered("{% for i in (1..5) %}{{ i }}{% endfor %}") == "12345"


PIECES = st.sampled_from(
    [
        "{{ incident.title }}",
        "{{ incident.labels.owner }}",
        "{{ incident.events | map: 'event' | join: ',' }}",
        "{{ alert.data | to_json }}",
        "{% for i in (1..4) %}",
        "{% for e in incident.events reversed limit: 1 %}",
        "{% endfor %}",
        "{% tablerow i in (1..4) cols: 2 %}",
        "{% endtablerow %}",
        "{% if incident.sequential_id > 'a' %}",
        "{% if incident.title contains 'data' and true %}",
        "{% elsif alert.summary == blank %}",
        "{% else %}",
        "{% endif %}",
        "{% unless incident.severity %}",
        "{% endunless %}",
        "{% case incident.sequential_id %}",
        "{% when 42, 'x' %}",
        "{% endcase %}",
        "{% assign x = incident.title | split: ' ' %}",
        "{% capture y %}",
        "{% endcapture %}",
        "{% break %}",
        "{% continue %}",
        "{% cycle 'a', 'b' %}",
        "{% increment n %}",
        "{% ifchanged %}",
        "{% endifchanged %}",
        "{% raw %}",
        "{% endraw %}",
        "{% comment %}",
        "{% endcomment %}",
        "{% liquid echo incident.title %}",
        "{{-",
        "-}}",
        "{%",
        "\n",
        "text",
    ]
)
FILTER_NAMES = st.sampled_from(sorted(_LIQUID.filters))
VALUES = st.sampled_from(
    [
        "incident",
        "incident.title",
        "incident.events",
        "incident.started_at",
        "alert.data",
        "incident.severity",
        "incident.labels.owner",
        "'a,b'",
        "''",
        "0",
        "-1",
        "3.7",
        "true",
        "nil",
        "(1..5)",
        "'1e999'",
        "'nan'",
        "999999999999999999",
        "'now'",
        "'%'",
        "'\\1'",
        "'('",
        "empty",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(deadline=None, max_examples=200)
def test_any_accepted_template_renders_or_fails_with_a_template_error(source: str) -> None:
    render_or_fail(source)


@given(
    VALUES,
    st.lists(st.tuples(FILTER_NAMES, st.lists(VALUES, max_size=3)), min_size=1, max_size=3),
)
@settings(deadline=None, max_examples=400)
def test_any_filter_with_any_arguments_gives_a_text_or_a_template_error(
    value: str, filters: list[tuple[str, list[str]]]
) -> None:
    applied = [f"{name}: {', '.join(given)}" if given else name for name, given in filters]
    render_or_fail(f"{{{{ {' | '.join([value, *applied])} }}}}")


def render_or_fail(source: str) -> None:
    detail = ""
    try:
        check_template(source, "")
        text = render(source, VARIABLES)
    except (InvalidError, TemplateError) as error:
        detail = error.detail
    else:
        assert len(text.encode()) <= OUTPUT_BYTES_MAX
    assert not detail or detail.startswith("line ")


def test_every_text_inside_parameters_is_rendered_and_keys_stay() -> None:
    params = {
        "{{ incident.title }}": ["{{ incident.title }}", {"n": 1, "t": "#{{ alert.summary }}"}],
        "flag": True,
        "nothing": None,
    }
    check_params(params, "/task_params")
    assert render_params(params, VARIABLES) == {
        "{{ incident.title }}": ["Database is down", {"n": 1, "t": "#Disk full"}],
        "flag": True,
        "nothing": None,
    }


def test_the_pointer_leads_to_the_text_that_is_wrong() -> None:
    with pytest.raises(InvalidError) as error:
        check_params({"a/b": [{"~": "fine"}, {"~": "{{ nope }}"}]}, "/data/attributes")
    assert error.value.pointer == "/data/attributes/a~1b/1/~0"


def test_a_text_that_fails_inside_parameters_is_named() -> None:
    with pytest.raises(TemplateError) as error:
        render_params({"teams": [{"name": "{{ 'soon' | date: '%Y' }}"}]}, VARIABLES)
    assert error.value.detail == "teams/0/name: line 1, column 13: 'soon' is no time"
    assert error.value.pointer == "/teams/0/name"


def test_parameters_are_limited_together() -> None:
    texts = ["x" * SOURCE_CHARACTERS_MAX] * (PARAMS_CHARACTERS_MAX // SOURCE_CHARACTERS_MAX)
    check_params(texts, "")
    with pytest.raises(InvalidError, match="the texts together are longer"):
        check_params([*texts, "y"], "")
    deep: Any = "x"
    for _ in range(PARAMS_NESTED_MAX + 1):
        deep = [deep]
    with pytest.raises(InvalidError, match="nested more than"):
        check_params(deep, "")


def test_parameters_share_the_time_of_one_rendering() -> None:
    slow = HOSTILE["long bodies"][0]
    one = slow.replace(str(LOOP_ITERATIONS_MAX), "100")
    assert render_params([one], VARIABLES) == [""]
    with pytest.raises(TemplateError, match="takes longer than"):
        render_params([one] * 100, VARIABLES)


def test_what_cannot_be_stored_is_replaced_in_a_text() -> None:
    assert rendered("{{ 'a%00b' | url_decode }}") == "a\N{REPLACEMENT CHARACTER}b"
