"""Lists as PagerTree documents them: filters, operators, search, order, pages. Pure.

Not documented, and assumed: a filter by an attribute that does not exist is passed over, one by a
list looks whether the value is in it, a limit out of bounds is moved to the nearest bound, and the
newest comes first.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

LIMIT_DEFAULT = 10
LIMIT_MAX = 100

_OWN = frozenset({"limit", "offset", "page", "sort", "direction", "ops", "q"})

Row = Mapping[str, Any]


def select_rows(rows: Sequence[Row], params: Mapping[str, str]) -> list[Row]:
    """Return the rows that a query asks for, in its order, before they are cut into pages."""
    operators = _parse_ops(params.get("ops", ""))
    wanted = [row for row in rows if _matches_all(row, params, operators)]
    text = params.get("q", "").lower()
    if text:
        wanted = [row for row in wanted if text in _searchable(row)]
    attribute = params.get("sort", "created_at")
    newest_first = "desc" if "sort" not in params else "asc"
    wanted.sort(
        key=lambda row: (_order(row.get(attribute)), row.get("tiny_id") or 0),
        reverse=params.get("direction", newest_first) == "desc",
    )
    return wanted


def cut_page(rows: Sequence[Row], params: Mapping[str, str]) -> dict[str, Any]:
    """Cut out the page that a query asks for, in PagerTree's envelope."""
    limit = min(max(_number(params.get("limit"), LIMIT_DEFAULT), 1), LIMIT_MAX)
    page = max(_number(params.get("page"), 1), 1)
    offset = max(_number(params.get("offset"), (page - 1) * limit), 0)
    return {
        "data": list(rows[offset : offset + limit]),
        "has_more": offset + limit < len(rows),
        "total_count": len(rows),
    }


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default


def _parse_ops(text: str) -> dict[str, str]:
    """Read `attribute:operator,attribute:operator`."""
    pairs = (pair.partition(":") for pair in text.split(",") if pair)
    return {attribute: operator for attribute, _, operator in pairs}


def _matches_all(row: Row, params: Mapping[str, str], operators: Mapping[str, str]) -> bool:
    return all(
        _matches(row[attribute], operators.get(attribute, "equals"), wanted)
        for attribute, wanted in params.items()
        if attribute not in _OWN and attribute in row
    )


def _matches(value: Any, operator: str, wanted: str) -> bool:
    if isinstance(value, list):
        is_in = wanted in [_text(item) for item in value]
        return is_in != (operator == "ne")
    test = _TESTS.get(operator, _TESTS["equals"])
    return test(value, wanted)


def _comparing(test: Callable[[Any, Any], bool]) -> Callable[[Any, str], bool]:
    return lambda value, wanted: value is not None and test(*_alike(value, wanted))


def _is_between(value: Any, wanted: str) -> bool:
    least, _, most = wanted.partition("..")
    return bool(_TESTS["gte"](value, least) and _TESTS["lte"](value, most))


_TESTS: Mapping[str, Callable[[Any, str], bool]] = {
    "equals": lambda value, wanted: _text(value) == wanted,
    "ne": lambda value, wanted: _text(value) != wanted,
    "lt": _comparing(lambda value, wanted: value < wanted),
    "lte": _comparing(lambda value, wanted: value <= wanted),
    "gt": _comparing(lambda value, wanted: value > wanted),
    "gte": _comparing(lambda value, wanted: value >= wanted),
    "beginsWith": lambda value, wanted: _text(value).startswith(wanted),
    "contains": lambda value, wanted: wanted in _text(value),
    "between": _is_between,
}


def _alike(value: Any, wanted: str) -> tuple[Any, Any]:
    """Make both numbers, or both times, or both texts."""
    for read in (float, _read_time):
        try:
            return read(value), read(wanted)
        except (TypeError, ValueError):
            continue
    return _text(value), wanted


def _read_time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _order(value: Any) -> tuple[bool, float, str]:
    """Make values of one attribute comparable: nothing comes last, numbers by their size."""
    if isinstance(value, int | float):
        return (False, float(value), "")
    return (value is None, 0.0, _text(value))


def _searchable(row: Row) -> str:
    """Join what a full text search looks at: words, names and addresses."""
    words = [row.get(key) for key in ("title", "description", "name", "tags")]
    return f"{words} {row.get('user', row.get('emails'))} {row.get('roles')}".lower()
