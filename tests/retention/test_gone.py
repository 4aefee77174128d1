"""What is gone says so: a 404, `why` and traces name the setting that removed it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions
from pagersync.errors import NotFoundError
from pagersync.http import AsyncClient
from pagersync.incidents.models import Incident
from pagersync.kept import SETTINGS, days_kept, explained, first_id, made_at
from pagersync.settings import Settings
from pagersync.workflows.explain import explain_incident
from tests.retention.test_sweep import remove
from tests.retention.world import World
from tests.support.program import Setup, embedded_setup

NOW = datetime(2026, 6, 1, tzinfo=UTC)

PATHS = {
    "deliveries": "PAGERSYNC_DELIVERIES_DAYS",
    "domain_events": "PAGERSYNC_RETENTION_DAYS",
    "workflow_runs": "PAGERSYNC_RETENTION_DAYS",
    "pages": "PAGERSYNC_PAGES_DAYS",
    "pages/{}/trace": "PAGERSYNC_PAGES_DAYS",
    "operations": "PAGERSYNC_PAGES_DAYS",
    "alerts": "PAGERSYNC_ALERTS_DAYS",
    "alert_events": "PAGERSYNC_ALERTS_DAYS",
    "incidents": "PAGERSYNC_INCIDENTS_DAYS",
    "events": "PAGERSYNC_INCIDENTS_DAYS",
    "webhooks/deliveries": "PAGERSYNC_RETENTION_DAYS",
    "audit": "PAGERSYNC_AUDIT_DAYS",
}


async def test_a_404_of_an_old_id_names_the_setting(api: AsyncClient) -> None:
    old = first_id(datetime.now(UTC) - timedelta(days=4000))
    for path, setting in PATHS.items():
        url = f"/v1/{path.format(old)}" if "{}" in path else f"/v1/{path}/{old}"
        answer = await api.get(url)
        detail = answer.json()["errors"][0]["detail"]
        assert (answer.status_code, setting in detail) == (404, True), (path, detail)
        assert "retention may have removed it" in detail


async def test_a_404_of_a_new_id_does_not_speak_of_retention(api: AsyncClient) -> None:
    for unknown in (first_id(datetime.now(UTC) - timedelta(days=1)), uuid4()):
        answer = await api.get(f"/v1/deliveries/{unknown}")
        assert answer.json()["errors"][0]["detail"] == f"there is no delivery {unknown}"


@pytest.mark.parametrize("noun", SETTINGS)
def test_the_day_of_removal_is_the_day_of_the_words(noun: str) -> None:
    days = days_kept(Settings(), SETTINGS[noun])
    assert days is not None
    for age, is_said in ((days - 1, False), (days + 1, True)):
        id_ = first_id(NOW - timedelta(days=age))
        said = explained(NotFoundError("no", noun=noun, id_=str(id_)), Settings(), NOW)
        assert (f"kept for {days} days" in said) is is_said


def test_what_is_kept_for_ever_and_what_is_no_id_says_nothing() -> None:
    gone = NotFoundError("no", noun="alert", id_=first_id(NOW - timedelta(days=9000)))
    assert explained(gone, Settings(alerts_days=0), NOW) == "no"
    assert explained(NotFoundError("no", noun="alert", id_="AB12"), Settings(), NOW) == "no"
    assert explained(NotFoundError("no"), Settings(), NOW) == "no"


def test_an_id_tells_when_it_was_made() -> None:
    assert made_at(first_id(NOW)) == NOW
    assert made_at(UUID(int=1)) is None


async def test_why_says_that_causes_were_removed(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    async with sessions.begin() as session:
        await World(days=100).add(session)

    async def note() -> str | None:
        async with sessions() as session:
            (incident,) = await session.scalars(select(Incident))
            return (await explain_incident(session, incident, settings)).note

    assert await note() is None
    await remove(engine, settings)
    assert "kept for 90 days (PAGERSYNC_RETENTION_DAYS)" in str(await note())


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with embedded_setup() as setup:
        yield setup


async def test_commands_say_what_is_stored_and_what_would_go(setup: Setup) -> None:
    said = await setup.tell("database", "size")
    assert "All tables take" in said
    assert "The disk has" in said
    assert "deliveries" in said
    sizes = await setup.ask("database", "size", "--days", "3")
    assert {"incidents", "audit_log"} <= {each["table"] for each in sizes}
    said = await setup.tell("database", "retention", "--dry-run")
    assert "incidents, with timelines and attachments: kept for 3650 days" in said
    assert "Nothing was removed." in said
    assert "audit log: 0 removed" in await setup.tell("database", "retention")
    old = first_id(datetime.now(UTC) - timedelta(days=900))
    ended = await setup.run("why", "page", str(old))
    assert "kept for 730 days (PAGERSYNC_PAGES_DAYS)" in ended.stderr
