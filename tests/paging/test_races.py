"""What happens beside a page must not lose it, double it, or pass for it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts import actions
from pagersync.alerts.apply import write_events
from pagersync.alerts.models import Alert
from pagersync.alerts.store import AlertKey, adopt_alerts
from pagersync.database.engine import Connection, raw_connection
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.integrations import service as integrations
from pagersync.integrations.vault import open_vault
from pagersync.paging.models import Operation, OperationKind
from pagersync.paging.service import get_page, request_operation, resolve_page
from pagersync.paging.store import LockedPage, lock_pages
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.pagertree import API_KEY
from tests.support.server import running_server
from tests.support.wait import eventually


async def move_id(paging: Paging, operation_id: UUID, ms: int) -> None:
    """Give an operation the id that a clock so many milliseconds apart would have given it."""
    moved = UUID(int=operation_id.int + (ms << 80))
    async with paging.sessions.begin() as session:
        await session.execute(
            update(Operation).where(Operation.id == operation_id).values(id=moved)
        )


async def test_a_clock_that_is_behind_puts_no_operation_before_the_create(
    idle: Paging, paging_settings: Settings
) -> None:
    page_id = await idle.page()
    (create,) = await idle.operations(page_id)
    await move_id(idle, create.id, 60_000)  # made where the clock is a minute ahead
    async with idle.sessions.begin() as session:
        await request_operation(
            session,
            OperationKind.RESOLVE_ALERT,
            integration_id=idle.integration_id,
            requested_by="a test",
            page=await get_page(session, page_id),
        )
    kinds = [operation.kind for operation in await idle.operations(page_id)]
    assert kinds == ["create_alert", "resolve_alert"]
    async with running_server(paging_settings):
        await idle.reaches(page_id, "sent", "confirmed", "resolved")


async def test_a_mark_among_the_tags_of_a_request_is_refused(
    paging: Paging, service_api: AsyncClient
) -> None:
    (create,) = await paging.operations(await paging.page())
    attributes = {
        "title": "t",
        "teams": [{"name": "Platform"}],
        "tags": [f"pagersync:{create.id}"],
    }
    body = {"data": {"type": "pages", "attributes": attributes}}
    response = await service_api.post("/v1/pages", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["source"]["pointer"] == "/data/attributes/tags/0"


async def test_a_mark_that_was_copied_into_the_tags_of_another_alert_does_not_pass_for_its_page(
    paging: Paging,
) -> None:
    first = await paging.page(title="first", expires_at=None)
    (create,) = await paging.operations(first)
    await paging.page(title="second", tags=[f"pagersync:{create.id}"])

    async def titles() -> set[str]:
        return {alert["title"] for alert in paging.simulator.alerts()}

    await eventually(titles, lambda found: found == {"first", "second"})
    page = await paging.reaches(first, "confirmed")
    (alert,) = [alert for alert in paging.simulator.alerts() if alert["title"] == "first"]
    assert page.pagertree_alert_id == alert["prefix_id"]


async def disk_alert(paging: Paging) -> UUID:
    """Make an alert that lives here."""
    new = actions.NewLocalAlert(
        integration_id=paging.integration_id,
        summary="Disk full",
        description=None,
        labels={},
        data={},
        cause=Cause("a test"),
    )
    async with paging.sessions.begin() as session:
        return (await actions.create_alert(session, new)).id


async def test_an_alert_that_gets_its_name_while_it_is_changed_stays_one_alert(
    paging: Paging, engine: AsyncEngine
) -> None:
    alert_id = await disk_alert(paging)
    async with paging.sessions.begin() as session:
        alert = (await session.scalars(select(Alert).where(Alert.id == alert_id))).one()
        async with raw_connection(engine) as connection:
            key = AlertKey(paging.integration_id, "alt_1")
            await adopt_alerts(connection, {key: alert_id}, {paging.integration_id: "x{id}"})
        await actions.change_alert(session, alert, {"title": "Disk very full"}, Cause("a test"))
    async with paging.sessions() as session:
        rows = (await session.scalars(select(Alert))).all()
    assert [(row.external_id, row.summary) for row in rows] == [("alt_1", "Disk very full")]


async def test_the_backlog_of_one_account_does_not_hold_up_the_page_of_another(
    idle: Paging, settings: Settings, paging_settings: Settings
) -> None:
    for _ in range(60):
        await idle.page(title="backlog")
    async with idle.sessions.begin() as session:
        other = await integrations.add_integration(
            session,
            name="other",
            pagertree_url=idle.pagertree.api_url,
            api_key_encrypted=open_vault(settings).encrypt(API_KEY),
        )
    await idle.page(title="urgent", integration_id=other.integration.id)
    slow = {"pagertree_calls_per_s": 10.0, "pagertree_burst_calls": 1}

    async def titles() -> list[str]:
        return [alert["title"] for alert in idle.simulator.alerts()]

    async with running_server(paging_settings.model_copy(update=slow)):
        sent = await eventually(titles, lambda found: "urgent" in found)
    assert sent.index("urgent") <= 2 * paging_settings.operation_concurrency


async def test_a_page_says_that_it_expired_also_while_nothing_can_be_sent(
    paging: Paging,
) -> None:
    shut: dict[str, Any] = {"id": paging.integration_id}
    async with paging.sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO integration_gates (integration_id, tokens, failures, open_until,"
                " reason) VALUES (:id, 1, 9, now() + interval '1 hour', 'failing')"
            ),
            shut,
        )
    page_id = await paging.page(expires_at=datetime.now(UTC) + timedelta(seconds=0.2))
    await paging.reaches(page_id, "expired")
    assert paging.simulator.alerts() == []


CLAIM = """
UPDATE operations SET state = 'running', attempt = 1, lease_token = gen_random_uuid(),
    leased_until = now() + interval '1 minute'
