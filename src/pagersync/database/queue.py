"""A table that is also a queue: claim, work, finish.

The row that people read is the row that is worked, so no job table can disagree with it.

    queued --claim--> running --finish--> done, or any other final state of the table
      ^                  |
      +----- retry, snooze, lease ran out ----+---- attempts used up ---> dead

* The attempt is counted by the claim. A row that lost its worker is seen again when its lease runs
  out, or soon after its process is gone (`presence.py`). It is claimed alone then, so that one that
  kills its workers takes no other row along, and after `attempts_max` claims it is `dead`, not
  claimed for ever.
* Finishing asks for the lease token. A worker that lost its lease changes nothing.
* Rows with the same `lock_key` are worked in the order of their ids, one at a time; a row that
  waits for its next attempt holds back those behind it. A unique index over running rows makes
  "one at a time" the database's promise.

All functions take a raw asyncpg connection and run one statement. Whoever calls them owns the
transaction, so that a result and the end of its row commit together.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from uuid import UUID

import asyncpg
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database import lanes
from pagersync.database.engine import Connection
from pagersync.database.presence import new_token
from pagersync.database.unhurried import UNHURRIED

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 900.0
ERROR_CHARACTERS_MAX: Final = 2000
COLLISIONS_MAX: Final = 10
"""After so many a claim comes back empty, and the worker looks again a little later."""


class QueueColumns:
    """The columns that make a table a queue."""

    state: Mapped[str] = mapped_column(server_default="queued", sort_order=50)
    run_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=51)
    attempt: Mapped[int] = mapped_column(server_default="0", sort_order=52)
    lock_key: Mapped[str | None] = mapped_column(sort_order=53)
    lease_token: Mapped[UUID | None] = mapped_column(sort_order=54)
    leased_until: Mapped[datetime | None] = mapped_column(sort_order=55)
    last_error: Mapped[str | None] = mapped_column(sort_order=56)
    finished_at: Mapped[datetime | None] = mapped_column(sort_order=57)


def queue_indexes(table: str) -> tuple[Index, ...]:
    """Return the indexes that keep claiming fast however many finished rows there are."""
    return (
        Index(f"{table}_queued_idx", "run_at", "id", postgresql_where=text("state = 'queued'")),
        Index(f"{table}_leased_idx", "leased_until", postgresql_where=text("state = 'running'")),
        Index(
            f"{table}_waiting_idx",
            "lock_key",
            "id",
            postgresql_where=text("state = 'queued' AND lock_key IS NOT NULL"),
        ),
        Index(
            f"{table}_one_at_a_time_idx",
            "lock_key",
            unique=True,
            postgresql_where=text("state = 'running' AND lock_key IS NOT NULL"),
        ),
    )


@dataclass(frozen=True)
class Outcome:
    """How the work on one row ended.

    Attributes:
        state: `queued` to be claimed again after `delay_s`, anything else is final.
        error: what went wrong, for people.
        is_attempt: False gives the attempt back.
    """

    id: UUID
    state: str
    error: str | None = None
    delay_s: float = 0.0
    is_attempt: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether it is what `done` returns."""
        return self.state == "done" and self.error is None and self.is_attempt

    @classmethod
    def done(cls, row_id: UUID) -> Self:
        """Return the end of a row whose work is complete."""
        return cls(row_id, "done")

    @classmethod
    def snooze(cls, row_id: UUID, *, delay_s: float, reason: str | None = None) -> Self:
        """Return "not yet": claimed again later, and no attempt is used up."""
        return cls(row_id, "queued", reason, delay_s, is_attempt=False)

    @classmethod
    def bury(cls, row_id: UUID, *, error: str) -> Self:
        """Return the end of a row that no further attempt can help."""
        return cls(row_id, "dead", error)

    @classmethod
    def failed(cls, row_id: UUID, *, attempt: int, attempts_max: int, error: str) -> Self:
        """Return the next attempt after a growing random pause, or `dead` after the last."""
        if attempt >= attempts_max:
            return cls.bury(row_id, error=error)
        return cls(row_id, "queued", error, delay_s=backoff_s(attempt, random.random()))  # noqa: S311 - spreads load, guards nothing


def backoff_s(attempt: int, jitter: float) -> float:
    """Return the pause after the `attempt`-th failure: exponential, capped, fully jittered.

    Args:
        attempt: 1 for the first failure.
        jitter: 0 to 1, drawn by the caller.
    """
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(attempt - 1, 30))
    return max(BACKOFF_FIRST_S / 10, ceiling * jitter)


@dataclass(frozen=True)
class Batch:
    """Rows that one worker holds until their lease runs out."""

    token: UUID
    rows: Sequence[asyncpg.Record]

    def __bool__(self) -> bool:
        return bool(self.rows)


