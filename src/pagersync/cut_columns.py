"""Values in lists: what is too long is left in the database, and says where it is shown whole.

A list of 200 alerts with a megabyte of `data` each would be 200 MB of answer, and three times that
of memory.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, Text, case, cast, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer
from sqlalchemy.orm.attributes import set_committed_value

T = TypeVar("T")

VALUE_BYTES_MAX: Final = 16 * 1024
OMITTED: Final = "pagersync_omitted"


async def read_cut(
    session: AsyncSession, statement: Select[T], wide: Sequence[InstrumentedAttribute[Any]]
) -> list[T]:
    """Return the rows of a statement; of `wide` columns only values that are not too long.

    What stands in for the others is never written: it counts as what was read.
    """
    if not wide:
        return list((await session.scalars(statement)).all())
    found = (await session.execute(cut(statement, wide))).all()
    return [with_cut(row, wide, values) for row, *values in found]


def cut(statement: Select[Any], wide: Sequence[InstrumentedAttribute[Any]]) -> Select[Any]:
    """Return a statement whose rows end with what `with_cut` takes for `wide` columns."""
    columns = [each for column in wide for each in (_short(column), _bytes(column))]
    return statement.options(*map(defer, wide)).add_columns(*columns)


def with_cut(row: T, wide: Sequence[InstrumentedAttribute[Any]], values: Sequence[Any]) -> T:
    """Return a row with its `wide` columns: their values, or what stands in for them."""
    for number, column in enumerate(wide):
        value, size = values[2 * number : 2 * number + 2]
        set_committed_value(row, column.key, _shown(column, value, size))
    return row


def _bytes(column: InstrumentedAttribute[Any]) -> ColumnElement[int]:
    return func.octet_length(cast(column, Text))


def _short(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return the value, or its beginning if it is a text, or nothing if it is too long.

    The stored size is looked at first, which costs nothing; the other is true of what is packed.
    """
    is_long = case(
        (func.pg_column_size(column) > VALUE_BYTES_MAX, True),
        else_=_bytes(column) > VALUE_BYTES_MAX,
    )
    instead = None if isinstance(column.type, JSONB) else func.left(column, VALUE_BYTES_MAX // 4)
    return case((is_long, instead), else_=column)


def _shown(column: InstrumentedAttribute[Any], value: Any, size: int | None) -> Any:
    if size is None or size <= VALUE_BYTES_MAX:
        return value
    note = f"{size} bytes, which is too long for a list: it is whole where one is asked for by id"
    return {OMITTED: note} if isinstance(column.type, JSONB) else f"{value}… ({note})"
