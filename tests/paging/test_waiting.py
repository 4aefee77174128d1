"""What waits says since when, why, and what to do; and it goes out as soon as PagerTree accepts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.errors import CredentialsRefused, Unavailable
from pagersync.events.publish import Cause
from pagersync.http import AsyncClient
from pagersync.incidents.models import IncidentEvent
from pagersync.incidents.service import NewIncident, create_incident
from pagersync.integrations import service as integrations
from pagersync.integrations.gate import enter, record_failure
from pagersync.integrations.vault import open_vault
from pagersync.integrations.waiting import AccountState, why_account_waits
from pagersync.paging.models import Operation
from pagersync.paging.waiting import tell_waits, why_nobody_was_reached, why_waits
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.pagertree import API_KEY
from tests.support.wait import eventually

NOW = datetime(2026, 11, 28, 3, 12, tzinfo=UTC)
TEST = Cause("a test")
REFUSED = CredentialsRefused("401 no such key", http_status=401)


@dataclass(frozen=True)
class Shut:
    reason: str | None
    failing_since: datetime | None = NOW
    open_until: datetime | None = NOW + timedelta(minutes=5)
    last_error: str | None = "no whole answer within 10 s"


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (
            "credentials_refused",
            (
                "PagerTree refused the API key of the account 'acme' at 03:12 UTC. It is tried "
                "again at 03:17 UTC. Enter a new key: pagersync integrations set-api-key acme"
            ),
        ),
        (
            "failing",
            (
                "PagerTree fails for the account 'acme' since 03:12 UTC: no whole answer within "
                "10 s. It is tried again at 03:17 UTC. Nothing is lost."
            ),
        ),
        (
            "rate_limited",
            (
                "PagerTree limits the rate of calls of the account 'acme'. It is tried again at "
                "03:17 UTC."
            ),
        ),
    ],
)
def test_the_reason_names_the_time_the_cause_and_what_to_do(reason: str, sentence: str) -> None:
    assert why_account_waits(AccountState("acme", True, Shut(reason)), NOW) == sentence  # noqa: FBT003 - reads well


def test_a_reason_of_yesterday_has_its_date_and_an_account_that_works_has_none() -> None:
    tomorrow = NOW + timedelta(days=1)
    said = why_account_waits(AccountState("acme", True, Shut("failing")), tomorrow)  # noqa: FBT003 - reads well
    assert said is not None
    assert "since 2026-11-28 03:12 UTC" in said
    assert "It is being tried again now." in said
    opened = AccountState("acme", True, Shut(None, open_until=None))  # noqa: FBT003 - reads well
    assert why_account_waits(opened, NOW) is None
    disabled = why_account_waits(AccountState("acme", False, None), NOW)  # noqa: FBT003 - reads well
    assert disabled is not None
    assert "pagersync integrations enable acme" in disabled


@pytest.mark.parametrize(
    ("run_at", "is_behind", "expected"),
    [
        (NOW, True, "It waits for an earlier call about the same alert."),
        (NOW + timedelta(minutes=1), False, "It is sent at 03:13 UTC."),
        (NOW, False, None),
        (NOW - timedelta(minutes=1), False, "No worker has taken it yet."),
    ],
)
def test_an_operation_of_an_account_that_works_says_what_it_waits_for(
    run_at: datetime,
    is_behind: bool,  # noqa: FBT001 - a parameter of the test
    expected: str | None,
) -> None:
    operation = Operation(run_at=run_at, attempt=0, last_error=None, lock_key="page 1")
    said = why_waits(operation, None, is_behind_another=is_behind, calls_per_s=10, now=NOW)
    assert (said or "").startswith(expected or "")
    assert (said is None) == (expected is None)


def test_a_page_that_reached_nobody_says_why() -> None:
    create = Operation(kind="create_alert", last_error="PagerTree refused: no such team")
    resolve = Operation(kind="resolve_alert", last_error="another matter")
    both = [resolve, create]
    assert why_nobody_was_reached("failed", both) == "PagerTree refused: no such team."
    assert "nobody is on call" in (why_nobody_was_reached("dropped", both) or "")
    assert why_nobody_was_reached("canceled", [resolve]) is None


async def shut(paging: Paging, engine: AsyncEngine, error: Any = REFUSED) -> None:
    """Let PagerTree have refused the account's key, or failed five times."""
    async with raw_connection(engine) as connection:
        await enter(connection, paging.integration_id, calls_per_s=10, burst=10)
        for _ in range(5):
            await record_failure(connection, paging.integration_id, error)


async def ask(engine: AsyncEngine, statement: str, **values: Any) -> Any:
    async with engine.begin() as connection:
        return (await connection.execute(text(statement), values)).scalar()


REASON = "SELECT reason FROM integration_gates"


async def test_a_page_and_its_operation_say_why_they_wait(
    paging: Paging, service_api: AsyncClient, engine: AsyncEngine
) -> None:
    await shut(paging, engine)
    page_id = await paging.page()
    page = (await service_api.get(f"/v1/pages/{page_id}")).json()["data"]["attributes"]
    assert "PagerTree refused the API key of the account 'acme' at" in page["waits_because"]
    assert page["operations"][0]["waits_because"] == page["waits_because"]
    listed = (await service_api.get("/v1/operations?filter[state]=queued")).json()["data"]
    assert [row["attributes"]["waits_because"] for row in listed] == [page["waits_because"]]


