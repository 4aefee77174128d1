"""Moves workflows by hand: events looked at now, waits that end now, runs executed now."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from pagersync.database.engine import Connection, Sessions, raw_connection
from pagersync.settings import Settings
from pagersync.worker import create_clients
from pagersync.workflows.engine import Engine, runs_queue
from pagersync.workflows.preview import Preview, Previewed, prepare, preview
from pagersync.workflows.preview_work import look as compute
from pagersync.workflows.trigger import Trigger, events_queue


async def look_once(sessions: Sessions) -> None:
    """Look at every event that waits, as a worker would."""
    async with raw_connection(sessions.kw["bind"]) as connection:
        await look(connection)


async def look(connection: Connection) -> None:
    queue = events_queue(Settings())
    while batch := await queue.claim(connection, rows_max=500):
        await Trigger(depth_max=5).work(connection, queue, batch)


async def let_waits_end(sessions: Sessions) -> None:
    """Let every run that waits begin now."""
    async with sessions.begin() as session:
        await session.execute(
            text("UPDATE workflow_runs SET run_at = now() WHERE state = 'queued'")
        )
        await session.execute(text("SELECT pg_notify('pagersync', 'workflow_runs')"))


async def execute(engine: AsyncEngine, settings: Settings) -> None:
    """Execute every run that waits."""
    queue = runs_queue(settings)
    clients = create_clients(settings)
    executing = Engine(engine, queue, http=clients.outbound, settings=settings)
    async with raw_connection(engine) as connection:
        while batch := await queue.claim(connection, rows_max=10):
            await asyncio.gather(*(executing.take(batch.token, row["id"]) for row in batch.rows))
    await clients.aclose()


async def preview_here(session: AsyncSession, settings: Settings, asked: Previewed) -> Preview:
    """Return a preview whose templates are rendered in this process."""
    prepared = await prepare(session, settings, asked)
    tasks = [task.task_params for task in asked.tasks]
    params = asked.workflow.trigger_params
    computed = compute(params, prepared.subject, datetime.now(UTC), tasks, prepared.variables)
    return await preview(session, asked, prepared, [*computed])
