"""Workflows over HTTP: saved, refused, changed, removed."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from pagersync.workflows import service
from pagersync.workflows.models import Workflow
from tests.support.account import Account

PRINT = {"task_type": "print", "message": "{{ incident.title }}"}
CREATED = {"trigger_type": "incident", "triggers": ["incident_created"]}


def body(type_: str = "workflows", **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": type_, "attributes": attributes}}


def workflow(**attributes: Any) -> dict[str, Any]:
    return body(**{"name": "Page SRE", "trigger_params": CREATED, **attributes})


def pointers(answer: Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {each["source"]["pointer"]: each["detail"] for each in answer.json()["errors"]}


async def saved(api: AsyncClient, **attributes: Any) -> dict[str, Any]:
    answer = await api.post("/v1/workflows", json=workflow(**attributes))
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    return {"id": data["id"], **data["attributes"]}


async def test_a_workflow_is_saved_with_its_tasks_and_shown_by_id_and_by_slug(
    api: AsyncClient,
) -> None:
    tasks = [
        {"name": "Say so", "task_params": PRINT, "skip_on_failure": True},
        {"task_params": {"task_type": "resolve_pagertree_alert"}, "enabled": False},
    ]
    made = await saved(api, name="Page SRE!", tasks=tasks, wait="5 min", description="d")
    assert (made["slug"], made["version"], made["enabled"], made["default"]) == (
        "page-sre",
        1,
        True,
        False,
    )
    assert [(each["position"], each["name"]) for each in made["tasks"]] == [
        (1, "Say so"),
        (2, "Resolve pagertree alert"),
    ]
    assert [(each["skip_on_failure"], each["enabled"]) for each in made["tasks"]] == [
        (True, True),
        (False, False),
    ]
    for reference in (made["id"], made["slug"]):
        shown = await api.get(f"/v1/workflows/{reference}")
        assert shown.json()["data"]["attributes"]["tasks"] == made["tasks"]
        assert shown.headers["ETag"] == '"1"'


async def test_what_only_rootly_has_is_answered_empty_and_refused_when_it_asks_for_something(
    api: AsyncClient,
) -> None:
    empty: dict[str, Any] = {
        "command": None,
        "locked": False,
        "repeat_on": [],
        "service_ids": [],
        "priority": None,
    }
    made = await saved(api, **empty)
    assert (made["command"], made["locked"], made["repeat_on"]) == (None, False, [])
    assert (made["workflow_group_id"], made["environment_ids"]) == (None, [])
    asking = {"command": "page", "locked": True, "repeat_on": ["M"], "service_ids": ["x"]}
    refused = pointers(await api.post("/v1/workflows", json=workflow(**asking)))
    assert refused.keys() == {f"/data/attributes/{name}" for name in asking}


async def test_everything_that_cannot_be_right_is_refused_at_once_with_its_place(
    api: AsyncClient,
) -> None:
    attributes = {
        "name": " ",
        "slug": "No Slug",
        "wait": "soon",
        "repeat_every_duration": "1 s",
        "runs_per_minute_max": 0,
        "integration_id": str(uuid4()),
        "trigger_params": {**CREATED, "triggers": ["incident_created", "incident_resolved"]},
        "tasks": [
            {"task_params": {"task_type": "send_email"}},
            {
                "task_params": {
                    "task_type": "create_pagertree_alert",
                    "urgency": "very",
                    "team": [],
                }
            },
            {
                "name": "x" * 101,
                "task_params": {
                    "task_type": "page_pagertree",
                    "title": "{{ incident.title",
                    "description": "{{ incidnt.title }}",
                },
            },
        ],
    }
    refused = pointers(await api.post("/v1/workflows", json=workflow(**attributes)))
    task = "/data/attributes/tasks"
    assert refused.keys() == {
        "/data/attributes/name",
        "/data/attributes/slug",
        "/data/attributes/wait",
        "/data/attributes/repeat_every_duration",
        "/data/attributes/runs_per_minute_max",
        "/data/attributes/integration_id",
        "/data/attributes/trigger_params/triggers/1",
        f"{task}/0/task_params/task_type",
        f"{task}/1/task_params/urgency",
        f"{task}/1/task_params/team",
        f"{task}/2/name",
        f"{task}/2/task_params/title",
        f"{task}/2/task_params/description",
    }
    assert "there is no task 'send_email'" in refused[f"{task}/0/task_params/task_type"]
    assert "line 1" in refused[f"{task}/2/task_params/title"]
    assert "unknown variable 'incidnt'" in refused[f"{task}/2/task_params/description"]
    assert (await api.get("/v1/workflows")).json()["data"] == []


async def test_a_task_that_needs_an_incident_is_refused_in_a_workflow_for_alerts(
    api: AsyncClient,
) -> None:
    alerts = {"trigger_type": "alert", "triggers": ["alert_created"]}
    tasks = [{"task_params": {"task_type": "add_to_timeline", "event": "x"}}]
    at_task = "/data/attributes/tasks/0/task_params/task_type"
    answer = await api.post("/v1/workflows", json=workflow(trigger_params=alerts, tasks=tasks))
    assert pointers(answer).keys() == {at_task}
    made = await saved(api, tasks=tasks)
    answer = await api.put(f"/v1/workflows/{made['id']}", json=body(trigger_params=alerts))
    assert len(pointers(answer)) == 1


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"name": "\x00"}, "name"),
        ({"description": "\x00"}, "description"),
        ({"tasks": [{"task_params": {**PRINT, "message": "\x00"}}]}, "tasks/0/task_params"),
        ({"tasks": [{"task_params": PRINT}] * 51}, "tasks"),
        ({"tasks": [{"task_params": {"task_type": []}}]}, "tasks/0/task_params/task_type"),
        ({"trigger_params": {"trigger_type": []}}, "trigger_params/trigger_type"),
        ({"enabled": "yes"}, "enabled"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_values_that_cannot_be_kept_are_refused(
    api: AsyncClient, attributes: dict[str, Any], pointer: str
) -> None:
    alerts = {"trigger_type": "alert", "triggers": ["alert_created"]}
    answer = await api.post(
        "/v1/workflows", json=workflow(**{"trigger_params": alerts, **attributes})
    )
    assert pointers(answer).keys() == {f"/data/attributes/{pointer}"}


async def test_two_workflows_of_one_name_have_two_slugs_and_a_taken_slug_is_refused(
    api: AsyncClient,
) -> None:
    slugs = [(await saved(api))["slug"] for _ in range(3)]
    assert slugs == ["page-sre", "page-sre-2", "page-sre-3"]
    assert (await saved(api, slug="mine"))["slug"] == "mine"
    answer = await api.post("/v1/workflows", json=workflow(slug="mine"))
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["source"]["pointer"] == "/data/attributes/slug"


async def test_workflows_made_at_the_same_moment_have_slugs_of_their_own(api: AsyncClient) -> None:
    made = await asyncio.gather(*(saved(api) for _ in range(6)))
    assert len({each["slug"] for each in made}) == 6


async def test_there_are_at_most_so_many_workflows(
    api: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WORKFLOWS_MAX", 1)
    made = await saved(api)
    assert (await api.post("/v1/workflows", json=workflow())).status_code == 409
    await api.delete(f"/v1/workflows/{made['id']}")
    await saved(api)


async def test_a_change_sets_what_it_names_and_counts_the_version_up(
    api: AsyncClient, sessions: Sessions
) -> None:
    made = await saved(api, wait="5 min", tasks=[{"task_params": PRINT}])
    triggers = {"trigger_type": "incident", "triggers": ["title_updated"]}
    change = body(enabled=False, wait=None, trigger_params=triggers)
    answer = await api.put(f"/v1/workflows/{made['slug']}", json=change)
    changed = answer.json()["data"]["attributes"]
    assert (changed["enabled"], changed["wait"], changed["version"]) == (False, None, 2)
    assert (changed["name"], changed["tasks"]) == (made["name"], made["tasks"])
    assert answer.headers["ETag"] == '"2"'
    async with sessions() as session:
        row = (await session.scalars(select(Workflow))).one()
        assert row.triggers == ["title_updated"]
    nulls = await api.put(f"/v1/workflows/{made['id']}", json=body(enabled=None, tasks=None))
    assert len(pointers(nulls)) == 2


async def test_a_change_of_an_older_version_is_refused_and_changes_nothing(
    api: AsyncClient,
) -> None:
    made = await saved(api)
    url = f"/v1/workflows/{made['id']}"
    assert (await api.put(url, json=body(name="b"), headers={"If-Match": '"1"'})).is_success
    late = await api.put(url, json=body(name="c"), headers={"If-Match": '"1"'})
    assert late.status_code == 412
    assert (await api.delete(url, headers={"If-Match": '"1"'})).status_code == 412
    assert (await api.get(url)).json()["data"]["attributes"]["name"] == "b"


async def test_switching_on_forgets_why_it_was_off(api: AsyncClient, sessions: Sessions) -> None:
    made = await saved(api, enabled=False)
    async with sessions.begin() as session:
        row = (await session.scalars(select(Workflow))).one()
        row.off_reason = "nobody to page"
    url = f"/v1/workflows/{made['id']}"
    renamed = await api.put(url, json=body(name="b"))
    assert renamed.json()["data"]["attributes"]["off_reason"] == "nobody to page"
    on = await api.put(url, json=body(enabled=True))
    assert on.json()["data"]["attributes"]["off_reason"] is None


async def test_tasks_replaced_as_a_whole_keep_the_ids_of_their_places(api: AsyncClient) -> None:
    made = await saved(api, tasks=[{"task_params": PRINT}, {"task_params": PRINT}])
    url = f"/v1/workflows/{made['id']}"
    one = [{"name": "new", "task_params": {**PRINT, "message": "b"}}]
    (task,) = (await api.put(url, json=body(tasks=one))).json()["data"]["attributes"]["tasks"]
    assert (task["id"], task["name"]) == (made["tasks"][0]["id"], "new")
    assert task["task_params"]["message"] == "b"


async def test_a_removed_workflow_is_gone_and_its_slug_is_free(api: AsyncClient) -> None:
    made = await saved(api)
    removed = await api.delete(f"/v1/workflows/{made['slug']}")
    assert (removed.status_code, removed.json()["data"]["id"]) == (200, made["id"])
    for reference in (made["id"], made["slug"]):
        assert (await api.get(f"/v1/workflows/{reference}")).status_code == 404
    assert (await saved(api))["slug"] == made["slug"]


async def test_workflows_are_filtered_searched_and_sorted(
    api: AsyncClient, account: Account
) -> None:
    await saved(api, name="Page SRE", position=2, integration_id=str(account.id))
    await saved(api, name="Tell Ops", position=1, description="about checkout")

    async def names(query: str) -> list[str]:
        answer = await api.get(f"/v1/workflows?{query}")
        assert answer.is_success, answer.text
        return [each["attributes"]["name"] for each in answer.json()["data"]]

    assert await names("") == ["Tell Ops", "Page SRE"]
    assert await names("sort=position") == ["Tell Ops", "Page SRE"]
    assert await names("sort=-position") == ["Page SRE", "Tell Ops"]
    assert await names("filter[slug]=page-sre") == ["Page SRE"]
    assert await names("filter[name][not_eq]=Page SRE") == ["Tell Ops"]
    assert await names("filter[search]=checkout") == ["Tell Ops"]
    assert await names(f"filter[integration_id]={account.id}") == ["Page SRE"]
    assert await names("filter[created_at][gt]=2100-01-01T00:00:00Z") == []


async def test_tasks_are_added_changed_and_removed_one_by_one(api: AsyncClient) -> None:
    made = await saved(api)
    url = f"/v1/workflows/{made['slug']}/workflow_tasks"

    def task(**attributes: Any) -> dict[str, Any]:
        return body("workflow_tasks", **attributes)

    second = (await api.post(url, json=task(task_params=PRINT, position=5))).json()["data"]
    assert second["attributes"]["name"] == "Print"
    third = (await api.post(url, json=task(task_params=PRINT, name="last"))).json()["data"]
    assert third["attributes"]["position"] == 6
    first = (await api.post(url, json=task(task_params=PRINT, position=1))).json()["data"]
    listed = (await api.get(url)).json()["data"]
    assert [each["id"] for each in listed] == [first["id"], second["id"], third["id"]]

    taken = await api.post(url, json=task(task_params=PRINT, position=5))
    assert pointers(taken).keys() == {"/data/attributes/position"}
    wrong = task(task_params={"task_type": "print"}, name="")
    own = f"/v1/workflow_tasks/{second['id']}"
    assert pointers(await api.put(own, json=wrong)).keys() == {
        "/data/attributes/task_params/message",
        "/data/attributes/name",
    }
    changed = await api.put(own, json=task(enabled=False, position=9))
    assert changed.json()["data"]["attributes"]["enabled"] is False
    assert (await api.get(own)).json()["data"]["attributes"]["position"] == 9
    assert (await api.delete(own)).status_code == 200
    assert (await api.get(own)).status_code == 404
    shown = (await api.get(f"/v1/workflows/{made['id']}")).json()["data"]["attributes"]
    assert (shown["version"], len(shown["tasks"])) == (6, 2)


async def test_a_change_of_an_older_task_is_refused_and_changes_nothing(api: AsyncClient) -> None:
    url = f"/v1/workflows/{(await saved(api))['id']}/workflow_tasks"
    answer = await api.post(url, json=body("workflow_tasks", name="a", task_params=PRINT))
    first = {"If-Match": answer.headers["ETag"]}
    other = await api.post(url, json=body("workflow_tasks", task_params=PRINT))
    own = f"/v1/workflow_tasks/{answer.json()['data']['id']}"
    assert (await api.get(own)).headers["ETag"] == first["If-Match"] != other.headers["ETag"]
    changed = await api.put(own, json=body("workflow_tasks", name="b"), headers=first)
    assert changed.headers["ETag"] not in ("", first["If-Match"])
    late = await api.put(own, json=body("workflow_tasks", name="c"), headers=first)
    assert late.status_code == 412
    assert (await api.delete(own, headers=first)).status_code == 412
    shown = await api.get(own)
    assert shown.json()["data"]["attributes"]["name"] == "b"
    now = {"If-Match": shown.headers["ETag"]}
    assert (await api.delete(own, headers=now)).status_code == 200


async def test_answer_headers_that_a_call_would_not_look_at_are_refused(api: AsyncClient) -> None:
    call = {"task_type": "http_client", "url": "https://example.com", "succeed_on_status": "200"}
    asking = [{"task_params": {**call, "expected_response_headers": {"a": "b"}}}]
    refused = pointers(await api.post("/v1/workflows", json=workflow(tasks=asking)))
    pointer = "/data/attributes/tasks/0/task_params/expected_response_headers"
    assert refused.keys() == {pointer}
