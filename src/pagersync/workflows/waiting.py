"""What a page says of others that wait behind their workflow's limit: they are named at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Text, cast, func, literal, select

from pagersync.alerts.models import Alert
from pagersync.fitting import cut
from pagersync.incidents.models import Incident
from pagersync.paging.requests import DESCRIPTION_CHARACTERS_MAX, TITLE_CHARACTERS_MAX
from pagersync.paging.service import NewPage
from pagersync.workflows.context import TaskContext
from pagersync.workflows.models import WorkflowRun

NAMED_MAX: Final = 20
NAME_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """Runs that wait: how many, and what the first of them are about."""

    runs: int
    names: Sequence[str]


async def name_waiting(context: TaskContext, new: NewPage) -> NewPage:
    """Return a page that names what waits behind its workflow's limit.

    Only runs that went over the limit ask: all others cost nothing.
    """
    if not context.run.is_over_limit:
        return new
    waiting = await _find(context)
    return with_waiting(new, waiting) if waiting.runs else new


def with_waiting(new: NewPage, waiting: Waiting) -> NewPage:
    """Return a page that names what waits; its own texts are cut where that takes their room."""
    more = f" (and {waiting.runs} more)"
    unnamed = waiting.runs - len(waiting.names)
    names = [*waiting.names, *([f"and {unnamed} more"] if unnamed > 0 else [])]
    said = (
        f"{waiting.runs} more wait to be paged, over the workflow's limit a minute: "
        f"{'; '.join(names)}. `pagersync incidents list` shows all incidents."
    )
    description = f"{said}\n\n{new.description}" if new.description else said
    return replace(
        new,
        title=f"{cut(new.title, TITLE_CHARACTERS_MAX - len(more))}{more}",
        description=cut(description, DESCRIPTION_CHARACTERS_MAX),
    )


async def _find(context: TaskContext) -> Waiting:
    is_behind = (
        WorkflowRun.workflow_id == context.run.workflow_id,
        WorkflowRun.requester == context.run.requester,  # others have a limit of their own
        WorkflowRun.is_over_limit,
        WorkflowRun.state == "queued",
        WorkflowRun.run_at > func.now(),  # the others page now, by themselves
        WorkflowRun.id != context.run.id,
    )
    incident = literal("incident ") + cast(Incident.number, Text) + ": " + Incident.title
    alert = literal("alert ") + Alert.short_id + ": " + Alert.summary
    statement = (
        select(func.coalesce(incident, alert), func.count().over())
        .select_from(WorkflowRun)
        .outerjoin(Incident, Incident.id == WorkflowRun.incident_id)
        .outerjoin(Alert, Alert.id == WorkflowRun.alert_id)
        .where(*is_behind)
        .order_by(WorkflowRun.id)
        .limit(NAMED_MAX)
    )
    rows = (await context.session.execute(statement)).all()
    names = [cut(name, NAME_CHARACTERS_MAX) for name, _ in rows if name]
    return Waiting(rows[0][1] if rows else 0, names)