class Queue:
    """The queue side of one table.

    Args:
        table: name of a table that has `QueueColumns` and `queue_indexes`.
        columns: what a claim returns besides `id` and `attempt`.
        attempts_max: claims of one row before it is dead.
        lease_s: how long a claim holds.
        where: SQL about the row `q` that must hold too for it to be claimed.
        order_by: which of the rows that can be claimed come first.
        head: SQL that finds and locks them in another way: common table expressions, the last of
            which is `head` with `id` and `was_lost`. It takes the place of `where` and `order_by`.
        if_lost: SQL that sets more columns of a row `q` whose process is gone.
        shown: SQL that reads what a claim returns, from `claimed` and what belongs to it. It takes
            the place of `columns`.
        lane: SQL for the lane of a row (`lanes.py`): requesters take turns. It must be in an index.
            `head` is then given all that `Lanes.arguments` returns, too.
        leaves_room: a lane's rows that one process holds leave as many places free.
    """

    def __init__(  # noqa: PLR0913 - all but the first are named
        self,
        table: str,
        *,
        columns: Sequence[str],
        attempts_max: int,
        lease_s: float,
        where: str = "true",
        order_by: str = "q.run_at, q.id",
        head: str | None = None,
        shown: str | None = None,
        if_lost: str = "",
        lane: str | None = None,
        leaves_room: bool = False,
    ) -> None:
        self.table = table
        self.attempts_max = attempts_max
        self.lanes = lanes.Lanes(leaves_room=leaves_room) if lane else None
        self._lease_s = lease_s
        also = ("lane",) if lane else ()
        returned = ", ".join(f"q.{column}" for column in ("id", "attempt", *columns, *also))
        shown = shown or f"SELECT {returned} FROM claimed q"  # noqa: S608 - names of columns
        head = head or (lanes.HEAD if lane else _HEAD).format(
            table=table,
            where=where,
            order_by=order_by,
            not_behind=NOT_BEHIND_ANOTHER.replace("operations", table),
            lane=lane,
            own="",
        )
        self._claim_sql = _CLAIM.format(
            table=table,
            shown=shown,
            head=head,
            unhurried=UNHURRIED,
            also=f", {lane} AS lane" if lane else "",
        )
        self._finish_sql = _FINISH.format(table=table)
        self._expire_sql = _EXPIRE.format(table=table, lost="leased_until < now()", if_lost="")
        lost = "lease_token BETWEEN $2 AND $3"
        self._give_back_sql = _EXPIRE.format(table=table, lost=lost, if_lost=if_lost)
        self._redrive_sql = _REDRIVE.format(table=table)

    async def claim(
        self, connection: Connection, *, rows_max: int, token: UUID | None = None
    ) -> Batch:
        """Take up to `rows_max` runnable rows that no other worker holds, oldest first or by turns.

        Call it outside a transaction: it tries again when it collides with another worker. Who
        gives the token can give the rows back if the answer is lost.
        """
        token = token or new_token()
        turns = self.lanes.arguments(rows_max) if self.lanes else ()
        for _ in range(COLLISIONS_MAX):
            try:
                rows = await connection.fetch(
                    self._claim_sql, rows_max, token, self._lease_s, *turns
                )
            except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
                continue  # another worker took a row with the same lock_key at this very moment
            if self.lanes:
                self.lanes.take(row["lane"] for row in rows)
            return Batch(token, sorted(rows, key=lambda row: row["id"]))
        return Batch(token, [])

    async def finish(
        self, connection: Connection, token: UUID, outcomes: Iterable[Outcome]
    ) -> set[UUID]:
        """Record how rows ended; return the ids that were still held under `token`.

        A row that is missing in the answer was lost to another worker: its effects must not be
        committed.
        """
        every = list(outcomes)
        others = [outcome for outcome in every if not outcome.is_plain]
        rows = await connection.fetch(
            self._finish_sql,
            token,
            [outcome.id for outcome in every],
            [outcome.id for outcome in others],
            [outcome.state for outcome in others],
            [outcome.error and storable(outcome.error) for outcome in others],
            [outcome.delay_s for outcome in others],
            [0 if outcome.is_attempt else 1 for outcome in others],
        )
        return {row["id"] for row in rows}

    async def expire(self, connection: Connection) -> int:
        """Give back what silent workers hold; return how many rows that were."""
        return len(await connection.fetch(self._expire_sql, self.attempts_max))

    async def give_back(self, connection: Connection, first: UUID, last: UUID) -> int:
        """Give back what is held under tokens from `first` to `last`; return how many rows."""
        rows = await connection.fetch(self._give_back_sql, self.attempts_max, first, last)
        return len(rows)

    async def redrive(self, connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
        """Queue finished rows once more, attempts counted anew; return the ids that were."""
        rows = await connection.fetch(self._redrive_sql, ids)
        return {row["id"] for row in rows}


class Unsure:
    """Claims of a worker that may hold rows which nobody works: their connection broke.

    Args:
        queue: whose rows they are.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._tokens: list[UUID] = []

    def next_token(self) -> UUID:
        """Return the token of a claim that is about to be made."""
        self._tokens.append(new_token())
        return self._tokens[-1]

    def forget(self) -> None:
        """Note that the rows of the claim are known, or worked."""
        self._tokens.clear()

    async def give_back(self, connection: Connection) -> None:
        """Give back what may be held."""
        while self._tokens:
            await self._queue.give_back(connection, self._tokens[-1], self._tokens[-1])
            self._tokens.pop()


def storable(error: str) -> str:
    """Cut an error to its limit, and drop what PostgreSQL cannot store."""
    return error.replace("\0", "").encode(errors="replace").decode()[:ERROR_CHARACTERS_MAX]


NOT_BEHIND_ANOTHER: Final = """
(q.lock_key IS NULL OR NOT (
        EXISTS (SELECT 1 FROM operations r WHERE r.state = 'running' AND r.lock_key = q.lock_key)
        OR EXISTS (SELECT 1 FROM operations w
                   WHERE w.state = 'queued' AND w.lock_key = q.lock_key AND w.id < q.id)))
"""
"""SQL: a row `q` is the first of those with its `lock_key`, and none of them is worked."""

_HEAD = """
head AS MATERIALIZED (
    SELECT q.id, q.leased_until IS NOT NULL AS was_lost FROM {table} q
    WHERE q.state = 'queued' AND q.run_at <= now()
      AND {not_behind}
      AND {where}
    ORDER BY {order_by}
    LIMIT $1
    FOR UPDATE OF q SKIP LOCKED
)"""

_CLAIM = """
WITH {head}, front AS (
    SELECT id, was_lost FROM (SELECT id, was_lost FROM head LIMIT 1) AS first WHERE {unhurried}
), claimed AS (
    UPDATE {table} q
    SET state = 'running', attempt = q.attempt + 1, lease_token = $2,
        leased_until = now() + make_interval(secs => $3)
    FROM head, front
    WHERE q.id = head.id AND (head.id = front.id OR NOT (head.was_lost OR front.was_lost))
    RETURNING q.*{also}
)
{shown}
"""
"""Takes the rows in front that no worker was lost with, or else the one row in front alone.

A claim that a crash of the server takes back was never made: its commit waits for no disk.
"""

_FINISH = """
WITH held AS MATERIALIZED (
    SELECT id FROM {table} WHERE id = ANY($2::uuid[]) AND lease_token = $1
    ORDER BY id FOR UPDATE
)
UPDATE {table} q
SET state = coalesce(o.state, 'done'), last_error = o.error,
    attempt = q.attempt - coalesce(o.refund, 0),
    lease_token = NULL, leased_until = NULL,
    run_at = CASE o.state WHEN 'queued' THEN now() + make_interval(secs => o.delay_s)
                          ELSE q.run_at END,
    finished_at = CASE o.state WHEN 'queued' THEN NULL ELSE now() END
FROM held
LEFT JOIN unnest($3::uuid[], $4::text[], $5::text[], $6::float8[], $7::int[])
     AS o (id, state, error, delay_s, refund) USING (id)
WHERE q.id = held.id
RETURNING q.id
"""
"""Locks in the order of ids, as everybody does who waits for rows of a queue: no deadlocks.

Only what is not plainly `done` is spelled out.
"""

_EXPIRE = """
WITH lost AS MATERIALIZED (
    SELECT id FROM {table} WHERE state = 'running' AND {lost}
    FOR UPDATE SKIP LOCKED
)
UPDATE {table} q
SET state = CASE WHEN q.attempt >= $1 THEN 'dead' ELSE 'queued' END,
    finished_at = CASE WHEN q.attempt >= $1 THEN now() END,
    last_error = 'attempt ' || q.attempt || ' ended without a word: its worker stopped or hung',
    run_at = now(), lease_token = NULL{if_lost}
FROM lost WHERE q.id = lost.id
RETURNING q.id
"""
"""Leaves `leased_until` behind: a queued row that has it lost its last worker."""

_REDRIVE = """
UPDATE {table}
SET state = 'queued', attempt = 0, run_at = now(), last_error = NULL, finished_at = NULL
WHERE id = ANY($1::uuid[]) AND state NOT IN ('queued', 'running')
RETURNING id
"""
