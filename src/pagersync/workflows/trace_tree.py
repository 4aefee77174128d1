"""A causal chain as a tree of sentences, for people and for programs. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, Field

from pagersync.events.models import DomainEvent
from pagersync.inbox.models import Delivery
from pagersync.jsonapi import Timestamp
from pagersync.paging.models import Attempt, Operation, Page
from pagersync.paging.page_targets import paged
from pagersync.texts import replace_texts
from pagersync.workflows import trace_text as text
from pagersync.workflows.models import Workflow, WorkflowRun, WorkflowTaskRun
from pagersync.workflows.trace_story import Key, Kind, Story, verdicts

VERDICTS_MAX: Final = 10
"""Of the workflows that did not match an event, so many are shown with it."""

PARAMS_SHOWN: Final = (
    *("title", "urgency", "severity", "teams", "users", "routers", "pagertree_alert_id"),
    *("status", "message", "event", "method"),
)
"""Parameters of tasks that say what they did, and cannot hold what logs in somewhere."""


class TraceNode(BaseModel):
    """One thing that happened, and what it led to."""

    kind: Literal[
        "delivery",
        "event",
        "verdict",
        "workflow",
        "run",
        "task",
        "page",
        "operation",
        "attempt",
        "cut",
    ] = Field(
        description="`verdict` is a workflow that did not match, `workflow` one that is off or "
        "removed, `cut` stands for what was left out."
    )
    id: UUID | None = Field(description="Of that kind; null where something was left out.")
    at: Timestamp | None
    title: str = Field(description="One sentence for people.")
    status: str | None
    detail: dict[str, Any]
    children: list["TraceNode"]


def build_tree(story: Story, causes: Mapping[Key, Key | None]) -> list[TraceNode]:
    """Return the root causes, each with everything that it led to."""
    nodes = {key: _node(story, key) for key in causes}
    children: defaultdict[Key | None, list[TraceNode]] = defaultdict(list)
    for key, cause in causes.items():
        children[cause].append(nodes[key])
    for event in story.events:
        children["event", event.id] += _verdicts(event)
    for workflow, event in silent_at(story):
        children["event", event.id].append(_silent(workflow, event))
    for key, node in nodes.items():
        node.children = sorted(children[key], key=_order)
        node.children += _cut(story, key)
    return [*sorted(children[None], key=_order), *_cut(story, None)]


def count_nodes(nodes: list[TraceNode]) -> int:
    """Count nodes and what is below them."""
    return sum(1 + count_nodes(node.children) for node in nodes)


def silent_at(story: Story) -> Iterator[tuple[Workflow, DomainEvent]]:
    """Yield workflows that are off or removed, each with the first event they did not hear."""
    for workflow in story.silent:
        heard = (event for event in story.events if _missed(workflow, event))
        if (event := next(heard, None)) is not None:
            yield workflow, event


def _missed(workflow: Workflow, event: DomainEvent) -> bool:
    listened = {each["workflow_id"] for each in verdicts(event)}
    return (
        not set(workflow.triggers).isdisjoint(event.triggers)
        and str(workflow.id) not in listened
        and workflow.created_at <= event.created_at
    )


def silent_text(workflow: Workflow) -> str:
    """Return why a workflow does not listen."""
    name = f"the workflow '{workflow.name}'"
    if workflow.removed_at is not None:
        return f"{name} was removed"
    return f"{name} is off: {workflow.off_reason}" if workflow.off_reason else f"{name} is off"


def _silent(workflow: Workflow, event: DomainEvent) -> TraceNode:
    return TraceNode(
        kind="workflow",
        id=workflow.id,
        at=event.occurred_at,
        title=text.sentence(silent_text(workflow).removeprefix("the ")),
        status="removed" if workflow.removed_at else "off",
        detail={"off_reason": workflow.off_reason},
        children=[],
    )


def _verdicts(event: DomainEvent) -> Iterator[TraceNode]:
    """Yield the workflows that listened and did not match; those that did are runs."""
    refused = [each for each in verdicts(event) if not each["matched"]]
    for each in refused[:VERDICTS_MAX]:
        yield TraceNode(
            kind="verdict",
            id=UUID(each["workflow_id"]),
            at=event.occurred_at,
            title=f"Workflow '{each['workflow']}' did not match: {each['reason']}",
            status="not_matched",
            detail={"reason": each["reason"]},
            children=[],
        )
    if (more := len(refused) - VERDICTS_MAX) > 0:
        yield _cut_node(
            f"{more} more workflows did not match: GET /v1/domain_events/{event.id} has all",
            {"verdicts": more},
        )


def _cut(story: Story, key: Key | None) -> Iterator[TraceNode]:
    if left := story.left_out.get(key):
        many = ", ".join(f"{count} more {name}s" for name, count in left.items())
        yield _cut_node(f"Left out here: {many}", dict(left))


def _cut_node(title: str, detail: dict[str, Any]) -> TraceNode:
    return TraceNode(
        kind="cut", id=None, at=None, title=title, status=None, detail=detail, children=[]
    )


ORDER: Final = ("verdict", "workflow")
"""Stand before what happened at the same moment."""


def _order(node: TraceNode) -> tuple[Any, ...]:
    position = node.detail.get("position", 0) if node.kind == "task" else 0
    stamp = node.at.timestamp() if node.at else float("inf")
    return node.kind == "cut", position, stamp, node.kind not in ORDER, str(node.id)


def _node(story: Story, key: Key) -> TraceNode:
    kind, id_ = key
    row = story.get(kind, id_)
    at, title, status, detail = _DESCRIBE[kind](story, row)
    shown = {name: value for name, value in detail.items() if value not in (None, [], {}, "")}
    return TraceNode(
        kind=kind,
        id=id_,
        at=at,
        title=text.sentence(title),
        status=status,
        detail=shown,
        children=[],
    )


Described = tuple[datetime, str, str | None, dict[str, Any]]


def _delivery(_: Story, row: Delivery) -> Described:
    about = f" about {row.pagertree_alert_id}" if row.pagertree_alert_id else ""
    detail = {
        "event_type": row.event_type,
        "pagertree_alert_id": row.pagertree_alert_id,
        "times_received": row.times_received,
        "error": row.last_error,
    }
    return row.received_at, f"PagerTree's webhook {row.event_type}{about}", row.state, detail


def _event(story: Story, row: DomainEvent) -> Described:
    detail = {
        "type": row.type,
        "subject_type": row.subject_type,
        "subject_id": str(row.subject_id),
        "triggers": row.triggers,
        "requested_by": row.requested_by,
        "delivery_id": row.delivery_id and str(row.delivery_id),
        "depth": row.depth,
        "data": replace_texts(row.data, text.short),
        "error": row.last_error,
    }
    title = text.event_text(story, row, with_title=row.type.endswith(".created"))
    return row.occurred_at, title, row.state, detail


def _run(story: Story, row: WorkflowRun) -> Described:
    detail = {
        "workflow_id": str(row.workflow_id),
        "requested_by": row.requested_by,
        "triggered_by": row.triggered_by,
        "depth": row.depth,
        "repeat_number": row.repeat_number,
        "run_at": row.run_at.isoformat(),
        "started_at": row.started_at and row.started_at.isoformat(),
        "finished_at": row.finished_at and row.finished_at.isoformat(),
        "status_message": row.status_message,
        "error": row.last_error,
    }
    title = text.run_text(story, row).removeprefix("the ")
    return row.started_at or row.created_at, title, row.status, detail


def _task(story: Story, row: WorkflowTaskRun) -> Described:
    run: WorkflowRun | None = story.get("run", row.run_id)
    at = row.started_at or (run.created_at if run else None)
    detail = {
        "position": row.position,
        "task_type": row.task_params.get("task_type"),
        "params": shown_params(row.rendered_params or {}),
        "error": row.error,
        "duration_ms": row.duration_ms,
        "page_id": row.page_id and str(row.page_id),
        "incident_id": row.incident_id and str(row.incident_id),
        "operation_ids": [str(id_) for id_ in row.operation_ids],
    }
    assert at is not None  # noqa: S101 - tasks are read with their run
    return at, text.task_text(row), row.status, detail


def shown_params(rendered: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task was told, as far as it may be shown, in short."""
    shown = {name: rendered[name] for name in PARAMS_SHOWN if rendered.get(name)}
    if isinstance(url := rendered.get("url"), str):
        parts = urlsplit(url) if "://" in url else None
        shown["host"] = parts.hostname if parts else None
    return {name: replace_texts(value, text.short) for name, value in shown.items()}


