"""`filter[...]` parameters as Rootly names them, turned into conditions.

One declaration of a list's filters reads them, refuses every query parameter that does not exist,
and describes them in the OpenAPI document.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, cast
from uuid import UUID

from fastapi import Request
from sqlalchemy import ColumnElement, false, func, true
from sqlalchemy.orm import InstrumentedAttribute

from pagersync.errors import InvalidError
from pagersync.labels import ONE_LABEL, alternatives, label_of, parts_of
from pagersync.pagertree.payloads import TIME_PATTERN, parse_time
from pagersync.shape import FIELDS, Shape

PARAMETER: Final = re.compile(r"filter\[(\w+)\](?:\[(\w+)\])?")
CHOICE_OPERATORS: Final = ("eq", "not_eq", "in", "not_in")
PAGE_PARAMETERS: Final = ("page[number]", "page[size]", "page[after]")
"""Read by `pagination.py`."""
SORT: Final = "sort"
DIGITS_MAX: Final = 18

TIME_OPERATORS: Final[Mapping[str, Callable[[Any, datetime], ColumnElement[bool]]]] = {
    "gt": lambda column, moment: column > moment,
    "gte": lambda column, moment: column >= moment,
    "lt": lambda column, moment: column < moment,
    "lte": lambda column, moment: column <= moment,
}


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of one list; an instance is a FastAPI dependency.

    Attributes:
        texts: columns that can be compared with texts, and the texts that make sense, if limited.
        lists: columns that hold several texts, all in lower case: one that is equal is enough.
        times: columns that can be compared with times.
        labels: a column of labels, filtered by `key:value`; a backslash stands before a comma or a
            colon that belongs to a label.
        related: conditions on other tables, made of the texts that are asked for.
        search: words, in a column or made of some, searched as people search the web.
        sorts: columns that the list can be ordered by; `order` reads by which.
        nothing: filters of Rootly's for what nothing in this list has: no row is equal.
        shape: what `include` and `fields[...]` can ask for.
    """

    texts: Mapping[str, InstrumentedAttribute[Any]]
    lists: Mapping[str, InstrumentedAttribute[Any]] = field(default_factory=dict)
    times: Mapping[str, InstrumentedAttribute[Any]] = field(default_factory=dict)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: InstrumentedAttribute[Any] | None = None
    related: Mapping[str, Callable[[Sequence[str]], ColumnElement[bool]]] = field(
        default_factory=dict
    )
    search: InstrumentedAttribute[Any] | ColumnElement[Any] | None = None
    sorts: Mapping[str, InstrumentedAttribute[Any]] = field(default_factory=dict)
    nothing: Sequence[str] = ()
    shape: Shape | None = None

    def __call__(self, request: Request) -> list[ColumnElement[bool]]:
        """Return the conditions that a request asks for, to be joined by AND.

        Raises:
            InvalidError: a parameter that does not exist, or a value that makes no sense for it.
        """
        conditions = []
        for parameter, value in request.query_params.multi_items():
            if parameter in self._others() or parameter.startswith(FIELDS):
                continue
            match = PARAMETER.fullmatch(parameter)
            condition = self._condition(match[1], match[2], value, parameter) if match else None
            if condition is None:
                known = ", ".join((*self._names(), *self._others()))
                raise InvalidError(
                    f"there is no such parameter; this list has {known}", parameter=parameter
                )
            conditions.append(condition)
        return conditions

    def order(self, request: Request) -> list[ColumnElement[Any]]:
        """Return what a request's `sort` orders by; nothing means the list's own order.

        Raises:
            InvalidError: it names what the list cannot be ordered by.
        """
        ordered: list[ColumnElement[Any]] = []
        for name in ",".join(request.query_params.getlist(SORT)).split(","):
            column = self.sorts.get(name.removeprefix("-"))
            if column is None and name:
                raise InvalidError(
                    f"{name!r} is none of {', '.join(self.sorts)}, with or without -",
                    parameter=SORT,
                )
            if column is not None:
                direction = column.desc() if name.startswith("-") else column.asc()
                ordered.append(direction.nulls_last())
        return ordered

    def openapi(self) -> dict[str, Any]:
        """Return the parameters for a route's `openapi_extra`."""
        schemas = {name: self._schema(name) for name in self._names()}
        if self.sorts:
            names = "|".join(self.sorts)
            one = f"-?({names})"
            schemas[SORT] = {"type": "string", "pattern": f"^{one}(,{one})*$"}
        parameters = [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in schemas.items()
        ]
        return {"parameters": [*parameters, *(self.shape.parameters() if self.shape else ())]}

    def _others(self) -> tuple[str, ...]:
        shape = self.shape.names if self.shape else ()
        return (*((SORT,) if self.sorts else ()), *shape, *PAGE_PARAMETERS)

    def _condition(
        self, name: str, operator: str | None, value: str, parameter: str
    ) -> ColumnElement[bool] | None:
        if name in self.times and operator is not None and operator in TIME_OPERATORS:
            moment = parse_time(value) or parse_time("+".join(value.rsplit(" ", 1)))
            if moment is None:  # nor is it one whose "+" was read as a space, as a form's is
                raise InvalidError(
                    f"{value!r} is no ISO 8601 time from 1970 to 9998", parameter=parameter
                )
            return TIME_OPERATORS[operator](self.times[name], moment)
        if name == "search" and self.search is not None and operator is None:
            _refuse_nul([value], parameter)
            words = func.websearch_to_tsquery("simple", value)
            return cast("ColumnElement[bool]", self.search.bool_op("@@")(words))
        if operator not in (None, *CHOICE_OPERATORS):
            return None
        is_one = operator in ("eq", "not_eq")
        values = [value] if is_one else value.split(",")
        is_negated = (operator or "").startswith("not_")
        if name == "labels" and self.labels is not None:
            condition = self._has_label([value] if is_one else parts_of(value), parameter)
        elif name in self.texts:
            condition = self._is_one_of(name, values, parameter)
        elif name in self.related:
            _refuse_nul(values, parameter)
            condition = self.related[name](values)
        elif name in self.lists:
            _refuse_nul(values, parameter)
            condition = self.lists[name].overlap([value.lower() for value in values])
        elif name in self.nothing:
            _refuse_nul(values, parameter)
            condition = false()
        else:
            return None
        return condition.is_not(true()) if is_negated else condition  # null is not equal either

    def _is_one_of(self, name: str, values: list[str], parameter: str) -> ColumnElement[bool]:
        choices = self.choices.get(name)
        wrong = [value for value in values if choices and value not in choices]
        if choices and wrong:
            raise InvalidError(f"{wrong[0]!r} is none of {', '.join(choices)}", parameter=parameter)
        _refuse_nul(values, parameter)
        column = self.texts[name]
        read = READERS.get(column.type.python_type)
        return column.in_([read(value, parameter) for value in values] if read else values)

    def _has_label(self, values: list[str], parameter: str) -> ColumnElement[bool]:
        assert self.labels is not None  # noqa: S101 - asked by the caller
        conditions: ColumnElement[bool] | None = None
        for value in values:
            label = label_of(value)
            if label is None or "\x00" in value:
                raise InvalidError(f"{value!r} is not of the form key:value", parameter=parameter)
            key, text = label
            for each in alternatives(text):
                one = self.labels.contains({key: each})
                conditions = one if conditions is None else conditions | one
        assert conditions is not None  # noqa: S101 - split never returns an empty list
        return conditions

    def _names(self) -> list[str]:
        labels = ["labels"] if self.labels is not None else []
        texts = [*self.texts, *self.related, *self.lists, *labels, *self.nothing]
        return [
            *(["filter[search]"] if self.search is not None else []),
            *(
                f"filter[{name}]{operator}"
                for name in texts
                for operator in ("", *(f"[{op}]" for op in CHOICE_OPERATORS))
            ),
            *(f"filter[{name}][{op}]" for name in self.times for op in TIME_OPERATORS),
        ]

    def _schema(self, parameter: str) -> dict[str, Any]:
        match = PARAMETER.fullmatch(parameter)
        assert match is not None  # noqa: S101 - made by `_names`
        if match[1] in self.times:
            return {"type": "string", "format": "date-time", "pattern": TIME_PATTERN}
        if match[1] == "labels":
            return {
                "type": "string",
                "pattern": rf"^{ONE_LABEL}$"
                if match[2] in ("eq", "not_eq")
                else rf"^{ONE_LABEL}(,{ONE_LABEL})*$",
                "example": "pagertree_status:open",
            }
        if match[1] in self.choices and match[2] in ("eq", "not_eq"):
            return {"type": "string", "enum": list(self.choices[match[1]])}
        one = self._pattern(match[1])
        return {
            "type": "string",
            "pattern": f"^{one}$" if match[2] in ("eq", "not_eq") else f"^{one}(,{one})*$",
        }

    def _pattern(self, name: str) -> str:
        """Return what one value of a filter must match."""
        if name in self.choices:
            return f"({'|'.join(self.choices[name])})"
        column = self.texts.get(name)
        return PATTERNS.get(column.type.python_type if column is not None else str, ANY_TEXT)