WHERE id = $1
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def test_a_page_that_is_claimed_at_the_moment_in_which_it_is_resolved_is_resolved_behind_it(
    idle: Paging, engine: AsyncEngine
) -> None:
    page_id = await idle.page()
    (create,) = await idle.operations(page_id)

    async def resolve() -> None:
        async with idle.sessions.begin() as session:
            await resolve_page(session, await get_page(session, page_id), requested_by="a test")

    async with raw_connection(engine) as sender, raw_connection(engine) as watch:
        async with sender.transaction():
            await sender.execute(CLAIM, create.id)
            resolving = asyncio.create_task(resolve())
            await eventually(lambda: watch.fetchval(WAITING), lambda waiting: waiting == 1)
        await resolving
    kinds = [operation.kind for operation in await idle.operations(page_id)]
    assert kinds == ["create_alert", "resolve_alert"]


async def test_an_alert_whose_key_is_changed_while_it_moves_and_is_heard_of_waits_in_no_circle(
    idle: Paging, engine: AsyncEngine
) -> None:
    alert_id = await disk_alert(idle)
    page_id = await idle.page(alert_id=alert_id)
    name = AlertKey(idle.integration_id, "alt_1")

    async def hear(connection: Connection, pages: dict[AlertKey, LockedPage]) -> None:
        event = actions.local_event(name, "updated", "Seen", cause=Cause("a test"), values={})
        await write_events(connection, {name: [event]}, pages)

    async def hear_again() -> None:
        async with raw_connection(engine) as connection, connection.transaction():
            await hear(connection, {})

    async def waiting() -> int:
        async with raw_connection(engine) as connection:
            found: int = await connection.fetchval(WAITING)
            return found

    async with idle.sessions.begin() as session:
        alert = (await session.scalars(select(Alert).where(Alert.id == alert_id))).one()
        async with raw_connection(engine) as mover, mover.transaction():
            await hear(mover, {name: (await lock_pages(mover, [page_id]))[page_id]})
            locking = asyncio.create_task(actions.lock_alert(session, alert))
            await eventually(waiting)
        await locking
        hearing = asyncio.create_task(hear_again())

        async def has_come_far() -> bool:
            return hearing.done() or await waiting() == 1

        await eventually(has_come_far)
        change = {"deduplication_key": "disk-1"}
        changed = await actions.change_alert(session, alert, change, Cause("a test"))
    await hearing
    assert (changed.external_id, changed.deduplication_key) == ("alt_1", "disk-1")
