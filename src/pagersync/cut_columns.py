"""Values in lists: what is too long is left in the database, and says where it is shown whole.

A list of 200 alerts with a megabyte of `data` each would be 200 MB of answer, and three times that
of memory. So all values of one kind of thing share `ANSWER_BYTES_MAX`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, case, cast, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import QueryableAttribute, defer
from sqlalchemy.orm.attributes import set_committed_value

T = TypeVar("T")

VALUE_BYTES_MAX: Final = 16 * 1024
ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
"""Most bytes of long values, of one kind of thing, in one answer."""

VALUE_BYTES_MIN: Final = 256
"""A value that is no longer is always shown; it is about as long as what would stand for it."""

OMITTED: Final = "pagersync_omitted"
KEPT: Final = "task_type"
"""What is also kept of a JSON object that is left out, if it has it: clients read tasks by it."""

NOT_ASKED: Final = "not asked for: `fields` names other attributes"

Columns: TypeAlias = Sequence[QueryableAttribute[Any]]
AnySelect: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Wide:
    """What of the rows of a list can be long.

    Attributes:
        columns: those that can hold much.
        fields: the attributes that are asked for; None: all of them.
    """

    columns: Columns = ()
    fields: Collection[str] | None = None


async def read_cut(
    session: AsyncSession, statement: Select[T], wide: Wide, rows_max: int
) -> list[T]:
    """Return the rows of a statement, of which there are few enough.

    Of `wide` columns only what is asked for and not too long is read. What stands in for the
    others is never written: it counts as what was read.
    """
    asked = [each for each in wide.columns if wide.fields is None or each.key in wide.fields]
    others = [each for each in wide.columns if each not in asked]
    most = value_bytes_max(rows_max * len(asked))
    statement = statement.options(*map(defer, others))
    found = (await session.execute(_cut(statement, asked, most))).all()
    rows = [_with_cut(row, asked, values, most) for row, *values in found]
    for row in rows:
        for column in others:
            set_committed_value(row, column.key, _instead(column, None, NOT_ASKED))
    return rows


async def read_cut_pairs(
    session: AsyncSession, statement: Select[UUID, T], wide: Columns, rows_max: int
) -> list[tuple[UUID, T]]:
    """Return the rows of a statement like `read_cut`, each with the id that stands before it."""
    most = value_bytes_max(rows_max * len(wide))
    found = (await session.execute(_cut(statement, wide, most))).all()
    return [(id_, _with_cut(row, wide, values, most)) for id_, row, *values in found]


def value_bytes_max(values: int) -> int:
    """Return how long one of so many values of an answer may be, in bytes."""
    return max(VALUE_BYTES_MIN, min(VALUE_BYTES_MAX, ANSWER_BYTES_MAX // max(1, values)))


def _cut(statement: AnySelect, wide: Columns, most: int) -> AnySelect:
    """Return a statement whose rows end with what `_with_cut` takes for `wide` columns."""
    columns = [each for column in wide for each in (_short(column, most), _bytes(column))]
    return statement.options(*map(defer, wide)).add_columns(*columns)


def _with_cut(row: T, wide: Columns, values: Sequence[Any], most: int) -> T:
    """Return a row with its `wide` columns: their values, or what stands in for them."""
    for number, column in enumerate(wide):
        value, size = values[2 * number : 2 * number + 2]
        set_committed_value(row, column.key, _shown(column, value, size, most))
    return row


def _bytes(column: QueryableAttribute[Any]) -> ColumnElement[int]:
    return func.octet_length(cast(column, Text))


def _short(column: QueryableAttribute[Any], most: int) -> ColumnElement[Any]:
    """Return the value, or its beginning if it is too long.

    The stored size is looked at first, which costs nothing; the other is true of what is packed.
    """
    is_long = case((func.pg_column_size(column) > most, True), else_=_bytes(column) > most)
    beginning = (
        func.jsonb_build_object(KEPT, column[KEPT])
        if isinstance(column.type, JSONB)
        else func.left(column, most // 4)
    )
    return case((is_long, beginning), else_=column)


def _shown(column: QueryableAttribute[Any], value: Any, size: int | None, most: int) -> Any:
    if size is None or size <= most:
        return value
    note = f"{size} bytes, which is too long for a list: it is whole where one is asked for by id"
    return _instead(column, value, note)


def _instead(column: QueryableAttribute[Any], beginning: Any, note: str) -> Any:
    if isinstance(column.type, JSONB):
        return {name: each for name, each in (beginning or {}).items() if each} | {OMITTED: note}
    return f"{beginning}… ({note})" if beginning is not None else note
