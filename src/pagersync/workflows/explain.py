"""Why somebody was paged, or was not: the answer in words, and the tree that it is made of."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert
from pagersync.incidents.models import Incident
from pagersync.kept import history_note
from pagersync.paging.models import OperationKind, Page
from pagersync.paging.waiting import Waits
from pagersync.settings import Settings
from pagersync.workflows.trace import trace_alert, trace_incident, trace_page
from pagersync.workflows.trace_story import NODES_MAX, Key, Story, has_lost_causes, link
from pagersync.workflows.trace_summary import summarise, summarise_page
from pagersync.workflows.trace_tree import TraceNode, build_tree, count_nodes

UNLIMITED: Final = 1e9
"""A rate limit that nothing waits for."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why somebody was paged, or was not.

    Attributes:
        id: of the page, incident or alert that it is about.
        note: what is missing in the tree, if anything is.
        roots: what people and PagerTree did, and what that led to.
    """

    id: UUID
    summary: str
    note: str | None
    nodes: int
    roots: list[TraceNode]


async def explain_page(session: AsyncSession, page: Page, settings: Settings) -> Explanation:
    """Return why a page was asked for, and what became of it."""
    story = await trace_page(session, page)
    await _load_waits(session, story)
    causes = link(story)
    return _explanation(page, summarise_page(story, causes, page), story, causes, settings)


async def explain_incident(
    session: AsyncSession, incident: Incident, settings: Settings
) -> Explanation:
    """Return why somebody was paged for an incident, or why nobody was."""
    story = await trace_incident(session, incident)
    await _load_waits(session, story)
    causes = link(story)
    return _explanation(incident, summarise(story, causes), story, causes, settings)


async def explain_alert(session: AsyncSession, alert: Alert, settings: Settings) -> Explanation:
    """Return why somebody was paged about an alert, or why nobody was.

    PagerTree pages people about its own alerts by itself: this is about pagersync.
    """
    story = await trace_alert(session, alert)
    await _load_waits(session, story)
    causes = link(story)
    about = f"alert {alert.short_id}"
    return _explanation(alert, summarise(story, causes, about=about), story, causes, settings)


async def _load_waits(session: AsyncSession, story: Story) -> None:
    """Let a story know why pages wait; that they wait for their turn is not worth a word."""
    creates = [each for each in story.each("operation") if each.kind == OperationKind.CREATE_ALERT]
    story.waits = await Waits(UNLIMITED).of(session, creates)


def _explanation(
    subject: Page | Incident | Alert,
    summary: str,
    story: Story,
    causes: dict[Key, Key | None],
    settings: Settings,
) -> Explanation:
    roots = build_tree(story, causes)
    notes = []
    if story.is_cut:
        notes.append(f"More than {NODES_MAX} things belong here: some branches are missing.")
    elif story.left_out:
        notes.append("Some things are left out, where the tree says so.")
    if has_lost_causes(story):
        removed = history_note(subject.created_at, settings, datetime.now(UTC))
        notes += [removed] if removed else []
    return Explanation(subject.id, summary, " ".join(notes) or None, count_nodes(roots), roots)
