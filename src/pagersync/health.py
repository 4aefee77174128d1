"""`/livez`, `/readyz` and `/metrics`: for whoever watches the service."""

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import asyncpg
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.complaints import complain
from pagersync.database.disk import DiskWatch
from pagersync.database.engine import Connection, raw_connection
from pagersync.database.migrate import current_revision, newest_revision
from pagersync.database.shared_pool import SHARE, Share
from pagersync.database.trouble import AWAY, trouble_of
from pagersync.database.writes import WRITES
from pagersync.integrations.secret_key import key_problem
from pagersync.integrations.vault import Vault
from pagersync.log import warn_rarely
from pagersync.ops_port import is_ops, is_public
from pagersync.retention.metrics import read_metrics
from pagersync.shared_look import SharedLook

ANSWER_S: Final = 2
"""Whoever watches waits no longer than this for the database."""

HEALTH: Final = Share("health")

ROWS_COUNTED_MAX: Final = 10_000
"""Queue sizes are counted up to here: looking must not cost more the worse things are."""

QUEUES: Final = {
    "deliveries": ["queued", "running", "invalid", "limited", "dead"],
    "domain_events": ["queued", "running", "dead"],
    "workflow_runs": ["queued", "running", "failed", "dead"],
    "operations": ["queued", "running", "failed", "dead", "unknown"],
    "webhook_deliveries": ["queued", "running", "held", "dead"],
}
"""The queues, and the states of each that are counted: on their way, or waiting for a person."""

SUBJECTS: Final = ["incident", "alert"]
PAGES_COUNTED: Final = ["queued", "unknown", "failed", "dropped", "stuck"]

router = APIRouter(tags=["Health"])


class QueueHealth(BaseModel):
    """How far behind a queue is."""

    lag_s: float
    rows: dict[str, int]


class Readiness(BaseModel):
    """Whether this process can do its work, and what stands in the way."""

    ready: bool
    database: str
    migrations: str
    secret_key: str | None = None
    writes: str = Field(description="`ok`, or why the database takes no changes.")
    queues: dict[str, QueueHealth]
    unpaged: dict[str, int] = Field(
        description="Incidents and alerts that somebody should have been paged for, and nobody "
        "was. They do not make a process unready. `pagersync doctor` names them."
    )


