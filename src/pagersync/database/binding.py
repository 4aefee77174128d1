"""What a caller who is bound to one integration sees and writes: its rows, and no others.

Every statement of such a session is narrowed, whoever wrote it and for what: a row of another
integration is not there, and of a table whose rows belong to no integration nothing is. What
cannot be narrowed is refused.
"""

from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Select, false
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import (
    LoaderCriteriaOption,
    Mapper,
    ORMExecuteState,
    Session,
    with_loader_criteria,
)

from pagersync.database.base import Base

OWN_ID: Final = "integrations"
"""The table whose rows are the integrations themselves."""

SHARED: Final = frozenset({"idempotency_keys"})
"""Tables that belong to the caller in another way: an API key reads its own rows only."""

BOUND_MAX: Final = 1000


def narrowed(state: ORMExecuteState, integration_id: UUID) -> Executable:
    """Return a statement as a caller bound to the integration may execute it.

    Raises:
        RuntimeError: it cannot be narrowed.
    """
    statement: Any = state.statement
    if state.is_insert:
        _check_inserted(state, integration_id)
        return state.statement
    if state.is_orm_statement:
        narrow: Executable = statement.options(*_criteria(integration_id))
        return narrow
    if isinstance(inner := getattr(statement, "statement", None), Select):  # its plan is asked for
        explained: Executable = type(statement)(inner.options(*_criteria(integration_id)))
        return explained
    if isinstance(statement, Select) and not statement.get_final_froms():
        return statement
    raise RuntimeError("this statement cannot be narrowed to one integration")


def check_written(session: Session, integration_id: UUID) -> None:
    """Check that what a session is about to write belongs to the integration.

    Raises:
        RuntimeError: it does not.
    """
    for instance in (*session.new, *session.dirty, *session.deleted):
        mapper: Mapper[Any] = instance.__mapper__
        column = _column(mapper)
        if column is not None and getattr(instance, column) != integration_id:
            raise RuntimeError(f"a row of {mapper.local_table} is not of the integration")
        if column is None and _name(mapper) not in SHARED:
            raise RuntimeError(f"rows of {mapper.local_table} are of no integration")


def _check_inserted(state: ORMExecuteState, integration_id: UUID) -> None:
    """Check the rows of an INSERT.

    Raises:
        RuntimeError: one is not of the integration.
    """
    mapper = state.bind_mapper
    column = mapper and _column(mapper)
    given: Any = state.parameters
    if not given:
        statement: Any = state.statement
        given = statement.compile(dialect=postgresql.dialect()).params  # type: ignore[no-untyped-call] # the library has no types here
    rows = given if isinstance(given, list) else [given]
    if not all(column and row.get(column) == integration_id for row in rows):
        raise RuntimeError("rows are inserted that are not of the integration")


@lru_cache(BOUND_MAX)
def _criteria(integration_id: UUID) -> tuple[LoaderCriteriaOption, ...]:
    """Return what is true of the rows that a bound caller sees, for every table there is."""
    return tuple(
        with_loader_criteria(
            mapper.class_, _criterion(mapper, integration_id), include_aliases=True
        )
        for mapper in Base.registry.mappers
        if _name(mapper) not in SHARED
    )


def _criterion(mapper: Mapper[Any], integration_id: UUID) -> ColumnElement[bool]:
    column = _column(mapper)
    if column is None:
        return false()
    criterion: ColumnElement[bool] = getattr(mapper.class_, column) == integration_id
    return criterion


def _column(mapper: Mapper[Any]) -> str | None:
    """Return the attribute that names the integration of a row."""
    if _name(mapper) == OWN_ID:
        return "id"
    return "integration_id" if "integration_id" in mapper.column_attrs else None


def _name(mapper: Mapper[Any]) -> str:
    return str(mapper.local_table)
