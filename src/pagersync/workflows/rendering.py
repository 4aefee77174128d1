"""What the templates of a task may say, and what is kept of them, in a run and in a preview."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar

from pydantic import BaseModel

from pagersync.database.caller import requester
from pagersync.errors import PagersyncError
from pagersync.fair import by_turns
from pagersync.integrations.vault import Vault
from pagersync.secrets.references import mark
from pagersync.secrets.sealing import open_params
from pagersync.settings import Settings
from pagersync.threads import RENDERING, RENDERING_THREADS, run_in
from pagersync.workflows import runs
from pagersync.workflows.context import TaskContext, TaskFailedError
from pagersync.workflows.http_calls import Call
from pagersync.workflows.http_task import HttpClientParams, without_secrets
from pagersync.workflows.task_texts import render_task
from pagersync.workflows.template_remarks import Remarks
from pagersync.workflows.variables import EXAMPLE_VARIABLES, load_variables

P = ParamSpec("P")
T = TypeVar("T")

_TURNS: Final = by_turns(RENDERING_THREADS, of_one=RENDERING_THREADS - 1)
"""One requester leaves a thread to others."""

LISTS: Final = re.compile(r"events|timeline|alerts|pages|\bincident\b(?!\.\w)")
"""What a template says that looks at the lists of an incident, or at the incident as a whole."""


async def variables_of(
    context: TaskContext, settings: Settings, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the templates in `params` may say: of what a run is about, and of itself.

    The lists of an incident are loaded only for templates that may look at them.
    """
    variables = await load_variables(
        context.session,
        incident_id=context.incident_id,
        alert_id=context.alert_id,
        page_id=context.page_id,
        public_url=settings.base_url,
        with_lists=LISTS.search(json.dumps(params)) is not None,
    )
    return variables | runs.about(context)


def example_variables(context: TaskContext) -> dict[str, Any]:
    """Return what the templates of a run that is about an example may say."""
    return {**EXAMPLE_VARIABLES, **runs.about(context)}


async def in_turn(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Return what a function returns that renders; requesters take turns at the threads."""
    async with _TURNS.turn(requester()):
        return await run_in(RENDERING, function, *args, **options)


async def render_call(
    context: TaskContext,
    vault: Vault | None,
    task_params: Mapping[str, Any],
    variables: Mapping[str, object],
) -> tuple[Call, dict[str, Any]]:
    """Return a call with its secrets, and its parameters as they may be kept on the run.

    Raises:
        SecretUnavailableError: one of its secrets cannot be had.
        PagersyncError: its parameters cannot be rendered, or cannot be right.
    """
    account = context.workflow.integration_id
    opened, secrets = await open_params(context.session, vault, task_params, account)
    remarks = Remarks(notes=context.notes, empty=context.empty)
    try:
        params, rendered = await in_turn(render_task, mark(opened), variables, remarks)
        params = params.model_copy(update=secrets.fill_written(params.model_dump()))
        shown = secrets.hide_in(shown_params(params, rendered))
    except PagersyncError as error:
        raise TaskFailedError(secrets.hide(error.detail)) from None
    finally:
        context.notes[:] = map(secrets.hide, context.notes)
        context.empty[:] = map(secrets.hide, context.empty)
    assert isinstance(params, HttpClientParams)  # noqa: S101 - so `render_task` makes of a call
    return Call(params, secrets), shown


def shown_params(params: BaseModel, rendered: dict[str, Any]) -> dict[str, Any]:
    """Return rendered parameters as people may see them.

    Raises:
        InvalidError: they cannot be right.
    """
    return without_secrets(params) if isinstance(params, HttpClientParams) else rendered
