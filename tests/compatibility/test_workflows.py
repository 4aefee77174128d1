"""Workflows and their runs, by Rootly's own client."""

from typing import Any

import pytest
from rootly_sdk.api.workflow_runs import create_workflow_run, list_workflow_runs
from rootly_sdk.api.workflows import (
    create_workflow,
    delete_workflow,
    get_workflow,
    list_workflows,
    update_workflow,
)
from rootly_sdk.models import (
    AlertTriggerParams,
    IncidentTriggerParams,
    NewWorkflow,
    NewWorkflowRun,
    SimpleTriggerParams,
    UpdateWorkflow,
)

from pagersync import shape
from pagersync.http import AsyncClient
from tests.compatibility.driving import Driver, body_of
from tests.paging.conftest import Paging
from tests.support.wait import eventually

PRINT = {"task_type": "print", "message": "Hello"}
INCIDENT = IncidentTriggerParams.from_dict({"trigger_type": "incident"})
EMPTY: dict[str, Any] = {
    "command": None,
    "command_feedback_enabled": None,
    "run_once_per_resource": False,
    "locked": False,
    "workflow_group_id": None,
    "environment_ids": [],
    "severity_ids": [],
    "incident_type_ids": [],
    "incident_role_ids": [],
    "service_ids": [],
    "functionality_ids": [],
    "group_ids": [],
    "group_assignment_ids": [],
    "cause_ids": [],
    "sub_status_ids": [],
    "failure_notification_mode": "inherit",
    "failure_notification_channels": [],
}
"""What Rootly's workflows have, asking for nothing."""
INCLUDES = "genius_tasks,genius_workflow_runs,form_field_conditions,alert_field_conditions"
PAST = "2020-01-01T00:00:00Z"


async def made(rootly: Driver, **attributes: Any) -> Any:
    body = body_of(NewWorkflow, "workflows", {"name": "Page SRE", **attributes})
    return (await rootly(create_workflow, body=body)).data


async def own(api: AsyncClient, **attributes: Any) -> str:
    """Make a workflow with what Rootly lacks; return its id."""
    new = {"type": "workflows", "attributes": {"name": "Own", **attributes}}
    answer = await api.post("/v1/workflows", json={"data": new})
    assert answer.is_success, answer.text
    return str(answer.json()["data"]["id"])


async def test_a_workflow_from_its_making_to_its_end(rootly: Driver) -> None:
    triggers = {**INCIDENT.to_dict(), "triggers": ["incident_created"]}
    workflow = await made(
        rootly,
        **EMPTY,
        slug=None,
        description="What is critical",
        wait="5 min",
        priority="normal",
        repeat_every_duration="1h",
        repeat_condition_duration_since_first_run="1 day",
        repeat_condition_number_of_repeats=3,
        continuously_repeat=False,
        repeat_on=[],
        enabled=True,
        position=2,
        trigger_params=triggers,
    )
    known = workflow.attributes
    assert (known.slug, known.wait, known.repeat_condition_number_of_repeats) == (
        "page-sre",
        "5 min",
        3,
    )
    assert isinstance(known.trigger_params, IncidentTriggerParams)
    assert known.trigger_params.triggers == ["incident_created"]
    assert (known.run_once_per_resource, known.failure_notification_mode) == (False, "off")
    assert (known.group_assignment_ids, known.failure_notification_channels) == ([], [])
    change = {**EMPTY, "slug": "other", "repeat_condition_number_of_repeats": None, "position": 1}
    body = body_of(UpdateWorkflow, "workflows", change)
    changed = (await rootly(update_workflow, workflow.id, body=body)).data.attributes
    assert (changed.slug, changed.position) == ("page-sre", 1)
    assert changed.repeat_condition_number_of_repeats is None
    assert (await rootly(get_workflow, "page-sre")).data.id == workflow.id
    assert (await rootly(delete_workflow, workflow.id)).data.id == workflow.id
    for operation in (get_workflow, delete_workflow):
        assert (await rootly.refused(404, operation, workflow.id))[0]["status"] == "404"
    assert await rootly.refused(404, update_workflow, workflow.id, body=body)


