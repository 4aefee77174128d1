"""Who a transaction is for: known to every session that is opened while they are served.

The edge says who calls (`CALLER`); sessions pass it on to PostgreSQL, whose triggers write the
audit log, and show a caller who is bound to one integration nothing else. No route has to remember
either.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, event, text
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

from pagersync.database.binding import check_written, narrowed
from pagersync.database.requester import NOBODY, SETTING
from pagersync.database.writes import WRITES

SYSTEM: Final = "system"


@dataclass(slots=True, kw_only=True)
class Caller:
    """Who or what changes something.

    Attributes:
        kind: `api_key`, `console`, `cli` or `system`.
        id: of the API key, or of the workflow run.
        name: of the key or the person, or what of the system it is: `workflow_run`.
        operation: what they call: an operationId, or a command.
        resource_type, resource_id: what the request is about, as its path says.
        address: where from.
        request_id: of the request, as the logs have it.
        integration_id: the only integration that there is for them; None for all.
        requester: for whom pagersync itself works; of others it follows from who they are.
        is_audited: whether they change something, which goes into the audit log. What people do
            is noted there even where no trigger sees it.
    """

    kind: str
    id: UUID | None = None
    name: str | None = None
    operation: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    address: str | None = None
    request_id: str | None = None
    integration_id: UUID | None = None
    requester: str = NOBODY
    is_audited: bool = False
    _is_noted: bool = field(default=False, init=False)

    def introduce(self, connection: Connection) -> None:
        """Tell PostgreSQL's triggers who it is, until the transaction ends."""
        who = {
            "kind": self.kind,
            "id": self.id and str(self.id),
            "name": self.name,
            "operation": self.operation,
            "address": self.address,
            "request_id": self.request_id,
        }
        values = {"actor": json.dumps(who), "requester": self.cause}
        connection.execute(_SET_ACTOR, values)

    @property
    def cause(self) -> str:
        """Return who causes what is written, as `requester.py` keeps it."""
        if self.kind == SYSTEM:
            return self.requester
        return f"key {self.id}" if self.kind == "api_key" else f"person {self.name}"

    def note(self, session: Session) -> None:
        """Write what was done into the audit log, once, unless a trigger has."""
        if not self.is_audited or self._is_noted or self.kind == SYSTEM:
            return
        session.flush()
        subject = {"resource_type": self.resource_type, "resource_id": self.resource_id}
        session.connection().execute(_NOTE, subject)
        self._is_noted = True


CALLER: Final[ContextVar[Caller | None]] = ContextVar("caller", default=None)


def requester() -> str:
    """Return who causes what is done now."""
    caller = CALLER.get()
    return caller.cause if caller is not None else NOBODY


_SET_ACTOR: Final = text(
    f"SELECT set_config('pagersync.actor', :actor, true), set_config('{SETTING}', :requester, true)"
)

_NOTE: Final = text(
    """
    SELECT pagersync_audit_note('act', cast(:resource_type AS text), cast(:resource_id AS text))
    WHERE pg_current_xact_id_if_assigned() IS NOT NULL
      AND coalesce(current_setting('pagersync.audited', true), '') = ''
    """
)
"""A transaction that wrote nothing, a dry run for example, did nothing."""


@contextmanager
def as_pagersync() -> Iterator[bool]:
    """See and change all rows, for what follows from a change elsewhere; yield if nobody is bound.

    A caller who is bound to one integration must not be told what was seen.
    """
    caller = CALLER.get()
    if caller is None or caller.integration_id is None:
        yield True
        return
    token = CALLER.set(replace(caller, integration_id=None))
    try:
        yield False
    finally:
        CALLER.reset(token)


def is_bound() -> bool:
    """Tell whether the caller is bound to one integration."""
    caller = CALLER.get()
    return caller is not None and caller.integration_id is not None


def check_own(integration_id: UUID) -> None:
    """Check that a row of this integration is one that the caller may write by fixed SQL.

    Raises:
        RuntimeError: the caller is bound to another one.
    """
    caller = CALLER.get()
    if caller is not None and caller.integration_id not in (None, integration_id):
        raise RuntimeError("a row is not of the integration that the caller is bound to")


class CallerSession(Session):
    """A session that knows for whom it works."""


@event.listens_for(CallerSession, "after_begin")
def _begin(_session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    caller = CALLER.get()
    if caller is not None and caller.is_audited and not transaction.nested:
        caller.introduce(connection)


@event.listens_for(CallerSession, "before_commit")
def _note(session: Session) -> None:
    caller = CALLER.get()
    if caller is not None and not session.in_nested_transaction():
        caller.note(session)


@event.listens_for(CallerSession, "after_commit")
def _tell_written(_session: Session) -> None:
    caller = CALLER.get()
    if caller is not None and caller.is_audited:
        WRITES.succeeded()


@event.listens_for(CallerSession, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    caller = CALLER.get()
    if caller is not None and caller.integration_id is not None:
        state.statement = narrowed(state, caller.integration_id)


@event.listens_for(CallerSession, "before_flush")
def _check_written(session: Session, _context: Any, _instances: Any) -> None:
    caller = CALLER.get()
    if caller is not None and caller.integration_id is not None:
        check_written(session, caller.integration_id)
