"""What a workflow would do, seen without doing it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from pagersync.inbox.models import Delivery
from pagersync.settings import Settings
from pagersync.tables import Base
from pagersync.workflows import preview as previewing
from pagersync.workflows import service
from pagersync.workflows.context import TaskContext
from pagersync.workflows.preview import Previewed
from tests.paging.conftest import Paging
from tests.support.wait import eventually
from tests.workflows.conftest import Flows
from tests.workflows.looking import preview_here

CRITICAL = {
    "trigger_type": "incident",
    "triggers": ["incident_created"],
    "incident_condition_severity": "IS",
    "incident_severities": ["critical"],
    "incident_condition_status": "IS",
    "incident_statuses": ["started"],
}


async def ask(api: AsyncClient, **attributes: Any) -> Response:
    body = {"data": {"type": "workflow_previews", "attributes": attributes}}
    return await api.post("/v1/workflows/preview", json=body)


async def seen(api: AsyncClient, **attributes: Any) -> dict[str, Any]:
    answer = await ask(api, **attributes)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"]["attributes"])


def inline(*tasks: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"name": "w", "tasks": [{"task_params": task} for task in tasks], **attributes}


async def counts(sessions: Sessions) -> dict[str, int]:
    async with sessions() as session:
        return {
            table.name: await session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if table.name != "request_counts"  # every request is counted
        }


async def test_a_preview_says_which_condition_fails_and_what_each_task_would_say(
    api: AsyncClient, flows: Flows
) -> None:
    incident_id = await flows.declare(title="Checkout is down", severity="high")
    workflow = inline(
        {"task_type": "print", "message": "{{ incident.title }} {{ context.word }}"},
        {"task_type": "add_to_timeline", "event": "one\n{{ incident.labels.none | upcase }}"},
        {
            "task_type": "http_client",
            "url": "https://x.test/{{ 'soon' | date: '%Y' }}",
            "succeed_on_status": "200",
        },
        trigger_params=CRITICAL,
    )
    shown = await seen(
        api, workflow=workflow, incident_id=str(incident_id), context={"word": "now"}
    )
    assert (shown["about"], shown["about_id"]) == ("incident", str(incident_id))
    assert shown["conditions"] == [
        "incident kind IS [normal]",
        "incident status IS [started]",
        "incident severity IS [critical]",
    ]
    assert shown["conditions_hold"] is False
    assert shown["failed_condition"] == "incident severity IS [critical]"
    first, second, third = shown["tasks"]
    assert first["rendered_params"]["message"] == "Checkout is down now"
    assert (first["position"], first["name"], first["error"]) == (1, "Print", None)
    assert second["rendered_params"]["event"] == "one\n"
    assert (second["error"], second["notes"]) == (None, ["incident.labels.none is empty"])
    assert third["rendered_params"] is None
    assert third["error"].startswith("url: line 1, column ")


async def test_without_anything_to_be_about_a_preview_shows_an_example(api: AsyncClient) -> None:
    workflow = inline(
        {"task_type": "print", "message": "{{ incident.title }}, {{ alert.summary }}"},
        trigger_params=CRITICAL,
    )
    shown = await seen(api, workflow=workflow)
    assert (shown["about"], shown["conditions_hold"]) == ("example", None)
    assert len(shown["conditions"]) == 3
    (task,) = shown["tasks"]
    assert len(task["rendered_params"]["message"]) > 10
    assert task["error"] is None


async def test_a_preview_says_whom_a_task_would_page(
    service_api: AsyncClient, paging: Paging, flows: Flows, team: dict[str, str]
) -> None:
    workflow_id = await flows.add(
        {"task_type": "page_pagertree", "teams": [team], "fallback": {"teams": [team]}},
        {"task_type": "page_pagertree", "teams": [{"name": "Nobody"}]},
        {"task_type": "create_pagertree_alert"},
        {"task_type": "resolve_pagertree_alert"},
        triggers=(),
    )
    incident_id = await flows.declare(severity="critical")
    page_id = await paging.page(incident_id=incident_id)
    shown = await seen(service_api, workflow_id=str(workflow_id), incident_id=str(incident_id))
    page, unknown, default, resolve = shown["tasks"]
    assert page["would"] == {
        "integration_id": str(paging.integration_id),
        "integration_name": "acme",
        "title": "Checkout is down",
        "urgency": "auto",
        "severity": "critical",
        "targets": [team["name"]],
        "fallback_targets": [team["name"]],
        "notes": [],
    }
    assert "no team is called 'Nobody'" in unknown["error"]
    assert "names nobody to page" in default["error"]
    assert resolve["would"] == {"pages": [str(page_id)], "alerts": []}
    example = await seen(service_api, workflow_id=str(workflow_id))
    assert example["tasks"][0]["would"]["targets"] == [team["name"]]


async def test_a_preview_writes_nothing(
    service_api: AsyncClient, paging: Paging, flows: Flows, team: dict[str, str], sessions: Sessions
) -> None:
    tasks = (
        {"task_type": "create_pagertree_alert", "teams": [team]},
        {"task_type": "page_pagertree", "teams": [team]},
        {"task_type": "update_pagertree_alert", "title": "t"},
        {"task_type": "acknowledge_pagertree_alert"},
        {"task_type": "resolve_pagertree_alert"},
        {"task_type": "update_status", "status": "resolved"},
        {"task_type": "add_to_timeline", "event": "e"},
        {"task_type": "create_incident", "title": "t"},
        {"task_type": "http_client", "url": "https://example.com", "succeed_on_status": "200"},
        {"task_type": "print", "message": "m"},
    )
    incident_id = await flows.declare()
    page_id = await paging.page(incident_id=incident_id)
    await paging.reaches(page_id, "confirmed")

    async def has_been_told() -> bool:
        async with sessions() as session:
            told = select(func.count()).select_from(Delivery).where(Delivery.state == "done")
            return await session.scalar(told) == len(("created", "open"))

    await eventually(has_been_told)
    workflow_id = await flows.add(*tasks, triggers=())
    before = await counts(sessions)
    for about in ({"incident_id": str(incident_id)}, {}):
        saved = await seen(service_api, workflow_id=str(workflow_id), **about)
        errors = {task["task_type"]: task["error"] for task in saved["tasks"] if task["error"]}
        assert errors.keys() == {"http_client"}
        assert "may not be called" in errors["http_client"]
        workflow = inline(*tasks, trigger_params=CRITICAL)
        await seen(service_api, workflow=workflow, **about)
    assert await counts(sessions) == before
    assert (await flows.incident(incident_id)).status == "started"


async def test_a_preview_could_not_write_if_it_tried(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write(context: TaskContext, _: Any) -> None:
        await context.session.execute(text("DELETE FROM workflows"))

    monkeypatch.setattr(previewing, "account_of", write)
    async with sessions.begin() as session:
        values = inline({"task_type": "page_pagertree", "title": "t"}, trigger_params=CRITICAL)
        workflow, tasks = await service.draft_workflow(session, values, pointer="")
        asked = Previewed(workflow=workflow, tasks=tasks, about=None, context={})
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await preview_here(session, settings, asked)
        await session.execute(text("DELETE FROM workflows"))  # what follows a preview may write


async def test_headers_are_not_shown(api: AsyncClient) -> None:
    task = {
        "task_type": "http_client",
        "url": "https://example.com",
        "succeed_on_status": "200",
        "headers": '{"Authorization": "planted"}',
    }
    answer = await ask(api, workflow=inline(task))
    assert answer.status_code == 200
    assert "planted" not in answer.text


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({}, "workflow_id"),
        ({"workflow_id": "x", "workflow": inline()}, "workflow_id"),
        ({"workflow": inline({"task_type": "print"})}, "workflow/tasks/0/task_params/message"),
        ({"workflow": inline(wait="soon")}, "workflow/wait"),
        ({"workflow": inline(trigger_params=CRITICAL), "alert_id": "ABC234"}, "alert_id"),
    ],
)
async def test_what_cannot_be_previewed_is_refused(
    api: AsyncClient, attributes: dict[str, Any], pointer: str
) -> None:
    answer = await ask(api, **attributes)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["source"]["pointer"] == f"/data/attributes/{pointer}"


async def test_a_preview_of_a_workflow_that_is_not_there_is_404(api: AsyncClient) -> None:
    assert (await ask(api, workflow_id=str(UUID(int=1)))).status_code == 404


async def test_an_incident_is_named_by_its_number_with_quotes_or_without(
    api: AsyncClient, flows: Flows
) -> None:
    incident_id = await flows.declare()
    workflow = inline(trigger_params=CRITICAL)
    for number in ("1", 1):
        shown = await seen(api, workflow=workflow, incident_id=number)
        assert shown["about_id"] == str(incident_id)


LOOPING = "{% for i in (1..4000) %}{% assign x = incident.title | upcase | split: '' %}{% endfor %}"


async def test_a_preview_that_computes_for_long_ends_and_says_what_was_not_rendered(
    api: AsyncClient, settings: Settings
) -> None:
    tasks = [{"task_type": "print", "message": f"{LOOPING}{n}"} for n in range(49)]
    first = {"task_type": "print", "message": "quick"}
    shown = await seen(api, workflow=inline(first, *tasks))
    quick, *others = shown["tasks"]
    assert quick["rendered_params"]["message"] == "quick"
    assert len(others) == 49
    late = f"not rendered: the preview took longer than {settings.preview_cpu_s:g} s"
    assert others[-1]["error"].startswith(late)
    assert others[-1]["rendered_params"] is None


async def test_no_connection_is_held_while_a_preview_computes(
    api: AsyncClient, settings: Settings, sessions: Sessions
) -> None:
    del settings
    tasks = [{"task_type": "print", "message": f"{LOOPING}{n}"} for n in range(50)]
    previewing = asyncio.create_task(ask(api, workflow=inline(*tasks)))
    held = 0
    while not previewing.done():
        async with sessions() as session:
            held = max(held, await session.scalar(text(IN_TRANSACTION)) or 0)
        await asyncio.sleep(0.25)
    assert (await previewing).status_code == 200
    assert held <= 1


IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE state = 'idle in transaction' AND state_change < now() - interval '0.5 s'
"""


async def test_long_templates_are_looked_at_elsewhere_and_what_is_wrong_is_said_all_the_same(
    api: AsyncClient,
) -> None:
    long = "{{ incident.title }}" * 300
    wrong = f"{long}{{{{ incident.title | nothing }}}}"
    tasks = [{"task_type": "print", "message": message} for message in (long, wrong)]
    answer = await ask(api, workflow=inline(*tasks))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["detail"].endswith("unknown filter 'nothing'")
    assert error["source"]["pointer"].endswith("/tasks/1/task_params/message")
    body = {"data": {"type": "workflows", "attributes": inline(tasks[0])}}
    assert (await api.post("/v1/workflows", json=body)).status_code == 201
