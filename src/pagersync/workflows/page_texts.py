"""What a task's page says where the task itself says nothing that can be shown."""

from collections.abc import Sequence

from sqlalchemy import select

from pagersync.incidents.models import Incident
from pagersync.paging.models import MARKER_PREFIX, Page
from pagersync.paging.requests import is_mark
from pagersync.workflows.context import TaskContext


async def title_of(context: TaskContext, said: str | None) -> str:
    """Return the title that a task says, or that of what its run is about, or the workflow's name.

    A page always has a title: nobody goes unpaged for want of one.
    """
    if said and said.strip():
        return said.strip()
    what, title = await _subject(context)
    if said is not None:
        context.notes.append(f"title is empty: {what} is used instead")
    return title


async def _subject(context: TaskContext) -> tuple[str, str]:
    """Return what a run is about, for people, and its title."""
    session = context.session
    if context.incident_id is not None:
        incident = await session.get(Incident, context.incident_id)
        if incident is not None and incident.title.strip():
            return "the incident's title", incident.title.strip()
    if (alert := await context.alert()) and alert.summary.strip():
        return "the alert's summary", alert.summary.strip()
    if context.page_id is not None:
        title = await session.scalar(select(Page.title).where(Page.id == context.page_id))
        if title and title.strip():
            return "the page's title", title.strip()
    event = context.event
    if event is not None and event["subject_type"] == "integration":
        broken = event["data"]
        return "what is broken", f"{broken['where']}: {broken['detail']}"
    return "the workflow's name", context.workflow.name


def without_marks(tags: Sequence[str], notes: list[str]) -> list[str]:
    """Return tags without those that look like the marks by which pages are found again."""
    kept = [tag for tag in tags if not is_mark(tag)]
    if len(kept) < len(tags):
        notes.append(f"tags that begin with {MARKER_PREFIX} were left out: marks do")
    return kept