async def test_severity_ids_go_through_the_client_both_ways(
    rootly: Driver, api: AsyncClient
) -> None:
    new = {"type": "severities", "attributes": {"name": "Sev Zero", "severity": "critical"}}
    severity = (await api.post("/v1/severities", json={"data": new})).json()["data"]["id"]
    params = INCIDENT.to_dict()
    workflow = await made(rootly, **{**EMPTY, "severity_ids": [severity]}, trigger_params=params)
    known = workflow.attributes
    assert known.severity_ids == known.trigger_params["incident_severities"] == [severity]
    body = body_of(UpdateWorkflow, "workflows", {"severity_ids": []})
    changed = (await rootly(update_workflow, workflow.id, body=body)).data.attributes
    assert changed.severity_ids == changed.trigger_params["incident_severities"] == []


@pytest.mark.parametrize(
    ("params", "model"),
    [
        ({"trigger_type": "incident", "incident_condition_summary": "SET"}, IncidentTriggerParams),
        ({"trigger_type": "alert", "triggers": ["alert_created"]}, AlertTriggerParams),
        ({"trigger_type": "simple", "triggers": []}, SimpleTriggerParams),
    ],
)
async def test_each_kind_of_triggers_goes_through_the_client_and_comes_back_as_it_was(
    rootly: Driver, params: dict[str, Any], model: Any
) -> None:
    sent = model.from_dict(params).to_dict()
    shown = (await made(rootly, trigger_params=sent)).attributes.trigger_params
    assert isinstance(shown, model)
    again = (await made(rootly, trigger_params=shown.to_dict())).attributes.trigger_params
    assert again == shown


@pytest.mark.parametrize(
    "params",
    [
        {
            "trigger_type": "page",
            "page_condition_urgency": "IS",
            "page_urgencies": ["high"],
        },
        {
            "trigger_type": "incident",
            "incident_condition_summary": "CONTAINS",
            "incident_summaries": ["disk"],
        },
    ],
)
async def test_triggers_that_rootly_could_not_say_break_no_answer_and_can_be_sent_back(
    rootly: Driver, api: AsyncClient, params: dict[str, Any]
) -> None:
    id_ = await own(api, trigger_params=params)
    (listed,) = (await list_workflows.asyncio(client=rootly.client)).data
    assert listed.id == id_
    assert not listed.attributes.trigger_params  # unset, in the client's words
    url = f"/v1/workflows/{id_}"
    shown = (await api.get(url)).json()["data"]["attributes"]
    assert "trigger_params" not in shown
    assert shown["pagersync_trigger_params"].items() >= params.items()
    same = {"pagersync_trigger_params": shown["pagersync_trigger_params"]}
    answer = await api.put(url, json={"data": {"type": "workflows", "attributes": same}})
    assert answer.json()["data"]["attributes"]["version"] == 2
    assert await own(api, **same)
    asked = {"type": "workflow_previews", "attributes": {"workflow": {"name": "x", **same}}}
    seen = (await api.post("/v1/workflows/preview", json={"data": asked})).json()
    assert " ".join(seen["data"]["attributes"]["conditions"]).endswith(("[high]", "[disk]"))
    twice = {"data": {"type": "workflows", "attributes": {**same, "trigger_params": params}}}
    assert (await api.put(url, json=twice)).status_code == 422
    simple = {"pagersync_trigger_params": {"trigger_type": "simple"}}
    answer = await api.put(url, json={"data": {"type": "workflows", "attributes": simple}})
    assert "pagersync_trigger_params" not in answer.json()["data"]["attributes"]
    assert (await rootly(get_workflow, id_)).data.attributes.trigger_params.trigger_type == "simple"


