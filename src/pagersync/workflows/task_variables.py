"""What the templates of a task may say, for a run and for a preview of one."""

from typing import Any

from pagersync.settings import Settings
from pagersync.workflows.context import TaskContext
from pagersync.workflows.variables import EXAMPLE_VARIABLES, load_variables


async def variables_of(context: TaskContext, settings: Settings) -> dict[str, Any]:
    """Return the variables of a run: what it is about, its workflow, and its context."""
    about = await load_variables(
        context.session,
        incident_id=context.incident_id,
        alert_id=context.alert_id,
        page_id=context.page_id,
        public_url=settings.base_url,
    )
    return {**about, **_of_run(context)}


def example_variables(context: TaskContext) -> dict[str, Any]:
    """Return the variables of a run that is about an example."""
    return {**EXAMPLE_VARIABLES, **_of_run(context)}


def _of_run(context: TaskContext) -> dict[str, Any]:
    return {
        "workflow": {"id": str(context.workflow.id), "name": context.workflow.name},
        "context": context.run.context,
    }
