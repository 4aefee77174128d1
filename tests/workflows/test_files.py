"""Workflows as YAML: read, refused with the line, planned, applied, written."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from pagersync.database.engine import Sessions
from pagersync.errors import ConflictError, InvalidError
from pagersync.events.triggers import TRIGGERS
from pagersync.integrations import service as integrations
from pagersync.settings import Settings
from pagersync.workflows import service
from pagersync.workflows.apply import Plan, apply_plan, export, make_plan
from pagersync.workflows.connect import connect_integration
from pagersync.workflows.files import compact, read_file, write_file
from pagersync.workflows.preview import Previewed
from pagersync.workflows.task_params import PARAMS
from pagersync.workflows.yaml_text import read_yaml, write_yaml
from tests.workflows.looking import preview_here

ROOT = Path(__file__).parents[2]

BOTH = """
workflows:
  - slug: page-sre
    name: Page SRE
    description: |
      For what is critical.
      At night, too.
    integration: acme
    position: 3
    trigger_params:
      trigger_type: incident
      triggers: [incident_created]
      incident_condition_severity: IS
      incident_severities: [critical]
    wait: 5 min
    tasks:
      - name: Page
        task_params:
          task_type: page_pagertree
          title: "{{ incident.title }}"
          teams: [{name: SRE}]
      - task_params: {task_type: print, message: paged}
        skip_on_failure: true
  - slug: by-hand
    name: By hand
    enabled: false
