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
from pagersync.alerts.attached import resolve_alerts
from pagersync.alerts.models import Alert
from pagersync.alerts.repeats import repeat
from pagersync.alerts.store import AlertKey, _lock_number, lock_alerts
from pagersync.database.engine import Connection, raw_connection
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.incidents.attach import attach_alerts
from pagersync.integrations.default_account import lock_default
from pagersync.paging.confirm import Sighting, note_sightings
from pagersync.paging.repeats import RepeatChecker
from pagersync.paging.service import NewPage
from pagersync.paging.status import Seen
from pagersync.paging.store import lock_pages
from pagersync.settings import Settings
from pagersync.workflows.accounts import remove_account
from tests.paging.conftest import Paging
from tests.paging.repeating import ELSEWHERE_S, incident, other_account, unknown
from tests.support.wait import eventually

CAUSE = Cause("a test")
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND datname = current_database()"
)
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
        while not await holder.fetchval(WAITING):
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
    alert = await an_alert(paging)
    async with paging.sessions.begin() as session:
        await attach_alerts(session, declared, [alert.id], CAUSE)
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


async def an_alert(paging: Paging) -> Alert:
    new = actions.NewLocalAlert(
        integration_id=paging.integration_id,
        summary="Disk full",
        description=None,
        labels={},
        data={},
        cause=CAUSE,
    )
    async with paging.sessions.begin() as session:
        return await actions.create_alert(session, new)


async def waits(engine: AsyncEngine, number: int) -> None:
    """Wait until so many wait for a lock."""

    async def waiting() -> bool:
        async with raw_connection(engine) as connection:
            return bool(await connection.fetchval(WAITING) == number)

    await eventually(waiting)


async def test_who_raises_an_alert_waits_for_no_page_that_is_sent_at_that_moment(
    idle: Paging, engine: AsyncEngine
) -> None:
    alert = await an_alert(idle)
    key = AlertKey(alert.integration_id, alert.external_id)
    await idle.page(alert_id=alert.id, urgency="low")
    again = NewPage(
        integration_id=idle.integration_id,
        title="Disk full",
        targets=[],
        requested_by="a test",
        urgency="critical",
    )

    async def ask_again() -> None:
        async with idle.sessions.begin() as session:
            own = await session.get_one(Alert, (alert.id, alert.integration_id))
            assert await repeat(session, own, again, CAUSE) is not None

    async def send(page_id: UUID) -> None:
        async with raw_connection(engine) as connection, connection.transaction():
            await lock_pages(connection, [page_id])
            await lock_alerts(connection, [key])

    async with raw_connection(engine) as holder:
        async with holder.transaction():
            await lock_alerts(holder, [key])
            raising = asyncio.create_task(ask_again())
            await waits(engine, 1)
            page_id = await idle.page(alert_id=alert.id, urgency="low")
            sending = asyncio.create_task(send(page_id))
            await waits(engine, 2)
        await asyncio.gather(raising, sending)


async def test_who_resolves_several_alerts_locks_them_in_the_order_of_webhooks(
    idle: Paging, engine: AsyncEngine
) -> None:
    alerts = [await an_alert(idle) for _ in range(12)]
    keys = [AlertKey(each.integration_id, each.external_id) for each in alerts]

    async def resolve() -> None:
        async with idle.sessions.begin() as session:
            await resolve_alerts(session, [each.id for each in alerts], CAUSE)

    async with raw_connection(engine) as webhooks, webhooks.transaction():
        first = min(keys, key=_lock_number)
        await lock_alerts(webhooks, [first])
        resolving = asyncio.create_task(resolve())
        await waits(engine, 1)
        await lock_alerts(webhooks, keys)
    await resolving
