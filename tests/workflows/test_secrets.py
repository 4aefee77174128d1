"""What the calls of workflows log in with is shown to nobody."""

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
    "body": json.dumps({"token": SECRET}),
}


async def seen_by(sessions: Sessions, api: AsyncClient, scope: Scope, path: str) -> str:
    async with sessions.begin() as session:
        key = await create_key(session, f"{scope} {path}", [scope])
    headers = {"Authorization": f"Bearer {key.token}"}
    response = await api.get(path, headers=headers)
    assert response.status_code == 200, response.text
    return response.text


@pytest.mark.parametrize("path", ["", "/{id}", "/{id}/workflow_tasks"])
async def test_nobody_sees_what_calls_log_in_with_and_who_only_reads_sees_less(
    flows: Flows, api: AsyncClient, path: str
) -> None:
    task = {"task_params": {**CALL, "url": f"https://x/hook?token={SECRET}"}}
    given = {"type": "workflows", "attributes": {"name": "Tell", "tasks": [task]}}
    made = await api.post("/v1/workflows", json={"data": given})
    assert made.status_code == 201, made.text
    url = f"/v1/workflows{path.format(id=made.json()['data']['id'])}"
    reader = await seen_by(flows.sessions, api, Scope.READ, url)
    assert "x/hook" in reader
    assert "Bearer" not in reader
    for scope in Scope:
        assert SECRET not in await seen_by(flows.sessions, api, scope, url)


async def test_nobody_sees_it_in_a_run(flows: Flows, api: AsyncClient) -> None:
    workflow_id = await flows.add(CALL)
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow_id)
    for path in (f"workflow_runs/{run.id}", f"incidents/{incident_id}/trace"):
        shown = await api.get(f"/v1/{path}")
        assert shown.status_code == 200
        assert SECRET not in shown.text
