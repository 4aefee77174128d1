"""Planted secrets are sent where they belong, and are found nowhere else, whatever happens."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from pagersync.database.engine import Sessions, raw_connection
from pagersync.http import AsyncClient, Response
from pagersync.integrations.vault import open_vault
from pagersync.secrets.literals import MASK
from pagersync.settings import Settings
from pagersync.workflows.apply import apply_plan, export, make_plan
from pagersync.workflows.files import read_file, write_file
from tests.secrets.conftest import Called, Flows, Paging
from tests.support.wait import eventually

NAMED = 'canary-named/"1&2"'
BASIC = base64.b64encode(b"ada:canary-password-3").decode()
WRITTEN = ("canary-header-4", "canary-query-5", "canary-body-6", "canary-param-7", BASIC)
HOOK = "canary-of-an-endpoint-8"
LINES = "SELECT t::text AS line FROM {table} t"
CANARIES = (NAMED, *WRITTEN, HOOK, "canary-password-3", "canary-named")


def planted(text: str) -> list[str]:
    """Return the secrets that a text holds, in any form in which they may stand there."""
    forms = {
        form
        for value in CANARIES
        for form in (value, quote(value, safe=""), json.dumps(value)[1:-1], value.encode().hex())
    }
    return sorted(form for form in forms if form in text)


async def dumped(engine: AsyncEngine) -> str:
    """Return every row of every table as text."""
    async with raw_connection(engine) as connection:
        names = await connection.fetch(
            "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
        )
        rows = [
            row["line"]
            for table in names
            for row in await connection.fetch(LINES.format(table=table["name"]))
        ]
    return "\n".join(rows)


def document(kind: str, **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": kind, "attributes": attributes}}


def call(called: Called, path: str = "/hook", **more: Any) -> dict[str, Any]:
    headers = {
        "Authorization": f"Basic {BASIC}",
        "X-Api-Key": WRITTEN[0],
        "X-Named": "{{ secrets.A }}",
    }
    params = {
        "task_type": "http_client",
        "url": f"{called.url}{path}?token={WRITTEN[1]}&named={{{{ secrets.A }}}}",
        "method": "POST",
        "succeed_on_status": "200",
        "headers": json.dumps(headers),
        "params": json.dumps({"access_token": WRITTEN[3]}),
        "body": f'{{"password": "{WRITTEN[2]}", "named": "{{{{ secrets.A }}}}", '
        '"title": {{ incident.title | to_json }}}',
    }
    return {"task_params": params, "skip_on_failure": True, **more}


async def flow(api: AsyncClient, flows: Flows, called: Called) -> list[Response]:
    """Save, preview, run and fail; return every answer that could show something."""
    await api.post("/v1/secrets", json=document("secrets", name="A", value=NAMED))
    tasks = [call(called), call(called, "/status/500"), call(called, "/redirect")]
    unreachable = call(called)
    unreachable["task_params"]["url"] = f"http://127.0.0.1:9/?token={WRITTEN[1]}"
    broken = call(called)
    broken["task_params"]["headers"] = f'{{"token": "{WRITTEN[0]}", {{{{ incident.summary }}}}'
    trigger = {"trigger_type": "incident", "triggers": ["incident_created"]}
    given = document(
        "workflows", name="Tell", tasks=[*tasks, unreachable, broken], trigger_params=trigger
    )
    preview = {
        "data": {
            "type": "workflow_previews",
            "attributes": {"workflow": given["data"]["attributes"]},
        }
    }
    answers = [
        await api.post("/v1/workflows/preview", json=preview),
        await api.post("/v1/workflows", json=given, headers={"Idempotency-Key": "once"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 201], answers[1].text
    workflow = answers[1].json()["data"]
    endpoint = document(
        "webhooks_endpoints",
        name="Board",
        url=f"{called.url}/status/500?token={HOOK}",
        custom_headers=[
            {"name": "Authorization", "value": f"Bearer {HOOK}"},
            {"name": "X-Named", "value": "{{ secrets.A }}"},
        ],
    )
    answers.append(await api.post("/v1/webhooks/endpoints", json=endpoint))
    assert answers[-1].status_code == 201, answers[-1].text
    # A title that looks like a reference, or like a mask that a reader has seen, refers to nothing.
    mask = MASK.findall(json.dumps(workflow))[0]
    incident_id = await flows.declare(title=f"{{{{ secrets.A }}}} {mask}")
    (run,) = await flows.ran(workflow["id"])
    statuses = [task.status for task in await flows.tasks(run)]
    assert statuses == ["completed", "failed", "failed", "failed", "failed"]
    about = {"incident_id": str(incident_id), "workflow_id": workflow["id"]}
    answers += [
        await api.get(path)
        for path in (
            "/v1/workflows",
            f"/v1/workflows/{workflow['id']}?include=genius_tasks,genius_workflow_runs",
            f"/v1/workflows/{workflow['id']}/workflow_tasks",
            f"/v1/workflow_runs/{run.id}",
            f"/v1/incidents/{incident_id}/trace",
            f"/v1/incidents/{incident_id}/events",
            "/v1/secrets",
            "/v1/secrets/A",
            "/v1/webhooks/endpoints",
            "/v1/audit?page[size]=200",
            "/v1/findings",
            "/v1/domain_events",
        )
    ]
    answers.append(
        await api.post("/v1/workflows/preview", json=document("workflow_previews", **about))
    )
    return answers


async def test_planted_secrets_are_sent_and_found_nowhere(
    service_api: AsyncClient, flows: Flows, called: Called, engine: AsyncEngine, sessions: Sessions
) -> None:
    with capture_logs() as logs:
        answers = await flow(service_api, flows, called)
        await eventually(lambda: attempts(engine))
    assert [a.request.url for a in answers if a.status_code // 100 != 2] == []
    sent = next(request for request in called.echo.requests if request["path"] == "/hook")
    assert sent["headers"]["x-named"] == NAMED
    assert sent["headers"]["authorization"] == f"Basic {BASIC}"
    assert f"token={WRITTEN[1]}" in sent["query"]
    assert f"named={quote(NAMED, safe='')}" in sent["query"]
    body = json.loads(sent["body"])
    assert (body["named"], body["password"]) == (NAMED, WRITTEN[2])
    assert body["title"].startswith("{{ secrets.A }} ***"), "what an incident says is no reference"
    told = next(r for r in called.echo.requests if f"token={HOOK}" in r["query"])
    assert (told["headers"]["authorization"], told["headers"]["x-named"]) == (
        f"Bearer {HOOK}",
        NAMED,
    )
    for answer in answers:
        assert planted(answer.text) == [], answer.request.url
    assert planted(json.dumps(logs, default=str)) == []
    async with sessions() as session:
        assert planted(write_file(await export(session))) == []
    assert planted(await dumped(engine)) == []


async def attempts(engine: AsyncEngine) -> bool:
    async with raw_connection(engine) as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM webhook_attempts"))


async def test_an_export_is_applied_again_and_nothing_changes(
    service_api: AsyncClient,
    called: Called,
    sessions: Sessions,
    paging_settings: Settings,
) -> None:
    await service_api.post("/v1/secrets", json=document("secrets", name="A", value=NAMED))
    given = document("workflows", name="Tell", tasks=[call(called)])
    assert (await service_api.post("/v1/workflows", json=given)).status_code == 201
    vault = open_vault(paging_settings)
    async with sessions() as session:
        text = write_file(await export(session))
        assert (await make_plan(session, read_file(text.encode()), vault=vault)).is_empty
    written = text
    for mask in MASK.findall(text):
        async with raw_connection(sessions.kw["bind"]) as connection:
            encrypted = await connection.fetchval(
                "SELECT value_encrypted FROM sealed_values WHERE mask = $1", mask
            )
        written = written.replace(mask, vault.decrypt(encrypted))
    assert planted(written)
    file = read_file(written.encode())
    changed = read_file(written.replace(WRITTEN[0], "canary-header-44").encode())
    async with sessions() as session:
        assert (await make_plan(session, file, vault=vault)).is_empty, "it is the same secret"
        plan = await make_plan(session, changed, vault=vault)
        assert planted("\n".join(plan.lines())) == []
        assert len(plan.steps[0].changes) == 1
    async with sessions.begin() as session:
        again = await make_plan(session, changed, vault=vault, lock=True)
        await apply_plan(session, plan, again, requested_by="a test", vault=vault)
    assert planted(await dumped(sessions.kw["bind"])) == []


async def test_a_secret_that_is_gone_keeps_nobody_from_being_paged(
    service_api: AsyncClient, flows: Flows, called: Called, paging: Paging, team: dict[str, str]
) -> None:
    await service_api.post("/v1/secrets", json=document("secrets", name="A", value=NAMED))
    page = {"task_params": {"task_type": "page_pagertree", "teams": [team]}}
    tasks = [call(called, skip_on_failure=False), page]
    trigger = {"trigger_type": "incident", "triggers": ["incident_created"]}
    given = document("workflows", name="Tell", tasks=tasks, trigger_params=trigger)
    workflow = (await service_api.post("/v1/workflows", json=given)).json()["data"]
    assert (await service_api.delete("/v1/secrets/A?force=true")).status_code == 204
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow["id"])
    told, paged = await flows.tasks(run)
    assert (run.status, told.status, paged.status) == ("failed", "failed", "completed")
    assert "There is no secret 'A' any more" in str(told.error)
    (sent,) = await flows.pages(incident_id)
    await paging.reaches(sent.id, "confirmed")


@pytest.mark.parametrize("value", ["line\r\nbreak: yes", "wört-wört"])
async def test_a_value_that_cannot_be_a_header_is_not_sent_and_not_shown(
    service_api: AsyncClient, flows: Flows, called: Called, value: str
) -> None:
    await service_api.post("/v1/secrets", json=document("secrets", name="A", value=value))
    trigger = {"trigger_type": "incident", "triggers": ["incident_created"]}
    given = document("workflows", name="Tell", tasks=[call(called)], trigger_params=trigger)
    workflow = (await service_api.post("/v1/workflows", json=given)).json()["data"]
    await flows.declare()
    (run,) = await flows.ran(workflow["id"])
    (task,) = await flows.tasks(run)
    assert (task.status, task.error) == ("failed", "the header 'X-Named' cannot be sent")
    assert called.echo.requests == []