@pytest.mark.parametrize(
    "attributes",
    [
        {"run_once_per_resource": True},
        {"group_assignment_ids": ["x"]},
        {"failure_notification_mode": "custom"},
        {"priority": "high"},
        {"trigger_params": {**INCIDENT.to_dict(), "incident_condition_scheduled_for": "SET"}},
        {"trigger_params": {"trigger_type": "simple", "triggers": ["slack_command"]}},
    ],
)
async def test_what_asks_a_workflow_for_what_is_not_here_is_refused(
    rootly: Driver, api: AsyncClient, attributes: dict[str, Any]
) -> None:
    data = {"type": "workflows", "attributes": {"name": "x", **attributes}}
    body_of(NewWorkflow, "workflows", {"name": "x", **attributes})  # the client would send it
    answer = await api.post("/v1/workflows", json={"data": data})
    assert answer.status_code == 422
    assert next(iter(attributes)) in answer.json()["errors"][0]["source"]["pointer"]
    assert (await rootly(list_workflows)).data == []


async def test_workflows_are_found_by_every_filter_that_rootly_has(rootly: Driver) -> None:
    one = (await made(rootly, name="Page SRE", position=2)).id
    two = (await made(rootly, name="Tell Ops", position=1, description="about checkout")).id

    async def found(**filters: Any) -> list[str]:
        return [row.id for row in (await rootly(list_workflows, pagesize=10, **filters)).data]

    assert await found(filtersearch="checkout") == [two]
    for name, value in (("name", "Page SRE"), ("slug", "page-sre")):
        for suffix in ("", "eq", "in"):
            assert await found(**{f"filter{name}{suffix}": value}) == [one]
        for suffix in ("not_eq", "not_in"):
            assert await found(**{f"filter{name}{suffix}": value}) == [two]
    assert set(await found(filtercreated_atgt=PAST, filtercreated_atgte=PAST)) == {one, two}
    assert await found(filtercreated_atlt=PAST) == await found(filtercreated_atlte=PAST) == []
    for name in ("position", "created_at", "updated_at"):
        assert await found(sort=name) == list(reversed(await found(sort=f"-{name}")))
    assert await found(sort="position") == [two, one]
    first = await rootly(list_workflows, pagesize=1, sort="position", include=INCLUDES)
    second = await rootly(list_workflows, pagesize=1, pagenumber=2, sort="position")
    assert [first.data[0].id, second.data[0].id] == [two, one]
    assert first.included == []


async def test_what_a_workflow_is_related_to_is_included_without_what_its_calls_log_in_with(
    rootly: Driver, api: AsyncClient
) -> None:
    call = {"task_type": "http_client", "url": "https://x", "succeed_on_status": "200"}
    tasks = [
        {"task_params": PRINT},
        {"task_params": {**call, "headers": '{"Authorization": "Bearer s3cret"}'}},
    ]
    id_, other = await own(api, tasks=tasks), await own(api)
    body = body_of(NewWorkflowRun, "workflow_runs", {})
    runs = [(await rootly(create_workflow_run, id_, body=body)).data.id for _ in range(2)]
    for operation, arguments in ((get_workflow, (id_,)), (list_workflows, ())):
        answer = await rootly(operation, *arguments, include=INCLUDES)
        included = [(one.type_, one.id) for one in answer.included]
        assert [id_ for type_, id_ in included if type_ == "workflow_runs"] == runs[::-1]
        names = [one.attributes.to_dict().get("name") for one in answer.included[:2]]
        assert names == ["Print", "Http client"]
    shown = (await api.get(f"/v1/workflows?include={INCLUDES}")).json()
    related = {row["id"]: row["relationships"] for row in shown["data"]}
    assert [len(related[id_][name]["data"]) for name in INCLUDES.split(",")] == [2, 2, 0, 0]
    assert [len(related[other][name]["data"]) for name in INCLUDES.split(",")] == [0] * 4
    assert "s3cret" not in str(shown["included"])
    query = "fields[workflows]=name&include=genius_tasks&fields[workflow_tasks]=position"
    trimmed = (await api.get(f"/v1/workflows/{id_}?{query}")).json()
    assert trimmed["data"]["attributes"] == {"name": "Own"}
    assert trimmed["included"][1]["attributes"] == {"position": 2}
    assert (await api.get(f"/v1/workflows/{id_}?include=genius_nothing")).status_code == 422


