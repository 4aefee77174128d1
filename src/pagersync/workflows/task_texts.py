"""A task's parameters when it is executed: rendered, and made to fit. Pure.

When a workflow is saved, its author is told what is wrong. When it is executed, nobody is there to
mend it, and people wait to be paged: what cannot be rendered, or does not fit, is cut, replaced or
left out, with a note that names the parameter and the reason. Not so the task `http_client`: half
a request is not what was meant to be sent.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pagersync.errors import wording
from pagersync.fitting import fit
from pagersync.workflows.task_params import PARAMS, parse_task_params
from pagersync.workflows.template_remarks import Remarks
from pagersync.workflows.templates import TemplateError, render, render_params

EXACT: Final = frozenset({"http_client"})
"""Tasks that are executed exactly as they are meant, or not at all."""

NAMES_ONE: Final = frozenset({"task_type", "status", "pagertree_alert_id"})
"""Parameters that say what a task acts on: without them it would act on something else."""

TEXTS: Final = frozenset({"title", "description", "summary", "event", "message"})
"""Parameters of which a part is better than nothing."""

SUBJECTS: Final = ("incident", "alert", "page")
MENDS_MAX: Final = 200
"""So many values of one task are cut or left out, one at a time."""


def render_task(
    task_params: Mapping[str, Any], variables: Mapping[str, object], remarks: Remarks
) -> tuple[BaseModel, dict[str, Any]]:
    """Return a task's parameters with its templates filled in, checked and as JSON.

    Args:
        task_params: as the workflow has them.
        variables: what the templates can say.
        remarks: gets what was cut, replaced, left out or empty.

    Raises:
        TemplateError: a parameter that cannot be replaced could not be rendered.
        ManyInvalidError: values that cannot be right and cannot be left out.
    """
    if task_params.get("task_type") in EXACT:
        remarks.cuts = False
        rendered = render_params(task_params, variables, remarks)
        return parse_task_params(rendered, ""), rendered
    rendered = {}
    for name, value in task_params.items():
        if (text := _render(name, value, variables, remarks)) is not None:
            rendered[name] = text
    return fit_params(rendered, remarks.notes), rendered


def fit_params(rendered: dict[str, Any], notes: list[str]) -> BaseModel:
    """Return rendered parameters, checked; what does not fit is cut or left out in place.

    Raises:
        ManyInvalidError: values that cannot be right and cannot be left out.
    """
    model = PARAMS.get(str(rendered.get("task_type")))
    for _ in range(MENDS_MAX if model else 0):
        try:
            return model.model_validate(rendered)  # type: ignore[union-attr] # there is one
        except ValidationError as error:
            if not _mend(rendered, error.errors(include_url=False)[0], notes):
                break
    return parse_task_params(rendered, "")


def _render(name: str, value: Any, variables: Mapping[str, object], remarks: Remarks) -> Any:
    if isinstance(value, str):
        return _render_text(name, value, variables, remarks)
    if isinstance(value, Mapping):
        below = {key: _render(str(key), each, variables, remarks) for key, each in value.items()}
        return {key: each for key, each in below.items() if each is not None}
    if not isinstance(value, list | tuple):
        return value
    kept = []
    for item in value:
        try:
            kept.append(render_params(item, variables, remarks))
        except TemplateError as error:
            remarks.notes.append(f"one of {name} was left out, it failed: {error.detail}")
    return kept


def _render_text(
    name: str, value: str, variables: Mapping[str, object], remarks: Remarks
) -> str | None:
    try:
        text = render(value, variables, remarks)
    except TemplateError as error:
        if name in NAMES_ONE:
            raise TemplateError(f"{name}: {error.detail}", pointer=f"/{name}") from error
        return _instead(name, error, variables, remarks)
    if name == "pagertree_alert_id" and value.strip() and not text.strip():
        raise TemplateError(
            f"{name}: the template is empty, so it is not known which alert is meant",
            pointer=f"/{name}",
        )
    return text


def _instead(
    name: str, error: TemplateError, variables: Mapping[str, object], remarks: Remarks
) -> str | None:
    """Return what stands in for a text that could not be rendered, and note it."""
    has_subject = any(variables.get(each) for each in SUBJECTS)
    if name == "title" and has_subject:
        remarks.notes.append(f"title failed: {error.detail}")
        return ""  # the task takes the title of what it is about
    if name in TEXTS:
        remarks.notes.append(f"{name} ends where it failed: {error.detail}")
        return error.so_far
    remarks.notes.append(f"{name} failed and was left out: {error.detail}")
    return None


def _mend(rendered: dict[str, Any], problem: ErrorDetails, notes: list[str]) -> bool:
    """Make one value fit, or leave it out; tell whether that could be done."""
    where = problem["loc"]
    if not where or where[0] in NAMES_ONE or problem["type"] == "missing":
        return False
    name = "/".join(str(step) for step in where)
    if problem["type"] == "string_too_long":
        _parent(rendered, where)[where[-1]] = fit(
            name, problem["input"], problem["ctx"]["max_length"], notes
        )
    elif problem["type"] == "too_long":
        most = problem["ctx"]["max_length"]
        notes.append(f"{name} has {len(problem['input'])} entries: the first {most} are kept")
        _parent(rendered, where)[where[-1]] = list(problem["input"])[:most]
    else:
        _leave_out(rendered, where)
        notes.append(f"{name} was left out: {wording(problem)}, got {problem['input']!r:.100}")
    return True


def _leave_out(rendered: dict[str, Any], where: tuple[int | str, ...]) -> None:
    """Remove the innermost item of a list that a problem is in, else the whole parameter."""
    positions = [index for index, step in enumerate(where) if isinstance(step, int)]
    if not positions:
        rendered.pop(str(where[0]), None)
        return
    items = _parent(rendered, where[: positions[-1] + 1])
    position = where[positions[-1]]
    if isinstance(items, list) and isinstance(position, int) and position < len(items):
        del items[position]


def _parent(rendered: dict[str, Any], where: tuple[int | str, ...]) -> Any:
    found: Any = rendered
    for step in where[:-1]:
        found = found[step]
    return found