def _refuse_nul(values: Sequence[str], parameter: str) -> None:
    if any("\x00" in value for value in values):
        raise InvalidError("a value holds a NUL character", parameter=parameter)


def _to_uuid(value: str, parameter: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise InvalidError(f"{value!r} is no UUID", parameter=parameter) from None


def _to_number(value: str, parameter: str) -> int:
    if value.isascii() and value.isdecimal() and len(value) <= DIGITS_MAX:
        return int(value)
    raise InvalidError(f"{value!r} is no whole number", parameter=parameter)


def _to_bool(value: str, parameter: str) -> bool:
    if value not in ("true", "false"):
        raise InvalidError(f"{value!r} is neither true nor false", parameter=parameter)
    return value == "true"


ANY_TEXT: Final = r"[^\x00]*"
PATTERNS: Final[Mapping[type, str]] = MappingProxyType(
    {
        UUID: "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        int: f"[0-9]{{1,{DIGITS_MAX}}}",
        bool: "(true|false)",
    }
)
"""How a value looks that can be read for a column of some type."""

READERS: Final[Mapping[type, Callable[[str, str], Any]]] = MappingProxyType(
    {UUID: _to_uuid, int: _to_number, bool: _to_bool}
)
"""How a value is read for a column of some type; texts are taken as they are."""
