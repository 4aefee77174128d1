"""Filters of JSONPath (RFC 9535): one value each, tested or compared with a constant. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from jsonpath.filter import (
    BaseExpression,
    FilterExpressionLiteral,
    InfixExpression,
    Nil,
    PrefixExpression,
    RelativeFilterQuery,
    RootFilterQuery,
)
from jsonpath.selectors import IndexSelector, JSONPathSelector, NameSelector

FILTER_DEPTH_MAX: Final = 50

NOTHING: Final = object()
"""What a path that leads nowhere gives; equal to nothing, itself not excepted."""

Test = Callable[[Any, Any], bool]
"""Whether a value passes, given it and the whole document."""

Value = Callable[[Any, Any], Any]


def step_of(selector: JSONPathSelector) -> Callable[[Any], Any]:
    """Return what leads from a value to one inside it, by name or index, or to `NOTHING`."""
    if isinstance(selector, NameSelector):
        name = selector.name
        return lambda value: value.get(name, NOTHING) if isinstance(value, dict) else NOTHING
    assert isinstance(selector, IndexSelector)  # noqa: S101 - a single step is one of the two
    index = selector.index

    def step(value: Any) -> Any:
        has = isinstance(value, list) and -len(value) <= index < len(value)
        return value[index] if has else NOTHING

    return step


def compile_filter(expression: BaseExpression, depth: int = FILTER_DEPTH_MAX) -> Test:
    """Return a function that tells whether a filter lets a value through.

    Raises:
        ValueError: it has what is left out here.
    """
    if depth == 0:
        raise ValueError("has a filter that is too deeply nested")
    if isinstance(expression, PrefixExpression):
        inner = compile_filter(expression.right, depth - 1)
        return lambda value, root: not inner(value, root)
    if isinstance(expression, InfixExpression) and expression.logical:
        left, right = (
            compile_filter(side, depth - 1) for side in (expression.left, expression.right)
        )
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
    steps = [step_of(segment.selectors[0]) for segment in expression.path.segments]
    is_absolute = isinstance(expression, RootFilterQuery)

    def value_of(value: Any, root: Any) -> Any:
        found = root if is_absolute else value
        for step in steps:
            found = step(found)
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
