"""What processes are killed at: each does what a worker does, about one thing only.

Awaits are counted in tasks. What is not to be counted, as it is not what a worker does, stands
outside of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.read_back import read_back
from pagersync.database.engine import raw_connection
from pagersync.database.queue import Queue
from pagersync.integrations.vault import open_vault
from pagersync.paging.batches import CLAIMED
from pagersync.paging.confirm import Checker
from pagersync.paging.sender import NEVER_BURIED, Sender
from pagersync.paging.turn import Turns
from pagersync.settings import Settings
from pagersync.webhooks.sender import WebhookSender
from pagersync.worker import Clients
from pagersync.workflows.engine import Engine
from pagersync.workflows.trigger import CLAIMED_COLUMNS, Trigger

POLL_S = 0.005


@dataclass(frozen=True)
class Tools:
    """What a process works with."""

    engine: AsyncEngine
    settings: Settings
    clients: Clients


async def send(tools: Tools, page_id: UUID) -> None:
    """Take turns at a page's operations until none is left, or until it is unknown."""
    turns = _turns(tools, page_id)
    wake, stop = asyncio.Event(), asyncio.Event()
    sending = asyncio.create_task(Sender(turns, tools.settings).run(wake, stop))
    while (pause_s := await _pause_s(turns.engine, page_id)) is not None:
        await asyncio.sleep(max(pause_s, POLL_S))
        if pause_s >= 0:
            wake.set()
    stop.set()
    await sending


async def check(tools: Tools, page_id: UUID) -> None:
    """Ask PagerTree once for what is due."""
    await asyncio.create_task(Checker(_turns(tools, page_id), stuck_s=60).check_due())


async def look(tools: Tools, subject_id: UUID) -> None:
    """Look at the events about one subject, and start what they trigger."""
    await asyncio.create_task(_look(tools, subject_id))


async def run(tools: Tools, run_id: UUID) -> None:
    """Execute a workflow run."""
    await asyncio.create_task(_run(tools, run_id))


async def tell(tools: Tools, endpoint_id: UUID) -> None:
    """Send what waits for a webhook endpoint."""
    await asyncio.create_task(_tell(tools, endpoint_id))


async def _tell(tools: Tools, endpoint_id: UUID) -> None:
    queue = _queue(tools, "webhook_deliveries", f"q.endpoint_id = '{endpoint_id}'")
    async with raw_connection(tools.engine) as connection:
        batch = await queue.claim(connection, rows_max=500)
    sender = WebhookSender(
        tools.engine,
        queue,
        http=tools.clients.webhooks,
        vault=open_vault(tools.settings),
        settings=tools.settings,
    )
    for row in batch.rows:
        await sender.take(batch.token, row["id"])


async def _look(tools: Tools, subject_id: UUID) -> None:
    queue = _queue(tools, "domain_events", f"q.subject_id = '{subject_id}'", *CLAIMED_COLUMNS)
    async with raw_connection(tools.engine) as connection:
        batch = await queue.claim(connection, rows_max=500)
        await Trigger(depth_max=5).work(connection, queue, batch)


async def _run(tools: Tools, run_id: UUID) -> None:
    queue = _queue(tools, "workflow_runs", f"q.id = '{run_id}'")
    async with raw_connection(tools.engine) as connection:
        batch = await queue.claim(connection, rows_max=1)
    engine = Engine(tools.engine, queue, http=tools.clients.outbound, settings=tools.settings)
    for row in batch.rows:
        await engine.take(batch.token, row["id"])


def _queue(tools: Tools, table: str, where: str, *columns: str, shown: str | None = None) -> Queue:
    return Queue(
        table,
        columns=columns,
        attempts_max=NEVER_BURIED,
        lease_s=tools.settings.operation_lease_s,
        where=where,
        order_by="q.id",
        shown=shown,
    )


def _turns(tools: Tools, page_id: UUID) -> Turns:
    return Turns(
        tools.engine,
        _queue(tools, "operations", f"q.page_id = '{page_id}'", shown=CLAIMED),
        http=tools.clients.pagertree,
        vault=open_vault(tools.settings),
        settings=tools.settings,
        read_back=read_back,
    )


async def _pause_s(engine: AsyncEngine, page_id: UUID) -> float | None:
    """Return when the next operation is due, less than 0 while one runs; None: nothing is left."""
    async with raw_connection(engine) as connection:
        pause_s: float | None = await connection.fetchval(_PAUSE, page_id)
    return pause_s


_PAUSE = """
SELECT CASE WHEN bool_or(state = 'running') THEN -1
            WHEN count(*) > 0
            THEN greatest(0, extract(epoch FROM min(run_at) - clock_timestamp())) END::float8
FROM operations
WHERE page_id = $1 AND state IN ('queued', 'running')
  AND NOT EXISTS (SELECT FROM pages WHERE id = $1 AND unknown_at IS NOT NULL)
"""

WORK: Final[Mapping[str, Callable[[Tools, UUID], Awaitable[None]]]] = MappingProxyType(
    {"send": send, "check": check, "look": look, "run": run, "tell": tell}
)
