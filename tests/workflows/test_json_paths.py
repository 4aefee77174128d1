import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonpath import JSONPathEnvironment

from pagersync.workflows.json_paths import STEPS_MAX, compile_query

DOCUMENT = {
    "env": "prod",
    "tags": ["a", "b", "c"],
    "teams": [
        {"id": 1, "name": "core", "lead": {"id": 7}},
        {"id": 2, "name": "web", "on": True, "lead": None},
        {"id": 3.5, "on": 1, "when": ""},
    ],
}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("$.env", ["prod"]),
        ("$['env']", ["prod"]),
        ("$.nothing.at.all", []),
        ("$.env.inside.a.text", []),
        ("$.env[0]", []),
        ("$.env[0:2]", []),
        ("$.tags[0]", ["a"]),
        ("$.tags[-1]", ["c"]),
        ("$.tags[3]", []),
        ("$.tags[-4]", []),
        ("$.tags[1:]", ["b", "c"]),
        ("$.tags[::-1]", ["c", "b", "a"]),
        ("$.tags[0,2]", ["a", "c"]),
        ("$.tags[::0]", []),
        ("$.teams[*].name", ["core", "web"]),
        ("$.teams.*.id", [1, 2, 3.5]),
        ("$..id", [1, 7, 2, 3.5]),
        ("$..lead.id", [7]),
        ("$.teams[?@.id == 2].name", ["web"]),
        ("$.teams[?@.id == 1.0].name", ["core"]),
        ("$.teams[?2 < @.id].id", [3.5]),
        ("$.teams[?@.id >= 2].id", [2, 3.5]),
        ("$.teams[?@.id <= 1].id", [1]),
        ("$.teams[?@.name < 'd'].id", [1]),
        ("$.teams[?@.name < 1].id", []),
        ("$.teams[?@.on == true].id", [2]),
        ("$.teams[?@.on == 1].id", [3.5]),
        ("$.teams[?@.on < 5].id", [3.5]),
        ("$.teams[?@.lead == null].id", [2]),
        ("$.teams[?@.lead].id", [1, 2]),
        ("$.teams[?!@.lead].id", [3.5]),
        ("$.teams[?@.name != 'web'].id", [1, 3.5]),
        ("$.teams[?@.id == 1 || @.id == 2 && @.on == true].id", [1, 2]),
        ("$.teams[?@.lead.id == 7 && $.env == 'prod'].id", [1]),
        ("$.teams[?$.env == 'test'].id", []),
        ("$.tags[?@ != 'b']", ["a", "c"]),
        ("$.tags[?@]", ["a", "b", "c"]),
    ],
)
def test_a_path_leads_to_values(query: str, found: list[Any]) -> None:
    assert compile_query(query)(DOCUMENT) == found


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "no JSONPath"),
        ("env", "at character 1"),
        ("$.env[", "no JSONPath"),
        ("$.a | $.b", "at character 5"),
        ("$.a[?match(@.b, '(a+)+')]", "'match' is not defined, at character 6"),
        ("$.a[?search(@.b, 'a')]", "'search' is not defined"),
        ("$.a[?length(@.b) > 1]", "'length' is not defined"),
        ("$.a[?@.b =~ /(a+)+/]", "no JSONPath"),
        ("$.a[?@.b == @.c]", "compare a value with a text"),
        ("$.a[?1 == 1]", "compare a value with a text"),
        ("$.a[?@..b]", "several values"),
        ("$.a[?@[?@.b == 1]]", "several values"),
        ("$[?@.a == 1e99999]", "no JSONPath"),
        ("$[99999999999999999999]", "out of range"),
        ("$[?" + "!" * 400 + "@.a]", "nested"),
        ("$[?" + "||".join(["@.a"] * 90) + "]", "nested"),
        ("$" + ".a" * 300, "at most 500"),
    ],
)
def test_a_path_that_cannot_be_followed_within_bounds_is_refused(query: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        compile_query(query)


def test_a_path_read_deep_in_the_stack_is_refused_and_does_not_break() -> None:
    def descend(depth: int) -> None:
        if depth:
            return descend(depth - 1)
        with pytest.raises(ValueError, match="no JSONPath"):
            compile_query("$[?" + "(" * 240 + "@.a" + ")" * 240 + "]")
        return None

    frame, depth = sys._getframe(), 0  # noqa: SLF001 - how deep the test itself stands
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    descend(sys.getrecursionlimit() - depth - 150)


WIDE = {"x": [{"k": number, "v": "abc"} for number in range(30_000)]}
DEEP: dict[str, Any] = {}
for _ in range(5_000):
    DEEP = {"d": DEEP, "w": [0] * 20}


@pytest.mark.parametrize("document", [WIDE, DEEP])
@pytest.mark.parametrize(
    "query",
    [
        "$..*",
        "$..*..*..*..*",
        "$..[::2]..[::2]..[::2]",
        "$..[?@.k == 7 || @.v != 'x' || @.z]",
        "$..*[" + ",".join(["'k'"] * 100) + "]",
        "$..[" + ",".join(["*"] * 200) + "]",
    ],
)
def test_a_large_document_is_looked_at_up_to_a_bound(query: str, document: dict[str, Any]) -> None:
    assert len(compile_query(query)(document)) <= STEPS_MAX


def test_what_lies_within_the_bound_is_found() -> None:
    assert compile_query("$.x[0].k")(WIDE) == [0]
    assert compile_query("$.x[29999].k")(WIDE) == [29_999]
    assert compile_query("$.x[?@.k == 7].k")(WIDE) == [7]


names = st.sampled_from(["a", "b", "c"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from(["", "x", "a"]))
documents = st.dictionaries(
    names,
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)
        ),
        max_leaves=12,
    ),
    max_size=3,
)
constants = st.sampled_from(["1", "-1", "0", "'x'", "true", "false", "null", "1.0"])
comparisons = st.builds(
    lambda left, operator, right: f"{left} {operator} {right}",
    st.sampled_from(["@.a", "@.b.c", "$.a", "@['b'][0]"]),
    st.sampled_from(["==", "!="]),
    constants,
)
atoms = st.one_of(comparisons, st.sampled_from(["@.a", "!@.b", "$.c"]))
filters = st.recursive(
    atoms,
    lambda inner: st.builds(
        lambda left, operator, right: f"({left} {operator} {right})",
        inner,
        st.sampled_from(["&&", "||"]),
        inner,
    ),
    max_leaves=4,
)
selectors = st.one_of(
    names.map("'{}'".format),
    st.sampled_from(["*", "0", "-1", "1"]),
    filters.map("?{}".format),
)
segments = st.builds(
    lambda dots, chosen: f"{dots}[{', '.join(chosen)}]",
    st.sampled_from(["", ".."]),
    st.lists(selectors, min_size=1, max_size=2),
)
queries = st.lists(segments, max_size=3).map("".join).map("${}".format)
LIBRARY = JSONPathEnvironment(strict=True)


@given(queries, documents)
def test_paths_lead_where_the_library_says(query: str, document: dict[str, Any]) -> None:
    found = compile_query(query)(document)
    assert repr(found) == repr(LIBRARY.findall(query, document))


@given(st.text("$@.[]?*ab'\"01-:,()!=<>&| ", max_size=12).map("${}".format), documents)
def test_an_accepted_path_never_fails(query: str, document: dict[str, Any]) -> None:
    try:
        find = compile_query(query)
    except ValueError:
        return
    assert isinstance(find(document), list)
