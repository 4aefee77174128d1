"""A table that is only a queue, to test the queue without anything that uses it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pagersync.database.base import Base
from pagersync.database.engine import Connection, raw_connection
from pagersync.database.queue import Outcome, Queue, QueueColumns, queue_indexes

TABLE = "queue_test_things"


class Tables(DeclarativeBase):
    """Apart from `Base`, whose tables are the program's."""

    metadata = MetaData()
    type_annotation_map = Base.type_annotation_map


class Thing(QueueColumns, Tables):
    """A row to be worked."""

    __tablename__ = TABLE
    id: Mapped[UUID] = mapped_column(primary_key=True)
    __table_args__ = queue_indexes(TABLE)


def queue_of_things(*, attempts_max: int = 3, lease_s: float = 60) -> Queue:
    """Return the queue; a lease of 0 s is over as soon as it began."""
    return Queue(TABLE, columns=("lock_key",), attempts_max=attempts_max, lease_s=lease_s)


async def add_thing(
    connection: Connection, number: int, *, lock_key: str | None = None, delay_s: float = 0
) -> UUID:
    """Insert the thing whose id is `number`: smaller numbers are older."""
    added = UUID(int=number)
    await connection.execute(
        f"INSERT INTO {TABLE} (id, lock_key, run_at)"  # noqa: S608 - a constant
        " VALUES ($1, $2, now() + make_interval(secs => $3))",
        added,
        lock_key,
        delay_s,
    )
    return added


async def add_things(connection: Connection, lock_keys: Sequence[str | None]) -> list[UUID]:
    """Insert one thing for each key, numbered from 1, in one transaction."""
    async with connection.transaction():
        return [
            await add_thing(connection, number, lock_key=lock_key)
            for number, lock_key in enumerate(lock_keys, start=1)
        ]


async def read_thing(connection: Connection, thing: UUID) -> dict[str, Any]:
    """Return the whole row."""
    row = await connection.fetchrow(f"SELECT * FROM {TABLE} WHERE id = $1", thing)  # noqa: S608 - a constant
    assert row is not None
    return dict(row)


async def count_unfinished(connection: Connection) -> int:
    """Return how many rows still have to be worked."""
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM {TABLE} WHERE finished_at IS NULL"  # noqa: S608 - a constant
    )
    return count


@dataclass
class Journal:
    """What workers did, in the order in which they did it.

    Attributes:
        begun: each attempt's row, when it began.
        holders: rows being worked now, by lock key.
        together_max: most rows that were worked at the same time.
    """

    begun: list[tuple[str | None, UUID]] = field(default_factory=list)
    ended: list[tuple[str | None, UUID]] = field(default_factory=list)
    holders: dict[str, UUID] = field(default_factory=dict)
    together_max: int = 0
    _together: int = 0

    def begin(self, row: asyncpg.Record) -> None:
        """Note that a worker has the row now; nobody else may have one with its key."""
        key, thing = row["lock_key"], row["id"]
        assert key not in self.holders, f"{thing} runs beside {self.holders[key]}"
        if key is not None:
            self.holders[key] = thing
        self.begun.append((key, thing))
        self._together += 1
        self.together_max = max(self.together_max, self._together)

    def end(self, row: asyncpg.Record) -> None:
        """Note that the worker is done with the row."""
        self.holders.pop(row["lock_key"], None)
        self.ended.append((row["lock_key"], row["id"]))
        self._together -= 1


async def work_things(
    engine: AsyncEngine, workers: int, is_over: Callable[[], bool] = lambda: True
) -> Journal:
    """Let workers work until nothing is left and `is_over`; return what they did."""
    journal = Journal()
    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(_work_batches(engine, journal, Random(number), is_over))
    return journal


async def _work_batches(
    engine: AsyncEngine, journal: Journal, rng: Random, is_over: Callable[[], bool]
) -> None:
    """Work batches, taking random times. One row in five wants a further attempt soon."""
    queue = queue_of_things()
    async with raw_connection(engine) as connection:
        while await count_unfinished(connection) or not is_over():
            batch = await queue.claim(connection, rows_max=rng.randint(1, 6))
            for row in batch.rows:
                journal.begin(row)
            await asyncio.sleep(rng.uniform(0, 0.004))
            for row in batch.rows:
                journal.end(row)
            outcomes = [_random_outcome(row["id"], rng) for row in batch.rows]
            assert len(await queue.finish(connection, batch.token, outcomes)) == len(outcomes)


def _random_outcome(thing: UUID, rng: Random) -> Outcome:
    if rng.random() < 0.2:
        return Outcome.snooze(thing, delay_s=rng.uniform(0, 0.01))
    return Outcome.done(thing)
