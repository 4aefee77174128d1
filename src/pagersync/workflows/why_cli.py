"""`pagersync why page|alert|incident ID`: why somebody was paged, or was not, in a terminal."""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from pagersync.command import Context, run
from pagersync.said import say

if TYPE_CHECKING:
    from pagersync.workflows.explain import Explanation
    from pagersync.workflows.trace_tree import TraceNode

COLUMNS_MAX: Final = 100
INDENT_MAX: Final = 36
SAID_BY_TITLE: Final = frozenset({"done", "completed", "not_matched", "off", "removed"})
"""Statuses that say nothing beyond the sentence."""


def why(
    kind: Annotated[Literal["page", "alert", "incident"], typer.Argument(help="What it is about.")],
    reference: Annotated[
        str,
        typer.Argument(metavar="ID", help="A UUID; an incident's number; an alert's short id."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say why somebody was paged, or why nobody was, and show what led to what."""

    async def action(context: Context) -> "Explanation":
        return await _explain(context, kind, reference)

    explained = run(action)
    say(_as_json(explained) if as_json else "\n".join(lines_of(explained)))


async def _explain(context: Context, kind: str, reference: str) -> "Explanation":
    from uuid import UUID

    from pagersync.alerts.routes import find_alert
    from pagersync.errors import NotFoundError
    from pagersync.incidents.service import get_incident
    from pagersync.paging.service import get_page
    from pagersync.workflows.explain import explain_alert, explain_incident, explain_page

    settings = context.settings
    async with context.sessions() as session:
        if kind == "incident":
            return await explain_incident(session, await get_incident(session, reference), settings)
        if kind == "alert":
            return await explain_alert(session, await find_alert(session, reference), settings)
        try:
            page_id = UUID(reference)
        except ValueError:
            raise NotFoundError(f"{reference!r} is no UUID, which pages have") from None
        return await explain_page(session, await get_page(session, page_id), settings)


def _as_json(explained: "Explanation") -> str:
    from pydantic import TypeAdapter

    from pagersync.workflows.explain import Explanation

    return TypeAdapter(Explanation).dump_json(explained).decode()


def lines_of(explained: "Explanation") -> Iterator[str]:
    """Yield what is printed: the answer, then one line for each thing, below its cause. Pure."""
    yield from textwrap.wrap(explained.summary, COLUMNS_MAX)
    for root in explained.roots:
        yield ""
        began = root.at or datetime.now(UTC)
        if root.at is not None:
            yield f"{root.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        yield from _lines([root], began, 0)
    if explained.note:
        yield from ("", explained.note)


def _lines(nodes: Sequence["TraceNode"], began: datetime, depth: int) -> Iterator[str]:
    for node in nodes:
        after = "" if node.at is None else _after(began, node.at)
        head = f"{after:>9}  {' ' * min(2 * depth, INDENT_MAX)}"
        is_said = node.status in SAID_BY_TITLE or node.kind == "attempt"
        tail = f" [{node.status}]" if node.status and not is_said else ""
        room = COLUMNS_MAX - len(head) - len(tail)
        title = node.title if len(node.title) <= room else f"{node.title[: room - 1]}…"
        yield f"{head}{title}{tail}".rstrip()
        if node.kind == "page":
            for note in node.detail.get("notes", ()):
                yield f"{'':>9}  {' ' * min(2 * depth + 2, INDENT_MAX)}note: {note}"
        yield from _lines(node.children, began, depth + 1)


def _after(began: datetime, at: datetime) -> str:
    """Return a moment as the time since another: `+1.2 s`."""
    from pagersync.workflows.trace_text import later_text

    later = later_text(abs(at - began))
    return f"-{later}" if at < began and later != "0.0 s" else f"+{later}"
