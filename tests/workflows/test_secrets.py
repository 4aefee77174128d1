"""What the calls of workflows log in with is for those who write workflows."""

import json

import pytest

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from tests.workflows.conftest import Flows

SECRET = "s3cr3t-of-another-service"
CALL = {
    "task_type": "http_client",
    "url": f"https://example.com/hook?token={SECRET}",
    "succeed_on_status": "200",
    "headers": json.dumps({"Authorization": f"Bearer {SECRET}"}),
    "body": SECRET,
}


async def seen_by(sessions: Sessions, api: AsyncClient, scope: Scope, path: str) -> str:
    async with sessions.begin() as session:
        key = await create_key(session, f"{scope} {path}", [scope])
    headers = {"Authorization": f"Bearer {key.token}"}
    response = await api.get(path, headers=headers)
    assert response.status_code == 200, response.text
    return response.text


@pytest.mark.parametrize("path", ["", "/{id}", "/{id}/workflow_tasks"])
async def test_a_key_that_only_reads_does_not_see_what_calls_log_in_with(
    flows: Flows, api: AsyncClient, path: str
) -> None:
    workflow_id = await flows.add(CALL)
    url = f"/v1/workflows{path.format(id=workflow_id)}"
    reader = await seen_by(flows.sessions, api, Scope.READ, url)
    assert "example.com/hook" in reader
    assert SECRET not in reader
    assert SECRET in await seen_by(flows.sessions, api, Scope.WRITE, url)


async def test_nobody_sees_it_in_a_run(flows: Flows, api: AsyncClient) -> None:
    workflow_id = await flows.add(CALL)
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow_id)
    for path in (f"workflow_runs/{run.id}", f"incidents/{incident_id}/trace"):
        shown = await api.get(f"/v1/{path}")
        assert shown.status_code == 200
        assert SECRET not in shown.text
