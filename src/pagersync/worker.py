"""The working half of the service: rows claimed from queues, and what must be tidied up.

Runs inside `serve`, or alone as `pagersync worker`; any number of both share one database.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Final, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.apply import CLAIMED_COLUMNS, apply_batch
from pagersync.alerts.read_back import read_back
from pagersync.database.complaints import complain
from pagersync.database.engine import (
    Connection,
    Engines,
    Sessions,
    create_sessions,
    raw_connection,
)
from pagersync.database.notify import Listener
from pagersync.database.pool import EXPIRE_EVERY_S, Pool, by_id
from pagersync.database.queue import Batch, Queue, Unsure
from pagersync.http import AsyncClient
from pagersync.integrations.directory_schedule import sync_due
from pagersync.integrations.vault import Vault
from pagersync.metrics import BATCH_ROWS, BATCH_SECONDS
from pagersync.outbound import create_outbound_client, resolver
from pagersync.pagertree.client import create_http_client
from pagersync.paging.confirm import Checker
from pagersync.paging.repeats import RepeatChecker
from pagersync.paging.sender import Sender, operations_queue
from pagersync.paging.turn import Turns
from pagersync.retention.sweep import remove_old_rows
from pagersync.secrets.existing import run_sealing
from pagersync.settings import Settings
from pagersync.threads import WORKFLOW_LOOKUPS, let_the_loop_go_first
from pagersync.unpaged.sweep import run_sweeps
from pagersync.webhooks.requests import PRIVATE_ADDRESSES_SETTING
from pagersync.webhooks.sender import WebhookSender, webhooks_queue
from pagersync.workflows.engine import Engine, places, runs_queue
from pagersync.workflows.reference_check import check_due
from pagersync.workflows.trigger import Trigger, events_queue

POLL_S: Final = 2.0
"""How long a lost wake-up call can delay work."""

LOOPS: Final = 2
"""Loops of one process on one queue: one computes while the other waits for PostgreSQL."""

EVENTS_MAX: Final = 500
"""Domain events looked at in one transaction."""

BATCH_S: Final = 0.5
"""What comes while a batch is worked waits for about so long."""

RETENTION_EVERY_S: Final = 3600.0
DIRECTORY_POLL_S: Final = 5.0
AFTER_FAILURE_S: Final = 1.0

log = structlog.get_logger()

Work: TypeAlias = Callable[[Connection, Queue, Batch], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Clients:
    """The HTTP clients of one process.

    Attributes:
        pagertree: calls PagerTree's API.
        outbound: calls addresses that workflows name, as far as they may be called.
        webhooks: calls integrators' endpoints, likewise.
    """

    pagertree: AsyncClient
    outbound: AsyncClient
    webhooks: AsyncClient

    async def aclose(self) -> None:
        """Close their connections."""
        await self.pagertree.aclose()
        await self.outbound.aclose()
        await self.webhooks.aclose()


def create_clients(settings: Settings) -> Clients:
    """Return the clients that the settings ask for; nothing is connected yet."""
    return Clients(
        pagertree=create_http_client(timeout_s=settings.pagertree_timeout_s),
        outbound=create_outbound_client(
            timeout_s=settings.http_client_timeout_s,
            allows_private=settings.http_client_private_addresses,
            setting="PAGERSYNC_HTTP_CLIENT_PRIVATE_ADDRESSES",
            resolve=resolver(WORKFLOW_LOOKUPS),
        ),
        webhooks=create_outbound_client(
            timeout_s=settings.webhook_timeout_s,
            allows_private=settings.webhook_private_addresses,
            setting=PRIVATE_ADDRESSES_SETTING,
        ),
    )


def deliveries_queue(settings: Settings) -> Queue:
    """Return the queue of webhook deliveries that wait to be applied."""
    return Queue(
        "deliveries",
        columns=CLAIMED_COLUMNS,
        attempts_max=settings.apply_attempts_max,
        lease_s=settings.apply_lease_s,
    )


def every_queue(settings: Settings) -> Sequence[Queue]:
    """Return all queues: of each, what a gone process held is given back."""
    return (
        deliveries_queue(settings),
        events_queue(settings),
        runs_queue(settings),
        operations_queue(settings),
        webhooks_queue(),
    )


async def run_workers(
    engines: Engines,
    listener: Listener,
    settings: Settings,
    stop: asyncio.Event,
    *,
    clients: Clients,
    vault: Vault,
) -> None:
    """Work until `stop` is set; what was claimed by then is finished first."""
    engine = engines.paging
    listener.give_back({queue.table: queue.give_back for queue in every_queue(settings)})
    turns = Turns(
        engine,
        operations_queue(settings),
        http=clients.pagertree,
        vault=vault,
        settings=settings,
        read_back=read_back,
    )
    async with asyncio.TaskGroup() as group:
        for _ in range(LOOPS):
            group.create_task(
                run_queue(
                    engine,
                    deliveries_queue(settings),
                    apply_batch,
                    rows_max=settings.apply_batch_rows_max,
                    wake=listener.subscribe("deliveries"),
                    stop=stop,
                )
            )
        group.create_task(Sender(turns, settings).run(listener.subscribe("operations"), stop))
        group.create_task(_look_at_events(engine, listener, settings, stop))
        executing = Engine(
            engine, runs_queue(settings), http=clients.outbound, settings=settings, vault=vault
        )
        group.create_task(_run_workflows(engine, listener, settings, stop, executing))
        webhooks = WebhookSender(
            engines.background,
            webhooks_queue(),
            http=clients.webhooks,
            vault=vault,
            settings=settings,
        )
        group.create_task(_send_webhooks(webhooks, listener, settings, stop))
        group.create_task(Checker(turns, stuck_s=settings.page_stuck_s).run(stop))
        group.create_task(RepeatChecker(engine, settings).run(stop))
        group.create_task(_run_retention(engines.background, settings, stop))
        group.create_task(run_sealing(engines.background, vault, stop))
        if settings.unpaged_s:
            group.create_task(run_sweeps(engine, settings.unpaged_s, settings.page_stuck_s, stop))
        syncing = run_directory(
            create_sessions(engines.background),
            clients.pagertree,
            vault,
            settings,
            wake=listener.subscribe("integrations"),
        )
        group.create_task(_end_at(stop, group.create_task(syncing)))


async def _look_at_events(
    engine: AsyncEngine, listener: Listener, settings: Settings, stop: asyncio.Event
) -> None:
    await run_queue(
        engine,
        events_queue(settings),
        Trigger(depth_max=settings.workflow_depth_max).work,
        rows_max=EVENTS_MAX,
        wake=listener.subscribe("domain_events"),
        stop=stop,
    )


async def _run_workflows(
    engine: AsyncEngine,
    listener: Listener,
    settings: Settings,
    stop: asyncio.Event,
    executing: Engine,
) -> None:
    pool = Pool(
        engine,
        runs_queue(settings),
        executing.take_row,
        concurrency=places(settings),
        poll_s=POLL_S,
    )
    await pool.run(listener.subscribe("workflow_runs"), stop)


async def _send_webhooks(
    sender: WebhookSender, listener: Listener, settings: Settings, stop: asyncio.Event
) -> None:
    pool = Pool(
        sender.engine,
        sender.queue,
        by_id(sender.take),
        concurrency=settings.webhook_concurrency,
        poll_s=POLL_S,
    )
    await pool.run(listener.subscribe("webhook_deliveries"), stop)


async def run_queue(
    engine: AsyncEngine,
    queue: Queue,
    work: Work,
    *,
    rows_max: int,
    wake: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Claim and work batches of one queue until `stop` is set, connecting as often as it takes."""
    let_the_loop_go_first()
    unsure = Unsure(queue)

    async def work_on(connection: Connection) -> None:
        expired_at = -EXPIRE_EVERY_S
        await unsure.give_back(connection)
        rows = rows_max
        while not stop.is_set():
            wake.clear()
            if monotonic() - expired_at > EXPIRE_EVERY_S:
                expired_at = monotonic()
                await _expire(connection, queue)
            began = monotonic()
            worked = await _work_batch(connection, queue, work, rows, unsure.next_token())
            unsure.forget()
            if worked:
                rows = fitting_rows(worked, monotonic() - began, rows_max)
            else:
                await _wait_for_either(wake, stop, POLL_S)

    while not stop.is_set():
        try:
            async with raw_connection(engine) as connection:
                await work_on(connection)
        except Exception as error:  # noqa: BLE001 - a worker outlives every failure
            complain("work was interrupted", error, queue=queue.table)
            await _wait(stop, AFTER_FAILURE_S)


