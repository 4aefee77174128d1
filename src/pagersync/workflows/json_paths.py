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
from jsonpath.filter import (
    BaseExpression,
    FilterExpressionLiteral,
    InfixExpression,
    Nil,
    PrefixExpression,
    RelativeFilterQuery,
    RootFilterQuery,
)
from jsonpath.segments import JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath.selectors import (
    Filter,
    IndexSelector,
    JSONPathSelector,
    NameSelector,
    SliceSelector,
    WildcardSelector,
)

QUERY_CHARACTERS_MAX: Final = 500
FILTER_DEPTH_MAX: Final = 50
STEPS_MAX: Final = 20_000
"""Values looked at for one path and one document: what lies beyond counts as not there."""

NOTHING: Final = object()
"""What a path of a filter gives that leads nowhere; equal to itself only."""


class Steps:
    """How many values may still be looked at."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS_MAX

    def take(self, values: Iterable[Any], count: int, cost: int = 1) -> Iterable[Any]:
        """Return the first of these values, as many as may be looked at."""
        allowed = min(count, self.left // cost)
        self.left = self.left - allowed * cost if allowed == count else 0
        return values if allowed == count else islice(values, allowed)


Test = Callable[[Any, Any], bool]
Value = Callable[[Any, Any], Any]
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
    except (JSONPathError, RecursionError) as error:
        raise ValueError(f"is no JSONPath: {_reason(error)}") from None
    if not isinstance(path, JSONPath):
        raise ValueError("must be one path that begins with $")  # noqa: TRY004 - of its text
    segments = [(_segment(segment), len(segment.selectors)) for segment in path.segments]

    def find(document: Mapping[str, Any]) -> list[Any]:
        root = document if isinstance(document, dict) else dict(document)
        steps = Steps()
        values: list[Any] = [root]
        for select, cost in segments:
            here = steps.take(values, len(values), cost)
            values = [each for value in here for each in select(value, root, steps)]
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
    if isinstance(selector, NameSelector):
        return _by_name(selector.name)
    if isinstance(selector, IndexSelector):
        return _by_index(selector.index)
    if isinstance(selector, SliceSelector):
        return _by_slice(selector.slice)
    if isinstance(selector, WildcardSelector):
        return lambda value, _root, steps: _children(value, steps)
    if isinstance(selector, Filter):
        return _by_filter(selector.expression.expression)
    raise ValueError(f"has a part that is not supported: {selector}")


def _by_name(name: str) -> Select:
    def select(value: Any, _root: Any, _steps: Steps) -> Iterable[Any]:
        return (value[name],) if isinstance(value, dict) and name in value else ()

    return select


def _by_index(index: int) -> Select:
    def select(value: Any, _root: Any, _steps: Steps) -> Iterable[Any]:
        has = isinstance(value, list) and -len(value) <= index < len(value)
        return (value[index],) if has else ()

    return select


def _by_slice(wanted: slice) -> Select:
    def select(value: Any, _root: Any, steps: Steps) -> Iterable[Any]:
        if not isinstance(value, list) or wanted.step == 0:
            return ()
        places = range(*wanted.indices(len(value)))
        return [value[place] for place in steps.take(places, len(places))]

    return select


def _by_filter(expression: BaseExpression) -> Select:
    test = _test(expression, FILTER_DEPTH_MAX)
    cost = 1 + str(expression).count("@") + str(expression).count("$")

    def select(value: Any, root: Any, steps: Steps) -> Iterable[Any]:
        return [each for each in _children(value, steps, cost) if test(each, root)]

    return select


def _test(expression: BaseExpression, depth: int) -> Test:
    if depth == 0:
        raise ValueError("has a filter that is too deeply nested")
    if isinstance(expression, PrefixExpression):
        inner = _test(expression.right, depth - 1)
        return lambda value, root: not inner(value, root)
    if isinstance(expression, InfixExpression) and expression.logical:
        left, right = (_test(side, depth - 1) for side in (expression.left, expression.right))
        if expression.operator == "&&":
            return lambda value, root: left(value, root) and right(value, root)
        return lambda value, root: left(value, root) or right(value, root)
    if isinstance(expression, InfixExpression):
        return _comparison(expression)
    found = _value(expression)
    return lambda value, root: found(value, root) is not NOTHING


def _value(expression: BaseExpression) -> Value:
    """Return what gives the one value that a path of a filter leads to, or `NOTHING`."""
    if not isinstance(expression, RelativeFilterQuery | RootFilterQuery):
        raise ValueError(f"has a filter with what is not supported: {expression}")  # noqa: TRY004
    if not expression.path.singular_query():
        raise ValueError("has a filter that looks at several values: name one, such as @.name")
    selects = [_select(segment.selectors[0]) for segment in expression.path.segments]
    is_absolute = isinstance(expression, RootFilterQuery)
    steps = Steps()

    def value_of(value: Any, root: Any) -> Any:
        found = root if is_absolute else value
        for select in selects:
            found = next(iter(select(found, root, steps)), NOTHING)
        return found

    return value_of


def _comparison(expression: InfixExpression) -> Test:
    left, operator, right = expression.left, expression.operator, expression.right
    if _is_constant(left):
        left, operator, right = right, _MIRRORED[operator], left
    if not _is_constant(right) or _is_constant(left):
        raise ValueError(
            "has a filter that must compare a value with a text, a number, true, false or null"
        )
    value_of = _value(left)
    constant = right.value if isinstance(right, FilterExpressionLiteral) else None
    compare = _COMPARISONS[operator]
    return lambda value, root: compare(value_of(value, root), constant)


def _is_constant(expression: BaseExpression) -> bool:
    return isinstance(expression, FilterExpressionLiteral | Nil)


def _kind(value: Any) -> type:
    """Return what a scalar is, where 1 and 1.0 are the same and 1 and true are not."""
    return float if type(value) is int else type(value)


def _equal(value: Any, constant: Any) -> bool:
    return _kind(value) is _kind(constant) and bool(value == constant)


def _less(value: Any, constant: Any) -> bool:
    return _kind(constant) in (str, float) and _kind(value) is _kind(constant) and value < constant


def _greater(value: Any, constant: Any) -> bool:
    return _less(constant, value)


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": _equal,
    "!=": lambda value, constant: not _equal(value, constant),
    "<": _less,
    ">": _greater,
    "<=": lambda value, constant: _less(value, constant) or _equal(value, constant),
    ">=": lambda value, constant: _greater(value, constant) or _equal(value, constant),
}
_MIRRORED: Final[Mapping[str, str]] = {
    "==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="
}  # fmt: skip
