"""Incidents in PostgreSQL: their numbers, what changes them, and what each change leaves."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from pagersync.database.base import new_id
from pagersync.database.engine import Sessions
from pagersync.errors import InvalidError, ManyInvalidError, NotFoundError
from pagersync.events.models import DomainEvent
from pagersync.events.publish import Cause
from pagersync.incidents.models import Incident, IncidentEvent
from pagersync.incidents.service import (
    NewIncident,
    change_incident,
    create_incident,
    get_incident,
    mark_duplicate,
    move_incident,
)
from pagersync.incidents.severities import create_severity

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

    await asyncio.gather(*[create(number) for number in range(18)])  # each has a connection
    async with sessions() as session:
        numbers = (await session.scalars(select(Incident.number).order_by(Incident.number))).all()
    assert list(numbers) == list(range(1, 13))


async def test_each_change_of_status_says_who_and_when_and_is_one_event(sessions: Sessions) -> None:
    incident = await made(sessions, title="Down")
    resolved = await moved(sessions, incident.id, "resolved", message="rolled back")
    assert (resolved.status, resolved.resolution_message) == ("resolved", "rolled back")
    assert resolved.resolved_by == resolved.mitigated_by == "the API key 'ci'"
    assert resolved.mitigated_at == resolved.resolved_at
    assert resolved.version == 2
    assert (await facts(sessions, incident.id))[1:] == [
        (
            "incident.updated",
            {
                "changes": {
                    "status": {"from": "started", "to": "resolved"},
                    "resolution_message": {"from": None, "to": "rolled back"},
                }
            },
        )
    ]
    assert (await trail(sessions, incident.id))[1:] == [
        "Status changed from Started to Resolved by the API key 'ci': rolled back"
    ]
    restarted = await moved(sessions, incident.id, "started")
    assert (restarted.resolved_at, restarted.resolved_by) == (None, None)
    assert restarted.resolution_message is None
    assert restarted.started_at == resolved.started_at


async def test_the_same_status_again_changes_nothing_and_says_nothing(sessions: Sessions) -> None:
    incident = await made(sessions)
    again = await moved(sessions, incident.id, "started")
    assert (again.version, again.updated_at) == (1, incident.updated_at)
    assert len(await facts(sessions, incident.id)) == 1


async def test_equal_concurrent_changes_are_one_event(sessions: Sessions) -> None:
    incident = await made(sessions)
    await asyncio.gather(*[moved(sessions, incident.id, "resolved") for _ in range(5)])
    assert [name for name, _ in await facts(sessions, incident.id)] == [
        "incident.created",
        "incident.updated",
    ]
    assert len(await trail(sessions, incident.id)) == 2


async def test_different_concurrent_changes_both_survive(sessions: Sessions) -> None:
    incident = await made(sessions, title="a")
    await asyncio.gather(
        changed(sessions, incident.id, title="b"), changed(sessions, incident.id, summary="s")
    )
    async with sessions() as session:
        now = await get_incident(session, str(incident.number))
    assert (now.title, now.summary, now.version) == ("b", "s", 3)


async def test_one_change_of_several_fields_is_one_event_with_all_of_them(
    sessions: Sessions,
) -> None:
    async with sessions.begin() as session:
        severity = await create_severity(session, {"name": "Very bad", "severity": "critical"})
    incident = await made(sessions, title="a")
    await changed(
        sessions, incident.id, title="b", severity_id=severity.id, labels={"k": "v"}, kind="normal"
    )
    ((_, data),) = (await facts(sessions, incident.id))[1:]
    assert data["changes"] == {
        "title": {"from": "a", "to": "b"},
        "severity": {"from": None, "to": "very-bad"},
        "labels": {"from": {}, "to": {"k": "v"}},
    }
    assert (await trail(sessions, incident.id))[1:] == [
        "Title changed from 'a' to 'b' by the API key 'ci'.",
        "Severity changed from none to Very bad by the API key 'ci'.",
        "Labels changed by the API key 'ci'.",
    ]


async def test_an_impossible_change_of_status_is_refused_and_changes_nothing(
    sessions: Sessions,
) -> None:
    incident = await made(sessions, status="in_triage")
    with pytest.raises(InvalidError, match="in_triage cannot become resolved: it can become"):
        await changed(sessions, incident.id, status="resolved", title="other")
    async with sessions() as session:
        now = await get_incident(session, incident.id)
    assert (now.status, now.title, now.version) == ("in_triage", "Incident 1", 1)


async def test_a_time_that_is_given_counts_and_stands_on_the_timeline_then(
    sessions: Sessions,
) -> None:
    began = datetime.now(UTC) - timedelta(hours=3)
    incident = await made(sessions, times={"started_at": began})
    ended = began + timedelta(hours=1)
    resolved = await changed(sessions, incident.id, status="resolved", resolved_at=ended)
    assert (resolved.started_at, resolved.resolved_at) == (began, ended)
    assert resolved.resolved_by == "the API key 'ci'"
    async with sessions() as session:
        last = select(IncidentEvent).where(IncidentEvent.event.startswith("Status changed"))
        assert (await session.scalars(last)).one().occurred_at == ended


async def test_times_in_the_wrong_order_or_in_the_future_are_refused(sessions: Sessions) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ManyInvalidError) as refused:
        await made(
            sessions,
            status="resolved",
            times={"started_at": now, "mitigated_at": now - timedelta(hours=1)},
        )
    assert [p.pointer for p in refused.value.problems] == ["/data/attributes/mitigated_at"]
    with pytest.raises(ManyInvalidError, match="lies in the future"):
        await made(sessions, times={"started_at": now + timedelta(hours=1)})


async def test_what_an_incident_refers_to_must_exist(sessions: Sessions) -> None:
    with pytest.raises(InvalidError) as refused:
        await made(sessions, severity_id=new_id())
    assert refused.value.pointer == "/data/attributes/severity_id"
    stranger = new_id()
    with pytest.raises(InvalidError, match=str(stranger)):
        await made(sessions, alert_ids=[stranger])
    assert (await made(sessions)).number == 1


@pytest.mark.parametrize(
    "reference", ["7", "9" * 40, "x", "\N{ARABIC-INDIC DIGIT ONE}", str(UUID(int=1))]
)
async def test_an_incident_that_does_not_exist_is_not_found(
    sessions: Sessions, reference: str
) -> None:
    async with sessions() as session:
        with pytest.raises(NotFoundError):
            await get_incident(session, reference)


async def test_a_duplicate_is_cancelled_whatever_it_was_unless_it_is_over(
    sessions: Sessions,
) -> None:
    original, other = await made(sessions), await made(sessions, status="mitigated")

    async def mark(incident_id: UUID, of: UUID) -> Incident:
        async with sessions.begin() as session:
            incident = await get_incident(session, incident_id, lock=True)
            return await mark_duplicate(session, incident, of, CI, reason="same cause")

    marked = await mark(other.id, original.id)
    assert (marked.status, marked.duplicate_incident_id) == ("cancelled", original.id)
    assert marked.cancellation_message == "same cause"
    assert (await mark(other.id, original.id)).version == marked.version
    assert len(await facts(sessions, other.id)) == 2
    over = await made(sessions, status="resolved")
    assert (await mark(over.id, original.id)).status == "resolved"
    for incident_id, of in ((original.id, original.id), (original.id, other.id)):
        with pytest.raises(InvalidError, match="duplicate of itself"):
            await mark(incident_id, of)


async def test_an_incident_that_is_private_stays_so(sessions: Sessions) -> None:
    incident = await made(sessions, private=True)
    with pytest.raises(InvalidError, match="private"):
        await changed(sessions, incident.id, private=False)
