"""The part of a preview that computes, and the look at templates that are to be saved. Pure.

It is done in a process of its own (`costly.py`): what is given and returned is pickled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from pagersync.errors import InvalidError, PagersyncError
from pagersync.workflows.conditions import Subject, conditions_of
from pagersync.workflows.task_texts import render_task
from pagersync.workflows.template_remarks import Remarks
from pagersync.workflows.templates import check_template

NOT_RENDERED: Final = (
    "not rendered: the preview took longer than {cpu_s:g} s. Preview fewer tasks, or shorter ones"
)
NOT_JUDGED: Final = "not looked at: the preview took longer than {cpu_s:g} s"


@dataclass(frozen=True, slots=True)
class Judged:
    """The conditions in words, and the first that does not hold."""

    conditions: list[str]
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class RenderedTask:
    """A task as it would be executed, or why it could not be."""

    params: BaseModel | None = None
    rendered: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def look(
    trigger_params: Mapping[str, Any],
    subject: Subject | None,
    now: datetime,
    tasks: Sequence[Mapping[str, Any]],
    variables: Mapping[str, object],
) -> Iterator[Judged | RenderedTask]:
    """Yield what the conditions say, and then each task as it would be executed."""
    conditions = conditions_of(trigger_params)
    failed = conditions.first_failed(subject, now) if subject is not None else None
    yield Judged(conditions.describe(), failed)
    for task_params in tasks:
        yield _render(task_params, variables)


def _render(task_params: Mapping[str, Any], variables: Mapping[str, object]) -> RenderedTask:
    remarks = Remarks()
    try:
        params, rendered = render_task(task_params, variables, remarks)
    except PagersyncError as error:
        return RenderedTask(error=error.detail, notes=remarks.notes, empty=remarks.empty)
    return RenderedTask(params, rendered, notes=remarks.notes, empty=remarks.empty)


def check_all(texts: Sequence[str]) -> Iterator[str | None]:
    """Yield for each text what is wrong with it as a template; None if nothing is."""
    for text in texts:
        try:
            check_template(text, "")
        except InvalidError as error:
            yield error.detail
        else:
            yield None
