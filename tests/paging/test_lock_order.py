"""Locks are taken in one order, so that nobody waits in a circle and PostgreSQL breaks nothing.

Each test holds what comes first, lets somebody wait for it, and looks whether what comes later is
free meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts import actions
from pagersync.database.engine import Connection, raw_connection
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.incidents.attach import attach_alerts
from pagersync.integrations.default_account import lock_default
from pagersync.paging.confirm import Sighting, note_sightings
from pagersync.paging.repeats import RepeatChecker
from pagersync.paging.status import Seen
from pagersync.settings import Settings
from pagersync.workflows.accounts import remove_account
from tests.paging.conftest import Paging
from tests.paging.repeating import ELSEWHERE_S, incident, other_account, unknown
from tests.support.wait import eventually

LOCK_INCIDENT = "SELECT FROM incidents WHERE id = $1 FOR NO KEY UPDATE"


@asynccontextmanager
async def waits_for(
    holder: Connection, statement: str, id_: UUID, work: Coroutine[Any, Any, Any]
) -> AsyncIterator[None]:
    """Hold a row while somebody works who needs it; let it go afterwards, and the work end."""
    await holder.execute("BEGIN")
    await holder.execute(statement, id_)
    task = asyncio.create_task(work)
    try:
        while not await holder.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ):
            assert not task.done(), await task
            await asyncio.sleep(0.02)
            await holder.execute("SELECT pg_stat_clear_snapshot()")
        yield
    finally:
        await holder.execute("COMMIT")
        await task


async def test_who_learns_that_a_page_was_dropped_holds_no_page_while_it_waits_for_an_incident(
    idle: Paging, engine: AsyncEngine
) -> None:
    declared = await incident(idle)
    page_id = await idle.page(incident_id=declared.id, fallback_targets=[])
    (create,) = await idle.operations(page_id)
    seen = Seen("alt_1", None, "dropped", 1, datetime.now(UTC))
    mark = (f"pagersync:{create.id}",)
    told = Sighting(idle.integration_id, "alt_1", None, mark, seen)

    async def learn() -> None:
        async with raw_connection(engine) as connection, connection.transaction():
            await note_sightings(connection, [told])

    async with (
        raw_connection(engine) as holder,
        raw_connection(engine) as other,
        waits_for(holder, LOCK_INCIDENT, declared.id, learn()),
    ):
        await other.execute("SELECT FROM pages WHERE id = $1 FOR UPDATE NOWAIT", page_id)
    assert (await idle.get(page_id)).status == "dropped"


async def test_who_pages_again_holds_no_page_while_it_waits_for_an_incident(
    idle: Paging, settings: Settings, checker: RepeatChecker, engine: AsyncEngine
) -> None:
    await other_account(idle, settings, "other")
    declared = await incident(idle)
    page_id = await unknown(idle, for_s=ELSEWHERE_S + 1, incident_id=declared.id)
    async with (
        raw_connection(engine) as holder,
        raw_connection(engine) as other,
        waits_for(holder, LOCK_INCIDENT, declared.id, checker.check_due()),
    ):
        await other.execute("SELECT FROM pages WHERE id = $1 FOR UPDATE NOWAIT", page_id)


async def test_who_resolves_an_alert_with_its_incidents_holds_no_alert_while_it_waits_for_one(
    paging: Paging, service_api: AsyncClient, engine: AsyncEngine
) -> None:
    declared = await incident(paging)
    new = actions.NewLocalAlert(
        integration_id=paging.integration_id,
        summary="Disk full",
        description=None,
        labels={},
        data={},
        cause=Cause("a test"),
    )
    async with paging.sessions.begin() as session:
        alert = await actions.create_alert(session, new)
        await attach_alerts(session, declared, [alert.id], Cause("a test"))
    page_id = await paging.page(alert_id=alert.id)

    async def resolve() -> None:
        attributes = {"resolve_related_incidents": True}
        body = {"data": {"type": "alerts", "attributes": attributes}}
        answer = await service_api.post(f"/v1/alerts/{alert.id}/resolve", json=body)
        assert answer.status_code == 200, answer.text

    async with (
        raw_connection(engine) as holder,
        raw_connection(engine) as other,
        waits_for(holder, LOCK_INCIDENT, declared.id, resolve()),
    ):
        # The workers have each for a moment; who waits for the incident would keep it.
        for table, id_ in (("pages", page_id), ("alerts", alert.id)):
            statement = f"SELECT id FROM {table} WHERE id = $1 FOR UPDATE SKIP LOCKED"  # noqa: S608 - constants
            await eventually(partial(other.fetchval, statement, id_))


async def test_who_removes_an_account_holds_no_account_while_another_one_becomes_the_default(
    idle: Paging, engine: AsyncEngine
) -> None:
    async def remove() -> None:
        async with idle.sessions.begin() as session:
            await remove_account(session, idle.integration_id)

    async with idle.sessions.begin() as session:
        await lock_default(session)
        task = asyncio.create_task(remove())
        await asyncio.sleep(0.1)
        async with raw_connection(engine) as other:
            await other.execute(
                "SELECT FROM integrations WHERE id = $1 FOR UPDATE NOWAIT", idle.integration_id
            )
    await task
