"""What people write to define a workflow, in the API and in files, and what is wrong with it. Pure.

Names are Rootly's.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from pydantic import Field

from pagersync.access.names import checked_name
from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.jsonapi import Attributes
from pagersync.pagertree.payloads import storable, storable_json
from pagersync.workflows.durations import REPEAT_EVERY, REPEAT_FOR, WAIT, Limits, duration_s
from pagersync.workflows.task_params import check_task_params
from pagersync.workflows.trigger_params import parse_trigger_params

ATTRIBUTES: Final = "/data/attributes"
TASKS_MAX: Final = 50
DESCRIPTION_CHARACTERS_MAX: Final = 10_000
TRIGGER_PARAMS_CHARACTERS_MAX: Final = 32_000
POSITION_MAX: Final = 1_000_000
RUNS_PER_MINUTE_MAX: Final = 10_000
REPEATS_MAX: Final = 10_000
SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
SLUG_CHARACTERS_MAX: Final = 100
NEEDS_INCIDENT: Final = ("update_status", "add_to_timeline")

Params = dict[str, Any]
TRIGGER_PARAMS: Final = {
    "trigger_type": "incident",
    "triggers": ["incident_created"],
    "incident_condition_severity": "IS",
    "incident_severities": ["critical"],
}
TASK_PARAMS: Final = {"task_type": "page_pagertree", "teams": [{"name": "SRE"}]}
"""Examples."""


class TaskContent(Attributes):
    """One task of a workflow."""

    name: str | None = Field(default=None, description="By default, after its `task_type`.")
    enabled: bool = True
    skip_on_failure: bool = Field(
        default=False, description="Whether the run goes on if this task fails."
    )
    task_params: Params = Field(
        description="`task_type` and the parameters of that task.", examples=[TASK_PARAMS]
    )


class WorkflowContent(Attributes):
    """What a workflow does, and when."""

    name: str = Field(examples=["Page SRE for what is critical"])
    description: str | None = None
    enabled: bool = True
    position: int = Field(default=0, description="Workflows are looked at in this order.")
    trigger_params: Params = Field(
        default_factory=lambda: {"trigger_type": "simple"},
        description="`trigger_type`, `triggers` and conditions. By default it is `simple`: started "
        "by hand only.",
        examples=[TRIGGER_PARAMS],
    )
    wait: str | None = Field(
        default=None,
        description="Between the event and the run; the conditions are looked at again then.",
        examples=["5 min"],
    )
    repeat_every_duration: str | None = Field(default=None, examples=["1h"])
    repeat_condition_duration_since_first_run: str | None = Field(
        default=None, description="No repetition later than this.", examples=["1 day"]
    )
    repeat_condition_number_of_repeats: int | None = Field(
        default=None, description="No more repetitions than this.", examples=[5]
    )
    continuously_repeat: bool = Field(
        default=False, description="Whether it goes on repeating while its conditions do not hold."
    )
    runs_per_minute_max: int = Field(
        default=60,
        description="Runs beyond it, started by events in one minute, begin in one of the next "
        "minutes. Those that page somebody never wait for longer than five.",
    )
    tasks: list[TaskContent] = Field(default_factory=list, description="In their order.")


Problems = Iterator[InvalidError]


def problems_of(
    values: Mapping[str, Any], pointer: str = ATTRIBUTES, trigger_type: str | None = None
) -> list[InvalidError]:
    """Return everything that is wrong with a workflow's values, those that are there.

    Args:
        values: of `WorkflowContent`, as JSON.
        pointer: where they stand.
        trigger_type: of the workflow, where the values do not say.
    """
    problems = [
        problem
        for name, value in values.items()
        if name in _CHECKS
        for problem in _CHECKS[name](value, f"{pointer}/{name}")
    ]
    kind = values.get("trigger_params", {}).get("trigger_type", trigger_type)
    for index, task in enumerate(values.get("tasks", ())):
        problems += misfits(kind, task, f"{pointer}/tasks/{index}")
    return problems


def misfits(
    trigger_type: str | None, task: Mapping[str, Any], pointer: str
) -> Iterator[InvalidError]:
    """Yield why a task can never do anything in a workflow of a kind."""
    task_type = task.get("task_params", {}).get("task_type")
    if trigger_type in ("alert", "account") and task_type in NEEDS_INCIDENT:
        yield InvalidError(
            f"{task_type} changes the incident that a run is about, and runs of a workflow for "
            f"{trigger_type}s are about an {trigger_type}",
            pointer=f"{pointer}/task_params/task_type",
        )


def task_name(task: Mapping[str, Any]) -> str:
    """Return the name of a task: its own, or one after what it does."""
    own: str | None = task.get("name")
    return own or str(task["task_params"]["task_type"]).replace("_", " ").capitalize()


def _name_problems(name: str, pointer: str) -> Problems:
    try:
        checked_name(name)
    except ValueError as error:
        yield _invalid(pointer, str(error))


def _slug_problems(slug: str | None, pointer: str) -> Problems:
    if slug is not None and not (SLUG.fullmatch(slug) and len(slug) <= SLUG_CHARACTERS_MAX):
        detail = (
            f"must be lower-case letters, digits and single dashes, {SLUG_CHARACTERS_MAX} at most"
        )
        yield _invalid(pointer, detail)


def _text_problems(text: str | None, pointer: str) -> Problems:
    if text is not None and len(text) > DESCRIPTION_CHARACTERS_MAX:
        detail = f"has {len(text)} characters: at most {DESCRIPTION_CHARACTERS_MAX}"
        yield _invalid(pointer, detail)
    if text is not None and text != storable(text):
        yield _invalid(pointer, "holds a NUL character or half a surrogate pair")


def _duration_problems(limits: Limits, text: str | None, pointer: str) -> Problems:
    try:
        if text is not None:
            duration_s(text, limits)
    except ValueError as error:
        yield _invalid(pointer, str(error))


def _number_problems(least: int, most: int, number: int | None, pointer: str) -> Problems:
    if number is not None and not least <= number <= most:
        yield _invalid(pointer, f"must be from {least} to {most}")


def _trigger_problems(params: Params, pointer: str) -> Problems:
    if len(json.dumps(params, default=str)) > TRIGGER_PARAMS_CHARACTERS_MAX:
        yield _invalid(pointer, f"is longer than {TRIGGER_PARAMS_CHARACTERS_MAX} characters")
        return
    try:
        parse_trigger_params(params, pointer)
    except ManyInvalidError as error:
        yield from error.problems


def _tasks_problems(tasks: Sequence[Mapping[str, Any]], pointer: str) -> Problems:
    if len(tasks) > TASKS_MAX:
        yield _invalid(pointer, f"has {len(tasks)} tasks: at most {TASKS_MAX}")
        return
    for index, task in enumerate(tasks):
        yield from task_problems(task, f"{pointer}/{index}")


def task_problems(task: Mapping[str, Any], pointer: str = ATTRIBUTES) -> Problems:
    """Yield everything that is wrong with one task's values, those that are there."""
    if task.get("name") is not None:
        yield from _name_problems(task["name"], f"{pointer}/name")
    if task.get("position") is not None:
        yield from _number_problems(0, POSITION_MAX, task["position"], f"{pointer}/position")
    if "task_params" not in task:
        return
    where, params = f"{pointer}/task_params", task["task_params"]
    if params != storable_json(params):
        detail = "holds a NUL character, half a surrogate pair or what is no number"
        yield _invalid(where, detail)
        return
    try:
        check_task_params(params, where)
    except ManyInvalidError as error:
        yield from error.problems
    except InvalidError as error:
        yield error


def _invalid(pointer: str, detail: str) -> InvalidError:
    return InvalidError(f"{pointer.rpartition('/')[2]}: {detail}", pointer=pointer)


_CHECKS: Final[Mapping[str, Callable[[Any, str], Problems]]] = MappingProxyType(
    {
        "name": _name_problems,
        "slug": _slug_problems,
        "description": _text_problems,
        "position": partial(_number_problems, 0, POSITION_MAX),
        "trigger_params": _trigger_problems,
        "wait": partial(_duration_problems, WAIT),
        "repeat_every_duration": partial(_duration_problems, REPEAT_EVERY),
        "repeat_condition_duration_since_first_run": partial(_duration_problems, REPEAT_FOR),
        "repeat_condition_number_of_repeats": partial(_number_problems, 1, REPEATS_MAX),
        "runs_per_minute_max": partial(_number_problems, 1, RUNS_PER_MINUTE_MAX),
        "tasks": _tasks_problems,
    }
)