@router.get("/livez", summary="The process runs")
async def livez() -> dict[str, str]:
    """Answer without touching anything else."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="The process can work",
    description="Looks at the database, its migrations, the secret key and the queues. A queue "
    "that is behind does not make a process unready: taking it out of service would not help. "
    "With `PAGERSYNC_OPS_PORT`, the public port answers `ready` alone.",
    responses={200: {"model": Readiness}, 503: {"model": Readiness}},
)
async def readyz(request: Request) -> Response:
    """Answer 200 or 503, with the reasons, unless a stranger asks who has a port of their own."""
    health: Health = request.state.health
    readiness = await health.readiness()
    shown = readiness.model_dump(include={"ready"} if is_public(request) else None)
    return JSONResponse(shown, status_code=200 if readiness.ready else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """Answer what this process counted and what the database says."""
    health: Health = request.state.health
    shared = health.metrics_with_names if is_ops(request) else health.metrics
    return Response(await shared(), media_type=CONTENT_TYPE_LATEST)


class Health:
    """Looks at what this process needs, once for all who ask at the same time.

    Attributes:
        readiness: whether it can work.
        metrics: what it counted, without names of accounts.
        metrics_with_names: with them.
    """

    def __init__(self, engine: AsyncEngine, vault: Vault, disk: DiskWatch) -> None:
        self.readiness = SharedLook(lambda: check_readiness(engine, vault, disk))
        self.metrics = SharedLook(lambda: collect_metrics(engine, names=False))
        self.metrics_with_names = SharedLook(lambda: collect_metrics(engine, names=True))


async def collect_metrics(engine: AsyncEngine, *, names: bool) -> bytes:
    """Return all metrics; those of the database only if it answers in time."""
    counted: bytes = generate_latest(_process_registry())
    try:
        stored = CollectorRegistry()
        async with asyncio.timeout(ANSWER_S):
            stored.register(await _read_database(engine, names=names))
        counted += generate_latest(stored)
    except Exception as error:  # noqa: BLE001 - half of the metrics are better than none
        complain("metrics are without the database's", error)
    return counted


async def check_readiness(engine: AsyncEngine, vault: Vault, disk: DiskWatch) -> Readiness:
    """Look at everything that this process needs."""
    try:
        async with asyncio.timeout(ANSWER_S):
            SHARE.set(HEALTH)
            async with engine.connect() as connection:
                revision = await current_revision(connection)
            queues, unpaged, problem = {}, {}, None
            is_current = revision == newest_revision()
            if revision is not None:
                async with raw_connection(engine) as raw:
                    if await raw.fetchval(_READ_ONLY):  # throws the connection away, too
                        raise asyncpg.ReadOnlySQLTransactionError  # noqa: TRY301
                    problem = await key_problem(raw, vault) if is_current else None
                    queues = {name: await _queue_health(raw, name) for name in QUEUES}
                    unpaged = await _unpaged(raw) if is_current else {}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        reason = trouble_of(error) or AWAY
        warn_rarely("not ready: the database is away or ill", reason=reason, error=repr(error))
        return Readiness(
            ready=False,
            database="away" if reason == AWAY else "ill",
            migrations="unknown",
            writes=reason,
            queues={},
            unpaged={},
        )
    writes = WRITES.problem() or disk.problem()
    return Readiness(
        ready=is_current and problem is None and writes is None,
        database="ok",
        migrations="ok" if is_current else "behind: run `pagersync migrate`",
        secret_key=problem or ("ok" if is_current else None),
        writes=writes or "ok",
        queues=queues,
        unpaged=unpaged,
    )


async def _unpaged(connection: Connection) -> dict[str, int]:
    rows = await connection.fetch(_UNPAGED, ROWS_COUNTED_MAX, SUBJECTS)
    return {row["kind"]: row["subjects"] for row in rows}


async def _queue_health(connection: Connection, table: str) -> QueueHealth:
    lag_s = await connection.fetchval(_LAG.format(table=table))
    counts = (_ROWS.format(table=table, state=state) for state in QUEUES[table])
    rows = await connection.fetch(" UNION ALL ".join(counts), ROWS_COUNTED_MAX)
    return QueueHealth(
        lag_s=round(max(0.0, float(lag_s or 0)), 3),
        rows={row["state"]: row["rows"] for row in rows},
    )


_READ_ONLY = "SELECT current_setting('transaction_read_only') = 'on'"

_LAG = """
SELECT extract(epoch FROM now() - min(run_at)) FROM {table}
WHERE state = 'queued' AND run_at <= now()
"""

_ROWS = """
SELECT '{state}' AS state,
    (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE state = '{state}' LIMIT $1) AS counted)
      AS rows
"""
"""States are written out, so that the indexes over rows of one state can be used."""


_UNPAGED = """
SELECT s.kind, (SELECT count(*) FROM (SELECT 1 FROM unpaged u
    WHERE u.subject_type = s.kind AND u.ended_at IS NULL LIMIT $1) AS counted) AS subjects
FROM unnest($2::text[]) AS s (kind)
"""

_RUNS_WAITING = """
SELECT count(*) FROM (
    SELECT 1 FROM workflow_runs WHERE is_over_limit AND state = 'queued' LIMIT $1) AS counted
"""

_GATES = """
SELECT CASE WHEN $1 THEN integration_id::text ELSE '' END AS integration_id, reason,
    count(*) AS accounts
FROM integration_gates WHERE reason IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""

