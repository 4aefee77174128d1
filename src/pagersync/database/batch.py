"""Batches of a queue's rows, worked in one transaction, or one by one if that fails."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
import structlog

from pagersync.database.engine import Connection
from pagersync.database.queue import Batch, Outcome, Queue
from pagersync.database.trouble import is_unreachable, trouble_of

PUT_OFF_S: Final = 5.0

log = structlog.get_logger()

Apply: TypeAlias = Callable[[Connection, Queue, UUID, Sequence[asyncpg.Record]], Awaitable[None]]
"""Works rows held under a token and finishes them, all in one transaction of its own."""


class LeaseLostError(Exception):
    """Another worker took rows of this batch over: nothing of it may be committed."""


async def work_batch(connection: Connection, queue: Queue, batch: Batch, apply: Apply) -> None:
    """Apply claimed rows together; if that fails, each alone, so that a bad one fails alone.

    Raises:
        Exception: the database is away or ill; the rows come back, with no attempt used up if it
            still answers.
    """
    try:
        await apply(connection, queue, batch.token, batch.rows)
    except Exception as error:
        if is_unreachable(error):
            await _put_off(connection, queue, batch, error)
            raise
        if len(batch.rows) > 1:
            log.info(
                "a batch failed and is worked row by row", table=queue.table, rows=len(batch.rows)
            )
        for row in batch.rows:
            await _work_alone(connection, queue, batch.token, row, apply)


async def _put_off(connection: Connection, queue: Queue, batch: Batch, error: Exception) -> None:
    """Give rows back that an ill database did not take: its disk is full, or it is read-only."""
    if not isinstance(error, asyncpg.PostgresError):
        return  # it is away, and would not answer this either
    reason = trouble_of(error)
    later = [Outcome.snooze(row["id"], delay_s=PUT_OFF_S, reason=reason) for row in batch.rows]
    with suppress(Exception):
        await queue.finish(connection, batch.token, later)


async def _work_alone(
    connection: Connection, queue: Queue, token: UUID, row: asyncpg.Record, apply: Apply
) -> None:
    try:
        await apply(connection, queue, token, [row])
    except LeaseLostError:
        log.warning("a row was taken over by another worker", table=queue.table, id=str(row["id"]))
    except Exception as error:
        if is_unreachable(error):
            raise
        outcome = Outcome.failed(
            row["id"], attempt=row["attempt"], attempts_max=queue.attempts_max, error=repr(error)
        )
        log.exception(
            "a row failed", table=queue.table, id=str(row["id"]), next_state=outcome.state
        )
        await queue.finish(connection, token, [outcome])
