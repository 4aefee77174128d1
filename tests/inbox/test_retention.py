"""Old rows go, but never what a person has yet to look at."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions, raw_connection
from pagersync.inbox import retention
from pagersync.inbox.models import Delivery
from pagersync.integrations.models import AlertsPerDay
from pagersync.workflows.models import Workflow, WorkflowRun, WorkflowTaskRun


def id_of(moment: datetime, number: int) -> UUID:
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number)


@pytest.mark.parametrize("rows_max", [2, 1000])
async def test_only_old_finished_rows_are_removed(
    engine: AsyncEngine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    monkeypatch.setattr(retention, "ROWS_MAX", rows_max)
    now = datetime.now(UTC)
    states = ["done", "ignored", "done", "invalid", "limited", "dead", "queued"]
    async with sessions.begin() as session:
        for days in (29, 31):
            for number, state in enumerate(states):
                session.add(
                    Delivery(
                        id=id_of(now - timedelta(days=days), number),
                        integration_id=UUID(int=1),
                        body=b"",
                        body_sha256=f"{days}{number}".encode(),
                        state=state,
                        lock_key=str(days),
                    )
                )
    async with raw_connection(engine) as connection:
        removed = await retention.remove_old_rows(
            connection, days=30, idempotency_days=1, audit_days=365, stop=asyncio.Event()
        )
    assert removed == 3
    async with sessions() as session:
        rows = (await session.execute(select(Delivery.lock_key, Delivery.state))).all()
    assert sorted(state for day, state in rows if day == "31") == [
        "dead",
        "invalid",
        "limited",
        "queued",
    ]
    assert len([day for day, _ in rows if day == "29"]) == len(states)


async def test_old_daily_counts_are_removed(engine: AsyncEngine, sessions: Sessions) -> None:
    days = [f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}" for days in (0, 29, 31, 400)]
    async with sessions.begin() as session:
        session.add_all(AlertsPerDay(integration_id=UUID(int=1), day=day, alerts=1) for day in days)
    async with raw_connection(engine) as connection:
        removed = await retention.remove_old_rows(
            connection, days=30, idempotency_days=1, audit_days=365, stop=asyncio.Event()
        )
    assert removed == 2
    async with sessions() as session:
        kept = (await session.scalars(select(AlertsPerDay.day))).all()
    assert sorted(kept, reverse=True) == days[:2]


async def test_a_run_that_waited_takes_its_tasks_along(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    now = datetime.now(UTC)
    workflow_id, run_id = UUID(int=7), id_of(now - timedelta(days=31), 1)
    own = {"integration_id": UUID(int=1), "run_id": run_id}
    task = {"task_id": UUID(int=8), "position": 1, "name": "t", "skip_on_failure": False}
    async with sessions.begin() as session:
        session.add(
            Workflow(id=workflow_id, name="w", slug="w", trigger_params={}, created_by="a test")
        )
        await session.flush()
        session.add(
            WorkflowRun(
                id=run_id,
                integration_id=UUID(int=1),
                workflow_id=workflow_id,
                triggered_by="user",
                requested_by="a test",
                state="done",
            )
        )
        begun = id_of(now - timedelta(days=29), 2)  # two days after the event
        session.add(WorkflowTaskRun(id=begun, task_params={}, **own, **task))
    async with raw_connection(engine) as connection:
        await retention.remove_old_rows(
            connection, days=30, idempotency_days=1, audit_days=365, stop=asyncio.Event()
        )
        left = [
            await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - constants
            for table in ("workflow_runs", "workflow_task_runs")
        ]
    assert left == [0, 0]