"""


async def planned(sessions: Sessions, text: str, **options: Any) -> Plan:
    async with sessions() as session:
        return await make_plan(session, read_file(text.encode()), **options)


async def applied(sessions: Sessions, text: str, **options: Any) -> list[str]:
    """Apply a file; return its plan in words."""
    async with sessions.begin() as session:
        plan = await make_plan(session, read_file(text.encode()), **options, lock=True)
        await apply_plan(session, plan, plan, requested_by="a test")
    return list(plan.lines())


async def exported(sessions: Sessions) -> str:
    async with sessions() as session:
        return write_file(await export(session))


@pytest.fixture
async def acme(sessions: Sessions) -> None:
    """Connect an account, without its default workflows."""
    async with sessions.begin() as session:
        await integrations.add_integration(session, name="acme")


@pytest.mark.usefixtures("acme")
async def test_a_file_is_applied_once_and_then_there_is_nothing_to_do(sessions: Sessions) -> None:
    assert await applied(sessions, BOTH) == [
        "+ create     page-sre",
        "+ create     by-hand",
        "2 to create.",
    ]
    async with sessions() as session:
        workflow = await service.get_workflow(session, "page-sre")
        tasks = (await service.list_tasks(session, [workflow.id]))[workflow.id]
    assert workflow.description == "For what is critical.\nAt night, too.\n"
    assert (workflow.wait, workflow.position, workflow.version) == ("5 min", 3, 1)
    assert workflow.triggers == ["incident_created"]
    assert [(task.name, task.skip_on_failure) for task in tasks] == [
        ("Page", False),
        ("Print", True),
    ]
    assert await applied(sessions, BOTH) == [
        "= unchanged  page-sre",
        "= unchanged  by-hand",
        "Nothing to do.",
    ]
    async with sessions() as session:
        assert (await service.get_workflow(session, "page-sre")).version == 1


@pytest.mark.usefixtures("acme")
async def test_a_plan_says_what_changes_from_what_to_what(sessions: Sessions) -> None:
    await applied(sessions, BOTH)
    changed = (
        BOTH.replace("wait: 5 min\n", "wait: 1 h\n")
        .replace("[critical]", "[critical, high]")
        .replace("message: paged", "message: said")
        .replace("    enabled: false\n", "")
    )
    assert list((await planned(sessions, changed)).lines()) == [
        "~ change     page-sre",
        '      trigger_params/incident_severities: ["critical"] -> ["critical", "high"]',
        '      wait: "5 min" -> "1 h"',
        '      tasks/1/task_params/message: "paged" -> "said"',
        "~ change     by-hand",
        "      enabled: false -> true",
        "2 to change.",
    ]
    await applied(sessions, changed)
    assert (await planned(sessions, changed)).is_empty
    fewer = changed.replace("      - task_params: {task_type: print, message: said}\n", "").replace(
        "        skip_on_failure: true\n", ""
    )
    (_, line, *_) = (await planned(sessions, fewer)).lines()
    assert line.strip().startswith("tasks/1: {")
    assert line.endswith("-> null")


@pytest.mark.usefixtures("acme")
async def test_what_is_written_is_what_is_there(sessions: Sessions) -> None:
    await applied(sessions, BOTH)
    text = await exported(sessions)
    assert (await planned(sessions, text)).is_empty
    assert "description: |\n" in text
    assert "incident_condition_status" not in text, "what is the default needs no line"
    assert await exported(sessions) == text


async def test_default_workflows_are_written_and_never_pruned_unless_they_are_named(
    sessions: Sessions,
) -> None:
    async with sessions.begin() as session:
        await connect_integration(
            session, requested_by="a test", default_workflows=True, name="acme"
        )
    await applied(sessions, BOTH)
    text = await exported(sessions)
    assert (await planned(sessions, text, prune=True)).is_empty
    first, *others = [slug for slug in read_file(text.encode()).contents if "acme" in slug]

    only = "workflows:\n  - {slug: by-hand, name: By hand, enabled: false}\n"
    assert [*(await planned(sessions, only)).lines()][-1] == "Nothing to do."
    assert await applied(sessions, only, prune=True) == [
        "= unchanged  by-hand",
        "- remove     page-sre",
        "1 to remove.",
    ]
    await applied(sessions, only, prune_defaults=[first])
    left = read_file((await exported(sessions)).encode()).contents
    assert set(left) == {*others, "by-hand"}
    with pytest.raises(InvalidError, match="no such workflow"):
        await planned(sessions, only, prune_defaults=[first])


async def test_a_workflow_of_an_account_that_was_removed_is_written_as_it_is(
    sessions: Sessions,
) -> None:
    async with sessions.begin() as session:
        new = await integrations.add_integration(session, name="acme")
    await applied(sessions, BOTH)
    async with sessions.begin() as session:
        await integrations.remove_integration(session, new.integration.id)
    text = await exported(sessions)
    assert "integration: acme (removed)" in text
    assert (await planned(sessions, text)).is_empty
    with pytest.raises(InvalidError, match="line 3, workflows/0: there is no integration 'acme'"):
        await planned(sessions, BOTH)


@pytest.mark.usefixtures("acme")
async def test_a_file_is_applied_as_a_whole_or_not_at_all(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WORKFLOWS_MAX", 1)
    with pytest.raises(ConflictError):
        await applied(sessions, BOTH)
    assert (await exported(sessions)).endswith("workflows: []\n")


@pytest.mark.usefixtures("acme")
async def test_nothing_is_applied_that_nobody_has_seen(sessions: Sessions) -> None:
    await applied(sessions, BOTH)
    file = read_file(BOTH.replace("5 min", "1 h").encode())
    async with sessions() as session:
        seen = await make_plan(session, file)
    await applied(sessions, BOTH.replace("5 min", "2 h"))
    async with sessions.begin() as session:
        again = await make_plan(session, file, lock=True)
        with pytest.raises(ConflictError, match="meanwhile"):
            await apply_plan(session, seen, again, requested_by="a test")


def test_everything_that_is_wrong_in_a_file_is_said_with_its_line() -> None:
    text = """workflows:
  - slug: a
    name: A
    wait: soon
    tasks:
      - task_params: {task_type: print}
      - task_params:
          task_type: print
          message: "{{ incident.title"
  - slug: a
    nme: A
    enabled: 5
  - slug: a
    name: A
  - slug: a
    name: A
