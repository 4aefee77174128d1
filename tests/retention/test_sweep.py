"""Old rows go, and never what an open incident, an open alert or a page not yet ended needs."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.database.engine import Sessions, raw_connection
from pagersync.doctor import examine
from pagersync.events.models import DomainEvent
from pagersync.inbox.models import Delivery
from pagersync.incidents.lifecycle import OVER
from pagersync.incidents.models import Incident, IncidentEvent
from pagersync.integrations.models import AlertsPerDay, Integration
from pagersync.kept import days_kept, first_id
from pagersync.paging.models import PageStatus
from pagersync.retention import kinds, sweep
from pagersync.retention.forecast import Forecast, forecast
from pagersync.retention.sweep import Removed, remove_old_rows
from pagersync.settings import Settings
from pagersync.webhooks.models import WebhookDelivery
from tests.retention.world import ALL, OWNER, World, count


async def remove(engine: AsyncEngine, settings: Settings) -> dict[str, Removed]:
    async with raw_connection(engine) as connection:
        return dict(await remove_old_rows(connection, settings, asyncio.Event(), rest=0))


async def foresee(engine: AsyncEngine, settings: Settings) -> dict[str, Forecast]:
    async with raw_connection(engine) as connection:
        return {each.kind: each for each in await forecast(connection, settings)}


async def left(sessions: Sessions) -> dict[str, int]:
    async with sessions() as session:
        return await count(session)


async def add(sessions: Sessions, *worlds: World) -> None:
    async with sessions.begin() as session:
        for world in worlds:
            await world.add(session)


OPEN_INCIDENT = World(incident="started")
OPEN_PAGE = World(page="confirmed")
UNKNOWN_PAGE = World(page="unknown", operation="unknown")
WAITING = World(page="failed", operation="queued")
OPEN_ALERT = World(alert="triggered")

ALL_OF_PAGE = {name: rows for name, rows in ALL.items() if not name.startswith("workflow")}


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (World(), {}),
        (World(page="dropped"), {}),
        (World(days=10), ALL),
        (OPEN_INCIDENT, ALL),
        (OPEN_PAGE, {**ALL_OF_PAGE, "deliveries": 0, "domain_events": 1}),
        (UNKNOWN_PAGE, {**ALL_OF_PAGE, "deliveries": 0, "domain_events": 1}),
        (WAITING, {"pages": 1, "operations": 1, "attempts": 1, "alerts": 1, "alert_events": 1}),
        (OPEN_ALERT, {"alerts": 1, "alert_events": 1, "deliveries": 1, "domain_events": 1}),
    ],
    ids=["over", "dropped", "young", "incident", "page", "unknown", "operation", "alert"],
)
async def test_what_is_over_goes_and_what_is_open_keeps_what_it_needs(
    engine: AsyncEngine,
    sessions: Sessions,
    settings: Settings,
    world: World,
    expected: dict[str, int],
) -> None:
    await add(sessions, world)
    await remove(engine, settings)
    assert await left(sessions) == {name: rows for name, rows in expected.items() if rows}
    await remove(engine, settings)
    assert await left(sessions) == {name: rows for name, rows in expected.items() if rows}


async def test_nothing_of_a_removed_account_is_open(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await add(sessions, World(alert="open", page="acknowledged", operation="queued"))
    async with sessions.begin() as session:
        session.add(Integration(id=OWNER, name="gone", removed_at=datetime.now(UTC)))
    await remove(engine, settings)
    assert await left(sessions) == {}


async def test_the_days_count_from_the_last_change(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await add(sessions, World(number=1), World(number=2))
    async with sessions.begin() as session:
        await session.execute(update(Incident).where(Incident.number == 1).values(title="new"))
        second = select(Incident.id).where(Incident.number == 2).scalar_subquery()
        note = update(IncidentEvent).where(IncidentEvent.incident_id == second)
        await session.execute(note.values(event="a note of today"))
    await remove(engine, settings)
    kept = await left(sessions)
    assert (kept["incidents"], kept["incident_events"], kept["pages"], kept["alerts"]) == (2,) * 4


async def test_zero_keeps_for_ever(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await add(sessions, World())
    for_ever = settings.model_copy(
        update={"incidents_days": 0, "alerts_days": 0, "pages_days": 0, "attention_days": 0}
    )
    await remove(engine, for_ever)
    kept = await left(sessions)
    assert {"incidents", "incident_events", "alerts", "alert_events", "pages"} <= kept.keys()
    assert "deliveries" not in kept


def test_nothing_goes_before_the_records_that_refer_to_it() -> None:
    settings = Settings(retention_days=1000, alerts_days=1, deliveries_days=2)
    assert days_kept(settings, "alerts_days") == 1000
    assert days_kept(settings, "deliveries_days") == 2
    assert days_kept(Settings(), "deliveries_days") == 90


@pytest.mark.parametrize("rows_max", [1, 1000])
async def test_a_dry_run_says_what_a_run_does(
    engine: AsyncEngine,
    sessions: Sessions,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    rows_max: int,
) -> None:
    monkeypatch.setattr(sweep, "ROWS_MAX", rows_max)
    worlds = (
        *(World(number=1), World(number=2), World(number=3, incident="started")),
        *(World(number=4, alert="open"), World(number=5, days=100), World(number=6, days=10)),
    )
    await add(sessions, *worlds)
    before, foreseen = await left(sessions), await foresee(engine, settings)
    assert await left(sessions) == before
    done = await remove(engine, settings)
    along = sum(sum(each.along.values()) for each in foreseen.values())
    gone = sum(before.values()) - sum((await left(sessions)).values())
    for name, each in foreseen.items():
        if name.startswith(("incidents", "deliveries", "domain events", "workflow runs")):
            assert (each.rows, sum(each.held.values()) > 0) == (
                done[name].removed,
                done[name].held > 0,
            )
    assert 0 < sum(each.rows for each in foreseen.values()) + along <= gone
    assert all(each.size_bytes > 0 for each in foreseen.values() if each.rows)
    foreseen = await foresee(engine, settings)
    assert sum(each.rows for each in foreseen.values()) == 0
    held = foreseen["deliveries that were applied or ignored"].held
    assert held == {
        "an alert that is open": 1,
        "an alert that is attached to an open incident": 1,
    }


async def test_a_run_that_is_stopped_goes_on_with_the_next(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await add(sessions, World())
    stopped = asyncio.Event()
    stopped.set()
    async with raw_connection(engine) as connection:
        done = await remove_old_rows(connection, settings, stopped)
    assert not any(each.removed or each.is_complete for each in done.values())
    assert await left(sessions) == ALL
    await remove(engine, settings)
    assert await left(sessions) == {}


async def test_of_two_processes_one_removes(engine: AsyncEngine, settings: Settings) -> None:
    async with raw_connection(engine) as other:
        await other.execute("SELECT pg_advisory_lock($1)", sweep.LOCK)
        try:
            assert await remove(engine, settings) == {}
        finally:
            await other.execute("SELECT pg_advisory_unlock($1)", sweep.LOCK)
    assert await remove(engine, settings)


async def test_an_alert_that_is_being_attached_is_not_removed(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await add(sessions, World(number=1), World(number=2, days=1, incident="started"))
    async with sessions.begin() as session:
        await session.execute(text("DELETE FROM incident_alerts"))
        await session.execute(text("UPDATE pages SET alert_id = NULL"))
    async with sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO incident_alerts (incident_id, alert_id, integration_id, attached_by) "
                "SELECT i.id, a.id, a.integration_id, '' FROM incidents i, alerts a "
                "WHERE i.number = 2 AND a.short_id = 's1'"
            )
        )
        await remove(engine, settings)  # while the attachment is not committed
    assert (await left(sessions))["alerts"] == 2


async def test_the_audit_log_has_one_entry_for_an_incident_that_went(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await add(sessions, World())
    async with raw_connection(engine) as connection:
        before = await connection.fetchval("SELECT count(*) FROM audit_log")
        await remove_old_rows(connection, settings, asyncio.Event())
        rows = await connection.fetch("SELECT * FROM audit_log ORDER BY id OFFSET $1", before)
    (entry,) = rows
    assert (entry["resource_type"], entry["action"]) == ("incidents", "delete")
    assert (entry["actor_kind"], entry["actor_name"]) == ("system", "retention")


STATES = ["done", "ignored", "done", "invalid", "limited", "dead", "queued"]


@pytest.mark.parametrize("rows_max", [2, 1000])
@pytest.mark.parametrize(("days", "kept"), [(366, ["queued"]), (300, STATES[3:]), (29, STATES)])
async def test_deliveries_that_wait_for_a_person_stay_longer(  # noqa: PLR0913, PLR0917 - fixtures
    engine: AsyncEngine,
    sessions: Sessions,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    rows_max: int,
    days: int,
    kept: list[str],
) -> None:
    monkeypatch.setattr(sweep, "ROWS_MAX", rows_max)
    moment = datetime.now(UTC) - timedelta(days=days)
    async with sessions.begin() as session:
        session.add_all(
            Delivery(
                id=UUID(int=first_id(moment).int + number),
                integration_id=OWNER,
                body=b"",
                body_sha256=f"{number}".encode(),
                state=state,
                last_received_at=moment,
            )
            for number, state in enumerate(STATES)
        )
    await remove(engine, settings)
    async with sessions() as session:
        states = (await session.scalars(select(Delivery.state))).all()
    assert sorted(states) == sorted(kept)


async def test_an_event_stays_while_a_webhook_of_it_has_no_body(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    """A delivery that is held for a paused endpoint is kept longer than its event."""
    await add(sessions, World())
    async with sessions.begin() as session:
        events = (await session.scalars(select(DomainEvent.id))).all()
        session.add_all(
            WebhookDelivery(
                id=new_id(),
                endpoint_id=OWNER,
                domain_event_id=event_id,
                event_id=event_id,
                event_type="incident.created",
                state="held",
            )
            for event_id in events
        )
    await remove(engine, settings)
    assert (await left(sessions))["domain_events"] == len(events)
    async with sessions.begin() as session:
        await session.execute(update(WebhookDelivery).values(payload="{}"))
    await remove(engine, settings)
    assert "domain_events" not in await left(sessions)


async def test_old_daily_counts_are_removed(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    days = [f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}" for days in (0, 89, 91, 400)]
    async with sessions.begin() as session:
        session.add_all(AlertsPerDay(integration_id=OWNER, day=day, alerts=1) for day in days)
    await remove(engine, settings)
    async with sessions() as session:
        kept = (await session.scalars(select(AlertsPerDay.day))).all()
    assert sorted(kept, reverse=True) == days[:2]


async def test_doctor_says_when_retention_does_not_run(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await remove(engine, settings)
    assert "retention_late" not in {each.code for each in await examine(sessions, settings)}
    async with raw_connection(engine) as connection:
        await connection.execute("UPDATE retention_runs SET ran_at = now() - interval '3 days'")
    assert "retention_late" in {each.code for each in await examine(sessions, settings)}


def test_the_table_agrees_with_the_parts_about_what_is_over() -> None:
    assert str(tuple(status.value for status in sorted(OVER, key=kinds.OVER.find))) == kinds.OVER
    ended = {"resolved", "dropped", "failed", "canceled", "expired"}
    assert kinds.PAGE_ENDED.count("'") == 2 * len(ended)
    assert all(f"'{status}'" in kinds.PAGE_ENDED for status in ended)
    assert ended <= set(PageStatus)
