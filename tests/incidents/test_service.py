"""Incidents in PostgreSQL: their numbers, what changes them, and what each change leaves."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.events.publish import Cause
from pagersync.incidents.models import Incident, IncidentEvent
from pagersync.incidents.service import (
    NewIncident,
    change_incident,
    create_incident,
    get_incident,
    move_incident,
)

CI = Cause("the API key 'ci'")


async def made(sessions: Sessions, **fields: Any) -> Incident:
    async with sessions.begin() as session:
        return await create_incident(session, NewIncident(**fields), CI)


async def moved(sessions: Sessions, incident_id: UUID, status: str, **options: Any) -> Incident:
    async with sessions.begin() as session:
        incident = await get_incident(session, incident_id, lock=True)
        return await move_incident(session, incident, status, CI, **options)


async def changed(sessions: Sessions, incident_id: UUID, **values: Any) -> Incident:
    async with sessions.begin() as session:
        incident = await get_incident(session, incident_id, lock=True)
        return await change_incident(session, incident, values, CI)


async def facts(sessions: Sessions, incident_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    async with sessions() as session:
        statement = select(DomainEvent).where(DomainEvent.subject_id == incident_id)
        rows = await session.scalars(statement.order_by(DomainEvent.id))
        return [(row.type, row.data) for row in rows]


async def trail(sessions: Sessions, incident_id: UUID) -> list[str]:
    async with sessions() as session:
        statement = select(IncidentEvent.event).where(IncidentEvent.incident_id == incident_id)
        ordered = statement.order_by(IncidentEvent.occurred_at, IncidentEvent.id)
        return list((await session.scalars(ordered)).all())


async def test_an_incident_is_one_event_and_one_line_on_its_timeline(sessions: Sessions) -> None:
    incident = await made(sessions, title="Checkout down", labels={"team": "shop"})
    assert (incident.status, incident.number, incident.version) == ("started", 1, 1)
    assert (incident.created_by, incident.started_by) == ("the API key 'ci'", "the API key 'ci'")
    assert incident.started_at is not None
    assert await facts(sessions, incident.id) == [
        ("incident.created", {"status": "started", "title": "Checkout down", "number": 1})
    ]
    assert await trail(sessions, incident.id) == [
        "Incident 1 created as Started by the API key 'ci'."
    ]


async def test_an_incident_without_a_title_gets_one(sessions: Sessions) -> None:
    assert (await made(sessions)).title == "Incident 1"


async def test_numbers_have_no_gaps_under_concurrency_and_rollbacks(sessions: Sessions) -> None:
    async def create(number: int) -> None:
        async with sessions() as session:
            await create_incident(session, NewIncident(title=f"no. {number}"), CI)
            await asyncio.sleep(0)
            await (session.rollback() if number % 3 == 0 else session.commit())

    await asyncio.gather(*[create(number) for number in range(30)])
    async with sessions() as session:
        numbers = (await session.scalars(select(Incident.number).order_by(Incident.number))).all()
    assert list(numbers) == list(range(1, 21))
