"""Secrets that an older version kept in clear are encrypted when a worker starts, in batches."""

import json

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions, raw_connection
from pagersync.integrations.vault import open_vault
from pagersync.secrets.existing import remove_unneeded, seal_existing
from pagersync.secrets.findings import find_secret_problems
from pagersync.secrets.sealing import open_params
from pagersync.settings import Settings
from pagersync.workflows.models import WorkflowTask, WorkflowTaskRun
from tests.secrets.conftest import Flows
from tests.secrets.test_canary import dumped
from tests.support.server import running_server
from tests.support.wait import eventually

SECRET = "canary-of-an-older-version"
OLD = {
    "task_type": "http_client",
    "url": f"https://hooks.example.com/x?token={SECRET}",
    "succeed_on_status": "200",
    "headers": json.dumps({"Authorization": f"Bearer {SECRET}"}),
}


async def make_old(sessions: Sessions, flows: Flows) -> None:
    """Leave rows as an older version had them."""
    for _ in range(3):
        await flows.add(OLD, trigger_type="simple", triggers=())
    async with sessions.begin() as session:
        await session.execute(text("UPDATE workflow_tasks SET is_sealed = false"))
        await session.execute(text(_OLD_RUN), {"params": json.dumps(OLD), "echo": SECRET})
        await session.execute(text(_OLD_ENDPOINT), {"url": OLD["url"]})


async def codes(sessions: Sessions, settings: Settings) -> set[str]:
    async with sessions() as session:
        return {finding.code for finding in await find_secret_problems(session, settings)}


async def test_old_rows_are_sealed_once_and_doctor_tells_until_then(
    engine: AsyncEngine,
    sessions: Sessions,
    settings: Settings,
    flows: Flows,
) -> None:
    await make_old(sessions, flows)
    assert "secrets_in_clear" in await codes(sessions, settings)
    vault = open_vault(settings)
    async with raw_connection(engine) as connection:
        assert await seal_existing(connection, vault) == 5
        assert await seal_existing(connection, vault) == 0, "what is sealed is left alone"
    rows = await dumped(engine)
    assert SECRET not in rows
    assert await codes(sessions, settings) == {"secret_written_out"}
    async with sessions() as session:
        for table in (WorkflowTask, WorkflowTaskRun):
            kept = (await session.scalars(select(table.task_params).limit(1))).one()
            params, secrets = await open_params(session, vault, kept, None)
            assert params | secrets.fill_written(params) == OLD
            assert SECRET in secrets.written


async def test_values_that_nothing_needs_are_removed_and_others_stay(
    engine: AsyncEngine, sessions: Sessions, settings: Settings, flows: Flows
) -> None:
    await make_old(sessions, flows)
    async with raw_connection(engine) as connection:
        await seal_existing(connection, open_vault(settings))
        assert await remove_unneeded(connection) == 0, "young ones stay"
        await connection.execute("UPDATE sealed_values SET created_at = now() - interval '2 days'")
        assert await remove_unneeded(connection) == 0
        await connection.execute("UPDATE workflows SET removed_at = now()")
        await connection.execute("UPDATE webhook_endpoints SET removed_at = now()")
        left = await connection.fetchval("SELECT count(*) FROM sealed_values")
        removed = await remove_unneeded(connection)
        assert 0 < removed < left, "a run can still be tried again"


async def test_a_service_seals_old_rows_when_it_starts(
    flows: Flows, sessions: Sessions, engine: AsyncEngine, settings: Settings
) -> None:
    await make_old(sessions, flows)
    async with running_server(settings):
        await eventually(lambda: is_clean(engine))


async def is_clean(engine: AsyncEngine) -> bool:
    return SECRET not in await dumped(engine)


_OLD_RUN = """
INSERT INTO workflow_task_runs (id, integration_id, run_id, task_id, position, name,
    skip_on_failure, task_params, status, rendered_params, result, error)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 't', false,
    CAST(:params AS jsonb), 'failed', jsonb_build_object('url', CAST(:echo AS text)),
    jsonb_build_object('body_excerpt', 'no ' || CAST(:echo AS text)), 'no ' || CAST(:echo AS text))
"""

_OLD_ENDPOINT = """
INSERT INTO webhook_endpoints (id, name, slug, url) VALUES (gen_random_uuid(), 'b', 'b', :url)
"""
