"""What the templates of a task may say, and what is kept of them, in a run and in a preview."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from pagersync.settings import Settings
from pagersync.workflows import runs
from pagersync.workflows.context import TaskContext
from pagersync.workflows.http_task import HttpClientParams, without_secrets
from pagersync.workflows.variables import EXAMPLE_VARIABLES, load_variables

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
    return variables | await runs.about(context)


async def example_variables(context: TaskContext) -> dict[str, Any]:
    """Return what the templates of a run that is about an example may say."""
    return {**EXAMPLE_VARIABLES, **await runs.about(context)}


def shown_params(params: BaseModel, rendered: dict[str, Any]) -> dict[str, Any]:
    """Return rendered parameters as people may see them.

    Raises:
        InvalidError: they cannot be right.
    """
    return without_secrets(params) if isinstance(params, HttpClientParams) else rendered
