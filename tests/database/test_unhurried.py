"""Which commits wait for the disk: those that somebody outside is told of."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.paging.conftest import (
    Paging,
    directory,
    idle,
    pagertree,
    paging,
    paging_settings,
    service_url,
)
from tests.support.wait import eventually
from tests.workflows.conftest import Flows, flows

__all__ = ["directory", "flows", "idle", "pagertree", "paging", "paging_settings", "service_url"]

WATCH = (
    "CREATE TABLE seen_commits (what text, waits text)",
    """
    CREATE FUNCTION note_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO seen_commits VALUES (TG_ARGV[0], current_setting('synchronous_commit'));
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER seen_claim AFTER UPDATE ON operations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'running' AND OLD.state = 'queued')
    EXECUTE FUNCTION note_commit('claim')
    """,
    """
    CREATE CONSTRAINT TRIGGER seen_send AFTER UPDATE ON operations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.may_have_been_sent AND NOT OLD.may_have_been_sent)
    EXECUTE FUNCTION note_commit('about to send')
    """,
    """
    CREATE CONSTRAINT TRIGGER seen_end AFTER UPDATE ON operations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'done') EXECUTE FUNCTION note_commit('sent')
    """,
    """
    CREATE CONSTRAINT TRIGGER seen_run AFTER INSERT ON workflow_runs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION note_commit('run')
    """,
    """
    CREATE CONSTRAINT TRIGGER seen_page AFTER INSERT ON pages DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION note_commit('page of a run')
    """,
    """
    CREATE CONSTRAINT TRIGGER seen_incident AFTER INSERT ON incidents DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION note_commit('incident')
    """,
)
FORGET = (
    *(
        f"DROP TRIGGER {name} ON {table}"
        for name, table in (
            ("seen_claim", "operations"),
            ("seen_send", "operations"),
            ("seen_end", "operations"),
            ("seen_run", "workflow_runs"),
            ("seen_page", "pages"),
            ("seen_incident", "incidents"),
        )
    ),
    "DROP FUNCTION note_commit",
    "DROP TABLE seen_commits",
)


@pytest.fixture
async def watched(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Yield an engine whose database notes how its transactions commit."""
    async with engine.begin() as connection:
        for statement in WATCH:
            await connection.execute(text(statement))
    yield engine
    async with engine.begin() as connection:
        for statement in FORGET:
            await connection.execute(text(statement))


async def test_what_goes_out_waits_for_the_disk_and_what_leads_to_it_does_not(
    watched: AsyncEngine, paging: Paging, flows: Flows
) -> None:
    team = str(paging.simulator.directory.teams[0].name)
    await flows.add({"task_type": "page_pagertree", "teams": [{"name": team}]})
    incident_id = await flows.declare()
    (page,) = await eventually(lambda: flows.pages(incident_id))
    await paging.reaches(page.id, "confirmed")
    async with watched.connect() as connection:
        seen = {row.what: row.waits for row in await connection.execute(text(SEEN))}
    assert seen == {
        "incident": "on",
        "run": "off",
        "page of a run": "off",
        "claim": "off",
        "about to send": "on",
        "sent": "on",
    }


SEEN = "SELECT what, string_agg(DISTINCT waits, ' ') AS waits FROM seen_commits GROUP BY what"
