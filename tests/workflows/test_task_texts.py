"""Texts of tasks when they are executed: nobody goes unpaged because of one."""

from typing import Any
from uuid import UUID

import pytest

from pagersync.errors import ManyInvalidError
from pagersync.http import AsyncClient
from pagersync.workflows.task_texts import fit_params, render_task
from pagersync.workflows.template_remarks import TASK_CPU_S_MAX, Remarks
from pagersync.workflows.templates import TemplateError
from tests.paging.conftest import Paging
from tests.workflows.conftest import Flows

PAGE: dict[str, Any] = {"task_type": "page_pagertree"}
FAILS = "{{ 'soon' | date: '%Y' }}"
SLOW = "{% for i in (1..5000) %}" + "{{''}}" * 1_300 + "{% endfor %}"
VARIABLES: dict[str, Any] = {"incident": {"title": "Down", "summary": None, "labels": {}}}


def told(params: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    remarks = Remarks()
    _, rendered = render_task(params, VARIABLES, remarks)
    return rendered, remarks.notes


@pytest.mark.parametrize(
    ("params", "name", "value", "note"),
    [
        ({"title": f"x {FAILS}"}, "title", "", "title failed: line 1, column 15"),
        ({"description": f"x {FAILS} y"}, "description", "x ", "description ends where it failed"),
        ({"description": SLOW}, "description", "", "takes longer than 0.5 s"),
        ({"integration": FAILS}, "integration", None, "integration failed and was left out"),
        ({"tags": ["a", FAILS]}, "tags", ["a"], "one of tags was left out, it failed"),
        ({"teams": [{"name": FAILS}, {"name": "SRE"}]}, "teams", [{"name": "SRE"}], "one of teams"),
        ({"tags": ["t"] * 30}, "tags", ["t"] * 20, "tags has 30 entries: the first 20 are kept"),
        ({"integration": "i" * 2_001}, "integration", "i" * 1_999 + "…", "integration was cut"),
        ({"urgency": "urgent"}, "urgency", None, "urgency was left out: Input should be 'auto'"),
        ({"severity": ""}, "severity", None, "severity was left out"),
        ({"teams": [{"name": 5}, {"name": "SRE"}]}, "teams", [{"name": "SRE"}], "teams/0/name was"),
        (
            {"fallback": {"teams": [{"nam": "x"}]}},
            "fallback",
            {"teams": []},
            "fallback/teams/0/nam",
        ),
    ],
)
def test_what_does_not_fit_a_task_is_cut_or_left_out_and_named(
    params: dict[str, Any], name: str, value: object, note: str
) -> None:
    rendered, notes = told({**PAGE, **params})
    assert rendered.get(name) == value
    (said,) = notes
    assert note in said


def test_many_slow_texts_end_together_and_the_title_behind_them_is_kept() -> None:
    remarks = Remarks()
    params = {"tags": [SLOW] * 10, "description": SLOW, "title": "{{ incident.title }} now"}
    _, rendered = render_task({**PAGE, **params}, VARIABLES, remarks)
    assert rendered["title"] == "Down now"
    assert remarks.cpu_s_left > -TASK_CPU_S_MAX


def test_a_title_that_fails_where_there_is_no_other_is_what_was_rendered() -> None:
    remarks = Remarks()
    _, rendered = render_task({**PAGE, "title": f"Disk {FAILS}"}, {}, remarks)
    assert rendered["title"] == "Disk "


@pytest.mark.parametrize("source", [FAILS, "{{ incident.labels.alert }}"])
def test_which_alert_is_meant_is_never_guessed(source: str) -> None:
    with pytest.raises(TemplateError, match=r"^pagertree_alert_id: "):
        told({"task_type": "resolve_pagertree_alert", "pagertree_alert_id": source})


def test_what_a_task_cannot_do_without_is_still_an_error() -> None:
    with pytest.raises(ManyInvalidError):
        fit_params({"task_type": "update_status", "status": "lost"}, [])
    with pytest.raises(ManyInvalidError):
        fit_params({"task_type": "create_incident"}, [])


@pytest.mark.parametrize(
    ("task", "title", "notes"),
    [
        (
            {"title": f"x {FAILS}", "description": f"{{{{ incident.title }}}}! {FAILS}"},
            "Checkout is down",
            {"title failed", "description", "title is empty"},
        ),
        ({"title": "{{ incident.summary }}"}, "Checkout is down", {"title is empty"}),
        ({"title": "t" * 700}, "t" * 499 + "…", {"title was cut from 700"}),
        (
            {"tags": ["pagersync:x", "a\tb", "ok", "z" * 120]},
            "Checkout is down",
            {"tags that begin with pagersync:", "tag 1", "tag 3 was cut"},
        ),
    ],
)
async def test_somebody_is_paged_whatever_the_texts_and_the_page_says_what_was_done(
    flows: Flows,
    paging: Paging,
    team: dict[str, str],
    task: dict[str, Any],
    title: str,
    notes: set[str],
) -> None:
    workflow_id = await flows.add({**PAGE, "teams": [team], **task})
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed", run.status_message
    (page,) = await flows.pages(incident_id)
    await paging.reaches(page.id, "confirmed")
    assert page.title == title
    assert len(page.notes) == len(notes)
    assert all(any(said.startswith(note) for said in page.notes) for note in notes)
    (done,) = await flows.tasks(run)
    assert set(page.notes) <= set(done.notes)
    assert any(page.notes[0] in event for event in await flows.timeline(incident_id))


async def test_a_run_about_nothing_pages_by_the_name_of_its_workflow(
    flows: Flows, paging: Paging, service_api: AsyncClient, team: dict[str, str]
) -> None:
    workflow_id = await flows.add(
        {**PAGE, "teams": [team], "title": "{{ context.what }}"},
        trigger_type="simple",
        triggers=(),
        name="Drill",
    )
    body = {"data": {"type": "workflow_runs", "attributes": {}}}
    answer = await service_api.post(f"/v1/workflows/{workflow_id}/workflow_runs", json=body)
    assert answer.status_code == 201, answer.text
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed", run.status_message
    (page,) = await flows.pages()
    assert page.title == "Drill"
    assert page.notes == ["title is empty: the workflow's name is used instead"]
    await paging.reaches(page.id, "confirmed")


async def test_a_text_before_a_page_keeps_nobody_from_being_paged(
    flows: Flows, paging: Paging, team: dict[str, str]
) -> None:
    del paging
    workflow_id = await flows.add(
        {"task_type": "add_to_timeline", "event": "{{ incident.summary }}"},
        {"task_type": "update_pagertree_alert", "title": FAILS},
        {"task_type": "print", "message": FAILS},
        {**PAGE, "teams": [team]},
    )
    incident_id = await flows.declare()
    (run,) = await flows.ran(workflow_id)
    assert run.status == "completed", run.status_message
    assert len(await flows.pages(incident_id)) == 1


async def test_an_incident_is_declared_whatever_its_title(flows: Flows, paging: Paging) -> None:
    del paging
    workflow_id = await flows.add(
        {"task_type": "create_incident", "title": FAILS, "summary": f"So: {FAILS}"},
        triggers=["status_updated"],
    )
    await flows.move(await flows.declare(title="First"), "mitigated")
    (run,) = await flows.ran(workflow_id)
    (made,) = await flows.tasks(run)
    assert isinstance(made.incident_id, UUID)
    incident = await flows.incident(made.incident_id)
    assert (incident.title, incident.summary) == ("First", "So: ")
    assert len(made.notes) == 3
    told = (await flows.timeline(incident.id))[0]
    assert all(note in told for note in made.notes)