def fitting_rows(rows: int, took_s: float, rows_max: int) -> int:
    """Return how many rows are worked next, so that what comes meanwhile waits shortly. Pure.

    Args:
        rows: worked just now.
        took_s: how long that took.
        rows_max: the most.
    """
    return max(1, min(rows_max, int(rows * BATCH_S / max(took_s, 0.001))))


async def run_directory(
    sessions: Sessions,
    http: AsyncClient,
    vault: Vault,
    settings: Settings,
    *,
    wake: asyncio.Event,
) -> None:
    """Sync the directories that are due, until cancelled: a sync that is cut short comes again.

    What refers to a directory is checked even where directories are only synced on demand.
    """
    while True:
        wake.clear()
        try:
            while settings.directory_sync_s and await sync_due(sessions, http, vault, settings):
                pass
            while await check_due(sessions):
                pass
        except Exception as error:  # noqa: BLE001 - a worker outlives every failure
            complain("syncing directories was interrupted", error)
            await asyncio.sleep(AFTER_FAILURE_S)
        else:
            await _wait(wake, DIRECTORY_POLL_S)


async def _end_at(stop: asyncio.Event, task: asyncio.Task[None]) -> None:
    await stop.wait()
    task.cancel()


async def _work_batch(
    connection: Connection, queue: Queue, work: Work, rows_max: int, token: UUID
) -> int:
    """Claim and work one batch; return how many rows it had."""
    batch = await queue.claim(connection, rows_max=rows_max, token=token)
    if not batch:
        return 0
    began = perf_counter()
    await work(connection, queue, batch)
    BATCH_SECONDS.labels(queue=queue.table).observe(perf_counter() - began)
    BATCH_ROWS.labels(queue=queue.table).inc(len(batch.rows))
    return len(batch.rows)


async def _expire(connection: Connection, queue: Queue) -> None:
    rows = await queue.expire(connection)
    if rows:
        log.warning("took back what silent workers held", queue=queue.table, rows=rows)


async def _run_retention(engine: AsyncEngine, settings: Settings, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with raw_connection(engine) as connection:
                await remove_old_rows(connection, settings, stop)
        except Exception as error:  # noqa: BLE001 - tried again in an hour
            complain("old rows could not be removed", error)
        await _wait(stop, RETENTION_EVERY_S)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


async def _wait_for_either(one: asyncio.Event, other: asyncio.Event, timeout_s: float) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
