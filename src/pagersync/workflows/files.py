"""Workflows as files have them: one shape for what is read, what is kept and what is written. Pure.

A file says all there is to say of a workflow, which it knows by its slug: what is left out has its
default. Accounts are named, so that a file fits more than one installation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field, ValidationError

from pagersync.errors import InvalidError, wording
from pagersync.workflows.definition import WorkflowContent, problems_of, task_name
from pagersync.workflows.models import Workflow, WorkflowTask
from pagersync.workflows.trigger_params import parse_trigger_params, to_json
from pagersync.workflows.yaml_text import Parsed, read_yaml, write_yaml

HEADER: Final = "# Workflows of pagersync: `pagersync workflows apply FILE` makes them so.\n"
ALWAYS: Final = ("slug", "name", "enabled", "trigger_params", "tasks")
"""What is written even where it is the default."""

Content = dict[str, Any]
"""A workflow by the names of `FileWorkflow`, with every default in its place."""


class FileWorkflow(WorkflowContent):
    """A workflow in a file."""

    slug: str
    integration: str | None = Field(
        default=None, description="The name of the account that it is for; null for any."
    )


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """What a file says: the workflows in it, by slug, and where they stand."""

    contents: Mapping[str, Content]
    places: Mapping[str, str]


DEFAULTS: Final = FileWorkflow(slug="", name="").model_dump()
TASK_DEFAULTS: Final = {"enabled": True, "skip_on_failure": False}


def read_file(source: bytes) -> WorkflowFile:
    """Return what a file says.

    Raises:
        InvalidError: something in it cannot be right; the detail has a line for each problem.
    """
    parsed = read_yaml(source)
    raw = parsed.value
    entries = raw.get("workflows") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or raw.keys() != {"workflows"} or not isinstance(entries, list):
        raise InvalidError("it must have one key, `workflows`, with a list of workflows")
    read = [_read(entry, f"/workflows/{index}") for index, entry in enumerate(entries)]
    contents: dict[str, Content] = {}
    places: dict[str, str] = {}
    problems: list[InvalidError] = []
    for index, one in enumerate(read):
        pointer = f"/workflows/{index}"
        if isinstance(one, list):
            problems += one
        elif one["slug"] in contents:
            problems.append(_invalid(f"{pointer}/slug", f"{one['slug']!r} stands here twice"))
        else:
            contents[one["slug"]] = one
            places[one["slug"]] = parsed.place(pointer)
    if problems:
        raise InvalidError("\n".join(_line(parsed, problem) for problem in problems))
    return WorkflowFile(contents, places)


def write_file(contents: Sequence[Content]) -> str:
    """Return workflows as `read_file` reads them, without what is the default."""
    return HEADER + write_yaml({"workflows": [compact(content) for content in contents]})


def content_of(
    workflow: Workflow, tasks: Sequence[WorkflowTask], integration: str | None
) -> Content:
    """Return a saved workflow as a file would have it, but for the defaults.

    Args:
        workflow: the workflow.
        tasks: its tasks in their order.
        integration: the name of its account.
    """
    columns = {name: getattr(workflow, name) for name in DEFAULTS if hasattr(Workflow, name)}
    shown = [
        {name: getattr(task, name) for name in ("name", *TASK_DEFAULTS, "task_params")}
        for task in tasks
    ]
    return {**DEFAULTS, **columns, "integration": integration, "tasks": shown}


def compact(content: Content) -> Content:
    """Return a workflow without what is the default, in the order in which people read it."""
    first = ("slug", "name", "description", "integration")
    names = [*first, *(name for name in DEFAULTS if name not in first)]
    kept = {name: content[name] for name in names if name in ALWAYS or _is_set(content, name)}
    params = parse_trigger_params(content["trigger_params"])
    tasks = [
        {name: value for name, value in task.items() if TASK_DEFAULTS.get(name) != value}
        for task in content["tasks"]
    ]
    return kept | {
        "trigger_params": params.model_dump(mode="json", exclude_defaults=True),
        "tasks": tasks,
    }


def _is_set(content: Content, name: str) -> bool:
    return bool(content[name] != DEFAULTS[name])


def _read(entry: Any, pointer: str) -> Content | list[InvalidError]:
    """Return a workflow of a file, or everything that is wrong with it."""
    try:
        values = FileWorkflow.model_validate(entry).model_dump()
    except ValidationError as error:
        return list(_shape_problems(error, pointer))
    if problems := problems_of(values, pointer):
        return problems
    values["name"] = values["name"].strip()
    values["trigger_params"] = to_json(parse_trigger_params(values["trigger_params"]))
    values["tasks"] = [{**task, "name": task_name(task)} for task in values["tasks"]]
    return values


def _shape_problems(error: ValidationError, pointer: str) -> Iterator[InvalidError]:
    for problem in error.errors(include_url=False, include_input=False):
        where = "".join(f"/{step}" for step in problem["loc"])
        yield _invalid(f"{pointer}{where}", wording(problem))


def _invalid(pointer: str, detail: str) -> InvalidError:
    return InvalidError(f"{pointer.rpartition('/')[2]}: {detail}", pointer=pointer)


def _line(parsed: Parsed, problem: InvalidError) -> str:
    name, _, detail = problem.detail.partition(": ")
    pointer = problem.pointer or ""
    is_named = pointer.endswith(f"/{name}")
    return f"{parsed.place(pointer)}: {detail if is_named else problem.detail}"
