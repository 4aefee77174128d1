"""JSONPath (RFC 9535) over an alert's data, within a bound. Pure.

python-jsonpath reads the path. Its evaluation has no bound and takes 10 microseconds for
`$.a.b.c`, so that is done here. A path has no functions, since RFC 9535's `match` and `search`
run regular expressions that can take for ever; filters look at single values and compare them
with constants.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final

from jsonpath import JSONPath, JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from jsonpath.filter import BaseExpression
from jsonpath.segments import JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath.selectors import (
    Filter,
    IndexSelector,
    JSONPathSelector,
    NameSelector,
    SliceSelector,
    WildcardSelector,
)

from pagersync.workflows.json_filters import NOTHING, compile_filter, step_of

QUERY_CHARACTERS_MAX: Final = 500
STEPS_MAX: Final = 50_000
"""Values looked at for one path and one document: what lies beyond counts as not there.

Every part of a path has its share, so that what an early part found is not lost to the later.
"""


class Steps:
    """How many values may still be looked at."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = 0

    def take(self, values: Iterable[Any], count: int, cost: int = 1) -> Iterable[Any]:
        """Return the first of these values, as many as may be looked at."""
        allowed = min(count, self.left // cost)
        self.left = self.left - allowed * cost if allowed == count else 0
        return values if allowed == count else islice(values, allowed)


Select = Callable[[Any, Any, Steps], Iterable[Any]]
Find = Callable[[Mapping[str, Any]], list[Any]]


class _Environment(JSONPathEnvironment):
    def setup_function_extensions(self) -> None:
        """Know none."""


_ENVIRONMENT: Final = _Environment(strict=True)


def compile_query(query: str) -> Find:
    """Return a function that finds the values a JSONPath leads to, in the document's order.

    Raises:
        ValueError: it is no JSONPath of RFC 9535, or has what is left out here.
    """
    if len(query) > QUERY_CHARACTERS_MAX:
        raise ValueError(f"has {len(query)} characters: at most {QUERY_CHARACTERS_MAX}")
    try:
        path = _ENVIRONMENT.compile(query)
    except (JSONPathError, RecursionError, ArithmeticError, ValueError) as error:
        raise ValueError(f"is no JSONPath: {_reason(error)}") from None
    if not isinstance(path, JSONPath):
        raise ValueError("must be one path that begins with $")  # noqa: TRY004 - of its text
    segments = [(_segment(segment), len(segment.selectors)) for segment in path.segments]

    def find(document: Mapping[str, Any]) -> list[Any]:
        root = document if isinstance(document, dict) else dict(document)
        steps, left = Steps(), STEPS_MAX
        values: list[Any] = [root]
        for position, (select, cost) in enumerate(segments):
            steps.left = share = left // (len(segments) - position)
            here = steps.take(values, len(values), cost)
            values = [each for value in here for each in select(value, root, steps)]
            left -= share - steps.left
        return values

    return find


def _reason(error: Exception) -> str:
    token = getattr(error, "token", None)
    place = "" if token is None else f", at character {token.index + 1}"
    return f"{error.args[0] if error.args else 'too deeply nested'}{place}"


def _segment(segment: JSONPathSegment) -> Select:
    selects = [_select(selector) for selector in segment.selectors]
    if isinstance(segment, JSONPathRecursiveDescentSegment):
        return _descend(selects)
    return selects[0] if len(selects) == 1 else _each(selects)


def _each(selects: list[Select]) -> Select:
    return lambda value, root, steps: [
        each for select in selects for each in select(value, root, steps)
    ]


def _descend(selects: list[Select]) -> Select:
    def descend(value: Any, root: Any, steps: Steps) -> Iterable[Any]:
        waiting = [value]
        while waiting:
            here = waiting.pop()
            for select in selects:
                yield from select(here, root, steps)
            children = list(_children(here, steps, len(selects)))
            waiting += [child for child in reversed(children) if isinstance(child, dict | list)]

    return descend


def _children(value: Any, steps: Steps, cost: int = 1) -> Iterable[Any]:
    if isinstance(value, dict):
        return steps.take(value.values(), len(value), cost)
    return steps.take(value, len(value), cost) if isinstance(value, list) else ()


def _select(selector: JSONPathSelector) -> Select:
    if isinstance(selector, NameSelector | IndexSelector):
        return _by_step(step_of(selector))
    if isinstance(selector, SliceSelector):
        return _by_slice(selector.slice)
    if isinstance(selector, WildcardSelector):
        return lambda value, _root, steps: _children(value, steps)
    if isinstance(selector, Filter):
        return _by_filter(selector.expression.expression)
    raise ValueError(f"has a part that is not supported: {selector}")


def _by_step(step: Callable[[Any], Any]) -> Select:
    def select(value: Any, _root: Any, _steps: Steps) -> Iterable[Any]:
        found = step(value)
        return () if found is NOTHING else (found,)

    return select


def _by_slice(wanted: slice) -> Select:
    def select(value: Any, _root: Any, steps: Steps) -> Iterable[Any]:
        if not isinstance(value, list) or wanted.step == 0:
            return ()
        places = range(*wanted.indices(len(value)))
        return [value[place] for place in steps.take(places, len(places))]

    return select


def _by_filter(expression: BaseExpression) -> Select:
    test = compile_filter(expression)
    cost = 1 + str(expression).count("@") + str(expression).count("$")

    def select(value: Any, root: Any, steps: Steps) -> Iterable[Any]:
        return [each for each in _children(value, steps, cost) if test(each, root)]

    return select