async def test_the_newest_runs_of_each_workflow_are_included(
    rootly: Driver, api: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shape, "RELATED_MAX", 2)
    ids = [await own(api), await own(api)]
    body = body_of(NewWorkflowRun, "workflow_runs", {})
    for id_ in ids:
        runs = [(await rootly(create_workflow_run, id_, body=body)).data.id for _ in range(3)]
        answer = await rootly(list_workflows, include="genius_workflow_runs")
        own_runs = [one for one in answer.included if one.attributes["workflow_id"] == id_]
        assert [one.id for one in own_runs] == runs[:0:-1]


async def test_runs_are_started_about_what_they_fit_and_listed_with_their_tasks(
    service_rootly: Driver, service_api: AsyncClient, paging: Paging
) -> None:
    del paging
    tasks = [{"task_params": PRINT}, {"name": "Again", "task_params": PRINT}]
    id_ = await own(service_api, trigger_params=INCIDENT.to_dict(), tasks=tasks)
    incident = {"data": {"type": "incidents", "attributes": {"title": "Disk full"}}}
    about = (await service_api.post("/v1/incidents", json=incident)).json()["data"]["id"]

    async def started(**attributes: Any) -> Any:
        body = body_of(NewWorkflowRun, "workflow_runs", attributes)
        return (await service_rootly(create_workflow_run, id_, body=body)).data

    run = await started(
        incident_id=about, immediate=True, check_conditions=True, context={"reason": "drill"}
    )
    known = run.attributes
    assert (known.workflow_id, known.triggered_by, known.incident_id) == (id_, "user", about)
    assert known.context.to_dict() == {"reason": "drill"}

    async def done() -> bool:
        (shown,) = (await service_rootly(list_workflow_runs, id_)).data
        return bool(shown.attributes.status == "completed" and shown.attributes.completed_at)

    await eventually(done)
    listed = await service_rootly(list_workflow_runs, id_, include="genius_task_runs")
    ran = [one.attributes.to_dict() for one in listed.included]
    assert [(one["name"], one["status"]) for one in ran] == [
        ("Print", "completed"),
        ("Again", "completed"),
    ]
    alone = (await service_api.get(f"/v1/workflow_runs/{run.id}?include=genius_task_runs")).json()
    assert [one["id"] for one in alone["included"]] == [one.id for one in listed.included]

    async def found(**filters: Any) -> list[str]:
        return [row.id for row in (await service_rootly(list_workflow_runs, id_, **filters)).data]

    assert await found(filtercreated_atgt=PAST, filtercreated_atgte=PAST) == [run.id]
    assert await found(filtercreated_atlt=PAST) == await found(filtercreated_atlte=PAST) == []
    assert await found(pagesize=1, pagenumber=2) == []


async def test_runs_that_rootly_refuses_are_refused_alike(rootly: Driver, api: AsyncClient) -> None:
    critical = {"incident_condition_severity": "IS", "incident_severities": ["critical"]}
    id_ = await own(api, trigger_params={"trigger_type": "incident", **critical})
    incident = {"data": {"type": "incidents", "attributes": {"title": "Disk full"}}}
    about = (await api.post("/v1/incidents", json=incident)).json()["data"]["id"]
    body = body_of(
        NewWorkflowRun, "workflow_runs", {"incident_id": about, "check_conditions": True}
    )
    (error,) = await rootly.refused(422, create_workflow_run, id_, body=body)
    assert error["detail"].startswith("Incident conditions are not satisfied")
    for name in ("post_mortem_id", "action_item_id", "pulse_id"):
        body = body_of(NewWorkflowRun, "workflow_runs", {name: about})
        (error,) = await rootly.refused(422, create_workflow_run, id_, body=body)
        assert error["source"]["pointer"] == f"/data/attributes/{name}"
    assert (await rootly(list_workflow_runs, id_)).data == []