"""
    with pytest.raises(InvalidError) as caught:
        read_file(text.encode())
    lines = caught.value.detail.split("\n")
    assert [line.partition(": ")[0] for line in lines] == [
        "line 4, workflows/0/wait",
        "line 6, workflows/0/tasks/0/task_params/message",
        "line 9, workflows/0/tasks/1/task_params/message",
        "line 10, workflows/1/name",
        "line 12, workflows/1/enabled",
        "line 11, workflows/1/nme",
        "line 15, workflows/3/slug",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "one key, `workflows`"),
        ("workflows: 5", "with a list"),
        ("workflows: []\nversion: 1", "one key"),
        ("workflows: [}", "line 1"),
        ("workflows: []\nworkflows: []", "line 2: 'workflows' stands here twice"),
        ("workflows: &a [*a]", "line 1: aliases are not read"),
        ("workflows: [{1: 2}]", "keys are texts"),
        ("workflows: [{<<: {a: b}}]", "keys are texts"),
        ("workflows: !!python/object/apply:os.getcwd []", "python/object"),
        ("[" * 60, "nested"),
        ("workflows: []\n---\nworkflows: []", "line 2"),
        ("workflows: [{slug: a, name: 2024-01-01, description: on}]", "description"),
        ("\x00", "special characters"),
        ("#" * 1_100_000, "bytes"),
    ],
)
def test_what_is_no_file_of_workflows_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidError, match=reason):
        read_file(text.encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
@example({"\x85": "a\u2028b", "c": "d\n e\n"})
@hypothesis(deadline=None, max_examples=300)
def test_any_json_is_read_as_it_was_written(value: Any) -> None:
    assert read_yaml(write_yaml(value).encode()).value == value


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00{}%"), max_size=30)
NAME = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="{}%"), min_size=1)
TASK = st.fixed_dictionaries(
    {
        "task_params": st.fixed_dictionaries({"task_type": st.just("print"), "message": TEXT})
        | st.fixed_dictionaries(
            {"task_type": st.just("page_pagertree"), "title": TEXT},
            optional={
                "teams": st.lists(st.fixed_dictionaries({"name": NAME}), max_size=2),
                "urgency": st.sampled_from(["auto", "high"]),
                "incident": st.booleans(),
            },
        )
    },
    optional={"name": NAME, "enabled": st.booleans(), "skip_on_failure": st.booleans()},
)
WORKFLOW = st.fixed_dictionaries(
    {"slug": st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,9})?", fullmatch=True), "name": NAME},
    optional={
        "description": TEXT,
        "enabled": st.booleans(),
        "position": st.integers(0, 1000),
        "wait": st.sampled_from(["5 min", "1h"]),
        "repeat_every_duration": st.just("1 day"),
        "repeat_condition_number_of_repeats": st.integers(1, 9),
        "trigger_params": st.sampled_from(
            [
                {"trigger_type": "simple"},
                {
                    "trigger_type": "alert",
                    "triggers": ["alert_created"],
                    "alert_condition": "ANY",
                    "alert_condition_urgency": "IS",
                    "alert_urgencies": ["high"],
                },
            ]
        ),
        "tasks": st.lists(TASK, max_size=3),
    },
)


@given(st.lists(WORKFLOW, max_size=3, unique_by=lambda each: each["slug"]))
@hypothesis(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
def test_any_file_is_written_as_it_was_read(workflows: list[dict[str, Any]]) -> None:
    first = read_file(write_yaml({"workflows": workflows}).encode()).contents
    again = read_file(write_file(list(first.values())).encode()).contents
    assert again == first
    assert list(again) == list(first)
    for content in first.values():
        assert compact(content).keys() >= {"slug", "name", "enabled"}


@pytest.mark.usefixtures("acme")
async def test_the_example_in_the_docs_applies_and_says_what_it_seems_to(
    sessions: Sessions, settings: Settings
) -> None:
    docs = (ROOT / "docs" / "workflows.md").read_text()
    text, *_ = re.findall(r"```yaml\n(.*?)```", docs, re.DOTALL)
    assert (await applied(sessions, text))[-1] == "4 to create."
    assert (await planned(sessions, text)).is_empty
    async with sessions() as session:
        workflows = await service.list_workflows(session)
        tasks = await service.list_tasks(session, [each.id for each in workflows])
        for workflow in workflows:
            own = tasks[workflow.id]
            asked = Previewed(workflow=workflow, tasks=own, about=None, context={})
            for task in (await preview_here(session, settings, asked)).tasks:
                assert task.rendered_params, task.error


def test_the_docs_name_every_trigger_and_every_task() -> None:
    docs = (ROOT / "docs" / "workflows.md").read_text()
    for name in (*PARAMS, *itertools.chain(*TRIGGERS.values())):
        assert f"`{name}`" in docs, name
