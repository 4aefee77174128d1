"""Counts what is asked of PostgreSQL: a statement is a round trip, whoever makes it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from asyncpg.connection import LoggedQuery
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

ABOUT_TYPES = ("typeinfo_tree", "'jit'")
"""What the driver asks once for each connection."""


@dataclass
class Statements:
    """The statements of one engine, in their order."""

    made: list[str] = field(default_factory=list)

    def watch(self, engine: AsyncEngine) -> None:
        """Note all that is asked on connections that the engine opens from now on."""

        def connected(connection: Any, _record: Any) -> None:
            connection.driver_connection.add_query_logger(self._note)

        def executes(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            self.made.append(" ".join(statement.split()))

        event.listen(engine.sync_engine, "connect", connected)
        event.listen(engine.sync_engine, "before_cursor_execute", executes)

    def _note(self, query: LoggedQuery) -> None:
        """Note a statement by the driver itself, which does not tell of those by the ORM."""
        if not any(each in query.query for each in ABOUT_TYPES):
            self.made.append(" ".join(query.query.split()))

    async def made_by(self, work: Callable[[], Awaitable[None]]) -> list[str]:
        """Do some work; return what was asked meanwhile."""
        await asyncio.sleep(0)  # the driver tells of a statement a moment later
        before = len(self.made)
        await work()
        await asyncio.sleep(0)
        return self.made[before:]