async def test_a_sync_that_pagertree_accepts_lets_waiting_pages_go_out(
    paging: Paging, service_api: AsyncClient, engine: AsyncEngine
) -> None:
    await shut(paging, engine)
    page_id = await paging.page()
    synced = await service_api.post(f"/v1/integrations/{paging.integration_id}/sync")
    assert synced.status_code == 200
    await paging.reaches(page_id, "confirmed")
    assert await ask(engine, REASON) is None
    page = (await service_api.get(f"/v1/pages/{page_id}")).json()["data"]["attributes"]
    assert page["waits_because"] is None


async def test_an_on_call_request_that_pagertree_accepts_lets_waiting_pages_go_out(
    paging: Paging, service_api: AsyncClient, engine: AsyncEngine
) -> None:
    await shut(paging, engine, Unavailable("503"))
    page_id = await paging.page()
    team = (await service_api.get("/v1/teams")).json()["data"][0]["id"]
    assert (await service_api.get(f"/v1/teams/{team}/current_oncall")).status_code == 200
    await paging.reaches(page_id, "confirmed")


async def test_a_key_that_is_confirmed_lets_waiting_pages_go_out_even_if_it_is_the_same(
    paging: Paging, service_api: AsyncClient, engine: AsyncEngine
) -> None:
    await shut(paging, engine)
    page_id = await paging.page()
    body = {"data": {"type": "integrations", "attributes": {"api_key": API_KEY}}}
    answer = await service_api.patch(f"/v1/integrations/{paging.integration_id}", json=body)
    assert answer.status_code == 200
    await paging.reaches(page_id, "confirmed")


async def test_a_key_that_is_refused_for_a_sync_is_not_tried_again_for_pages(
    paging: Paging, service_api: AsyncClient, engine: AsyncEngine
) -> None:
    paging.simulator.change(key_refused=True)
    await ask(engine, "DELETE FROM integration_gates RETURNING 1")
    synced = await service_api.post(f"/v1/integrations/{paging.integration_id}/sync")
    assert synced.status_code == 502
    assert await ask(engine, REASON) == "credentials_refused"
    before = len(paging.simulator.requests())
    page_id = await paging.page()
    page = (await service_api.get(f"/v1/pages/{page_id}")).json()["data"]["attributes"]
    assert "refused the API key" in page["waits_because"]
    assert len(paging.simulator.requests()) == before


async def test_a_shut_account_says_nothing_of_another(
    paging: Paging, service_api: AsyncClient, engine: AsyncEngine, settings: Settings
) -> None:
    async with paging.sessions.begin() as session:
        other = await integrations.add_integration(
            session,
            name="other",
            pagertree_url="http://127.0.0.1:9/api/v4",
            api_key_encrypted=open_vault(settings).encrypt(API_KEY),
        )
    async with raw_connection(engine) as connection:
        await record_failure(connection, other.integration.id, REFUSED)
    there = await paging.page(integration_id=other.integration.id)
    here = await paging.page()
    await paging.reaches(here, "confirmed")
    page = (await service_api.get(f"/v1/pages/{there}")).json()["data"]["attributes"]
    assert "of the account 'other'" in page["waits_because"]


async def told(paging: Paging, incident_id: UUID) -> list[str]:
    async with paging.sessions() as session:
        own = select(IncidentEvent.event).where(
            IncidentEvent.incident_id == incident_id, IncidentEvent.event.contains(" waits. ")
        )
        return list((await session.scalars(own)).all())


@pytest.mark.parametrize("error", [REFUSED, Unavailable("503", http_status=503)])
async def test_an_incident_is_told_once_that_its_page_waits(
    idle: Paging, engine: AsyncEngine, error: Any
) -> None:
    async with idle.sessions.begin() as session:
        incident = await create_incident(session, NewIncident(title="Down"), TEST)
    await idle.page(incident_id=incident.id)
    await shut(idle, engine, error)
    async with raw_connection(engine) as connection:
        await tell_waits(connection)
        assert await told(idle, incident.id) == []  # it may be over in a moment
        await ask(engine, "UPDATE pages SET created_at = now() - interval '1 min' RETURNING 1")
        since = "UPDATE integration_gates SET failing_since = now() - interval '1 min' RETURNING 1"
        await ask(engine, since)
        for _ in range(2):
            await tell_waits(connection)
    (event,) = await told(idle, incident.id)
    assert "PagerTree" in event
    assert "It is tried again at" in event


async def test_the_service_tells_by_itself_that_pages_wait(
    idle: Paging, engine: AsyncEngine, service_url: str
) -> None:
    del service_url
    async with idle.sessions.begin() as session:
        incident = await create_incident(session, NewIncident(title="Down"), TEST)
    await shut(idle, engine)
    await idle.page(incident_id=incident.id)
    await ask(engine, "UPDATE pages SET created_at = now() - interval '1 min' RETURNING 1")
    since = "UPDATE integration_gates SET failing_since = now() - interval '1 min' RETURNING 1"
    await ask(engine, since)
    await eventually(lambda: told(idle, incident.id), lambda rows: len(rows) == 1, timeout_s=15)