def _page(story: Story, row: Page) -> Described:
    times = ("sent_at", "confirmed_at", "acknowledged_at", "resolved_at", "dropped_at")
    moments = {name: getattr(row, name) for name in (*times, "stuck_at", "unknown_at")}
    detail = {
        "account": story.accounts.get(row.integration_id),
        "targets": [target["name"] for target in paged(row.targets)],
        "skipped": {t["name"]: t["skipped"] for t in row.targets if t.get("skipped")},
        "notes": row.notes,
        "urgency": row.urgency,
        "severity": row.severity,
        "requested_by": row.requested_by,
        "acknowledged_by": row.acknowledged_by
        and story.person(row.integration_id, row.acknowledged_by),
        "pagertree_status": row.remote_status,
        "pagertree_alert_id": row.pagertree_alert_id,
        "alert_id": row.alert_id and str(row.alert_id),
        "incident_id": row.incident_id and str(row.incident_id),
        **{name: moment and moment.isoformat() for name, moment in moments.items()},
    }
    return row.created_at, text.page_text(story, row), row.status, detail


def _operation(_: Story, row: Operation) -> Described:
    detail = {
        "kind": row.kind,
        "requested_by": row.requested_by,
        "attempt": row.attempt,
        "may_have_been_sent": row.may_have_been_sent,
        "finished_at": row.finished_at and row.finished_at.isoformat(),
        "error": row.last_error,
    }
    why = f": {text.short(row.last_error)}" if row.last_error else ""
    return row.created_at, f"{text.operation_text(row)}{why}", row.state, detail


def _attempt(story: Story, row: Attempt) -> Described:
    detail = {
        "method": row.method,
        "path": row.path,
        "http_status": row.http_status,
        "error": row.error,
        "duration_ms": row.duration_ms,
    }
    title = text.attempt_text(story.get("operation", row.operation_id), row)
    status = str(row.http_status) if row.http_status else "no_answer"
    return row.started_at, title, status, detail


_DESCRIBE: Final[Mapping[Kind, Callable[[Story, Any], Described]]] = MappingProxyType(
    {
        "delivery": _delivery,
        "event": _event,
        "run": _run,
        "task": _task,
        "page": _page,
        "operation": _operation,
        "attempt": _attempt,
    }
)
