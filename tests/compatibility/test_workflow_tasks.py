"""Workflow tasks, by Rootly's own client."""

from typing import Any

import pytest
from rootly_sdk.api.workflow_tasks import (
    create_workflow_task,
    delete_workflow_task,
    get_workflow_task,
    list_workflow_tasks,
    update_workflow_task,
)
from rootly_sdk.models import (
    AddToTimelineTaskParams,
    CreateIncidentTaskParams,
    CreatePagertreeAlertTaskParams,
    HttpClientTaskParams,
    NewWorkflowTask,
    PrintTaskParams,
    UpdatePagertreeAlertTaskParams,
    UpdateStatusTaskParams,
    UpdateWorkflowTask,
)

from pagersync.http import AsyncClient
from tests.compatibility.driving import Driver, body_of
from tests.compatibility.stand_ins import not_published, stand_ins
from tests.compatibility.test_workflows import INCIDENT, PRINT, made, own

__all__ = ["stand_ins"]


def test_the_client_of_pypi_still_lacks_models_that_its_tasks_need() -> None:
    """When this fails, the client was mended, and `stand_ins` can go."""
    with pytest.raises(ModuleNotFoundError):
        body_of(NewWorkflowTask, "workflow_tasks", {"task_params": PRINT})
    assert len(not_published()) == 23


@pytest.mark.usefixtures("stand_ins")
async def test_a_task_from_its_making_to_its_end(rootly: Driver) -> None:
    workflow = await made(rootly)
    new = {"name": "Say so", "position": 3, "skip_on_failure": True, "enabled": False}
    body = body_of(NewWorkflowTask, "workflow_tasks", {**new, "task_params": PRINT})
    task = (await rootly(create_workflow_task, workflow.id, body=body)).data
    known = task.attributes
    assert (known.name, known.position, known.skip_on_failure, known.enabled) == (
        *("Say so", 3),
        *(True, False),
    )
    assert known.workflow_id == workflow.id
    assert known.task_params == PrintTaskParams.from_dict(PRINT)
    change = body_of(UpdateWorkflowTask, "workflow_tasks", {"enabled": True, "position": 1})
    changed = await rootly(update_workflow_task, task.id, body=change)
    assert (changed.data.attributes.enabled, changed.data.attributes.name) == (True, "Say so")
    assert (await rootly(get_workflow_task, task.id)).data.attributes.position == 1
    assert (await rootly(delete_workflow_task, task.id)).data.id == task.id
    for operation in (get_workflow_task, delete_workflow_task):
        assert (await rootly.refused(404, operation, task.id))[0]["status"] == "404"
    assert await rootly.refused(404, update_workflow_task, task.id, body=change)


@pytest.mark.parametrize(
    ("params", "model"),
    [
        (
            {
                "task_type": "create_pagertree_alert",
                "title": "{{ incident.title }}",
                "severity": "auto",
                "urgency": "high",
                "teams": [{"id": "1", "name": "SRE"}],
                "users": [{"name": "Ada"}],
                "incident": True,
            },
            CreatePagertreeAlertTaskParams,
        ),
        (
            {"task_type": "update_pagertree_alert", "pagertree_alert_id": "1", "title": "x"},
            UpdatePagertreeAlertTaskParams,
        ),
        ({"task_type": "update_status", "status": "resolved"}, UpdateStatusTaskParams),
        ({"task_type": "add_to_timeline", "event": "x"}, AddToTimelineTaskParams),
        ({"task_type": "create_incident", "title": "x"}, CreateIncidentTaskParams),
        (
            {
                "task_type": "http_client",
                "url": "https://x",
                "succeed_on_status": "20[0-3]",
                "method": "POST",
                "headers": "{}",
                "follow_redirects": True,
            },
            HttpClientTaskParams,
        ),
        (PRINT, PrintTaskParams),
    ],
)
@pytest.mark.usefixtures("stand_ins")
async def test_each_task_of_rootlys_goes_through_the_client_and_comes_back_as_it_was(
    rootly: Driver, params: dict[str, Any], model: Any
) -> None:
    sent = model.from_dict(params)
    id_ = (await made(rootly, trigger_params=INCIDENT.to_dict())).id
    body = body_of(NewWorkflowTask, "workflow_tasks", {"task_params": sent.to_dict()})
    await rootly(create_workflow_task, id_, body=body)
    (shown,) = (await rootly(list_workflow_tasks, id_)).data
    assert shown.attributes.task_params == sent


@pytest.mark.parametrize(
    "params",
    [
        {"task_type": "page_pagertree", "teams": [{"name": "SRE"}], "tags": ["a"]},
        {"task_type": "acknowledge_pagertree_alert"},
        {"task_type": "resolve_pagertree_alert", "pagertree_alert_id": "alt_1"},
    ],
)
@pytest.mark.usefixtures("stand_ins")
async def test_a_task_that_rootly_lacks_is_read_and_stays_what_it_is_when_it_is_sent_back(
    rootly: Driver, api: AsyncClient, params: dict[str, Any]
) -> None:
    id_ = await own(api, tasks=[{"task_params": params}])
    (task,) = (await rootly(list_workflow_tasks, id_)).data
    assert task.attributes["task_type"] == params["task_type"]
    read = task.attributes.task_params.to_dict()
    assert params == {**read, "task_type": params["task_type"]} != read
    body = body_of(UpdateWorkflowTask, "workflow_tasks", {"task_params": read})
    changed = (await rootly(update_workflow_task, task.id, body=body)).data
    assert changed.attributes["task_type"] == params["task_type"]
    shown = (await api.get(f"/v1/workflows/{id_}")).json()["data"]["attributes"]["tasks"]
    assert [one["task_params"] for one in shown] == [params]


@pytest.mark.usefixtures("stand_ins")
async def test_tasks_are_found_by_every_filter_that_rootly_has(rootly: Driver) -> None:
    workflow = await made(rootly)

    async def added(name: str) -> str:
        body = body_of(NewWorkflowTask, "workflow_tasks", {"name": name, "task_params": PRINT})
        return str((await rootly(create_workflow_task, workflow.id, body=body)).data.id)

    async def found(**filters: Any) -> list[str]:
        listed = await rootly(list_workflow_tasks, workflow.id, pagesize=10, **filters)
        return [row.id for row in listed.data]

    one, two = await added("Say so"), await added("Page them")
    assert await found(include="") == [one, two]
    assert await found(filtersearch="say") == [one]
    for suffix in ("", "eq", "in"):
        assert await found(**{f"filtername{suffix}": "Say so"}) == [one]
        assert await found(**{f"filterslug{suffix}": "say-so"}) == []
    for suffix in ("not_eq", "not_in"):
        assert await found(**{f"filtername{suffix}": "Say so"}) == [two]
        assert await found(**{f"filterslug{suffix}": "say-so"}) == [one, two]
    second = await rootly(list_workflow_tasks, workflow.id, pagesize=1, pagenumber=2)
    assert [row.id for row in second.data] == [two]