_REFUSALS = """
SELECT CASE WHEN $1 THEN integration_id::text ELSE '' END AS integration_id, reason,
    sum(times)::bigint AS times
FROM webhook_refusals GROUP BY 1, 2 ORDER BY 1, 2
"""
"""Strangers get sums over all accounts: the label is there, and empty."""

_PAGES = """
SELECT s.status,
       (SELECT count(*) FROM (SELECT 1 FROM pages p WHERE p.status = s.status LIMIT $1) AS counted)
         AS pages
FROM unnest($2::text[]) AS s (status)
"""


def _process_registry() -> CollectorRegistry:
    """Return this process's counts, or those of all processes under one `serve`."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library has no types here
    return registry


async def _read_database(engine: AsyncEngine, *, names: bool) -> "DatabaseMetrics":
    """Return what the database says; accounts are named only to those who have the ops port."""
    SHARE.set(HEALTH)
    async with raw_connection(engine) as connection:
        queues = {name: await _queue_health(connection, name) for name in QUEUES}
        pages = await connection.fetch(_PAGES, ROWS_COUNTED_MAX, PAGES_COUNTED)
        gates = await connection.fetch(_GATES, names)
        refusals = await connection.fetch(_REFUSALS, names)
        unpaged = await _unpaged(connection)
        retention = await read_metrics(connection)
        waiting = await connection.fetchval(_RUNS_WAITING, ROWS_COUNTED_MAX)
    return DatabaseMetrics(
        queues, pages, gates, refusals, unpaged, runs_waiting=waiting, retention=retention
    )


class DatabaseMetrics(Collector):
    """What the database says, as metrics."""

    def __init__(  # noqa: PLR0913 - each is what one query found
        self,
        queues: dict[str, QueueHealth],
        pages: Iterable[Any],
        gates: Iterable[Any],
        refusals: Iterable[Any],
        unpaged: dict[str, int],
        *,
        runs_waiting: int,
        retention: Sequence[Metric],
    ) -> None:
        self._queues = queues
        self._pages = pages
        self._gates = gates
        self._refusals = refusals
        self._unpaged = unpaged
        self._runs_waiting = runs_waiting
        self._retention = retention

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        lag = GaugeMetricFamily(
            "pagersync_queue_lag_seconds", "Age of the oldest row that waits.", labels=["queue"]
        )
        rows = GaugeMetricFamily(
            "pagersync_queue_rows",
            "Rows of a queue by state, counted up to 10,000.",
            labels=["queue", "state"],
        )
        for name, queue in self._queues.items():
            lag.add_metric([name], queue.lag_s)
            for state, count in queue.rows.items():
                rows.add_metric([name, state], count)
        refused = CounterMetricFamily(
            "pagersync_webhook_refusals",
            "Webhook requests turned away at the door; accounts are named at the ops port alone.",
            labels=["integration_id", "reason"],
        )
        for row in self._refusals:
            refused.add_metric([row["integration_id"], row["reason"]], row["times"])
        pages = GaugeMetricFamily(
            "pagersync_pages", "Pages that somebody should look at, by status.", labels=["status"]
        )
        for row in self._pages:
            pages.add_metric([row["status"]], row["pages"])
        shut = GaugeMetricFamily(
            "pagersync_pagertree_failing",
            "Accounts whose PagerTree API is not well, by reason; named at the ops port alone.",
            labels=["integration_id", "reason"],
        )
        for row in self._gates:
            shut.add_metric([row["integration_id"], row["reason"]], row["accounts"])
        unpaged = GaugeMetricFamily(
            "pagersync_unpaged",
            "Incidents and alerts that somebody should have been paged for, and nobody was.",
            labels=["subject"],
        )
        for kind, count in self._unpaged.items():
            unpaged.add_metric([kind], count)
        waiting = GaugeMetricFamily(
            "pagersync_workflow_runs_waiting",
            "Workflow runs that wait because of their workflow's limit of runs a minute.",
            value=self._runs_waiting,
        )
        yield from (lag, rows, refused, pages, shut, unpaged, waiting, *self._retention)
