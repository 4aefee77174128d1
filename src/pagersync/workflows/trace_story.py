"""What led to what: the rows of a causal chain, and which of them caused which. Pure.

Everything has one cause, so the chain is a forest. Its roots are what people and PagerTree did:

    delivery -> event -> run -> task -> event | page | operation
    page -> operation -> attempt;  page -> event (what PagerTree showed of it);  page -> fallback
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from pagersync.alerts.models import Alert
from pagersync.events.models import DomainEvent
from pagersync.incidents.models import Incident
from pagersync.integrations.directory_names import Named
from pagersync.paging.models import Operation, OperationKind, Page
from pagersync.workflows.models import Workflow, WorkflowTaskRun

NODES_MAX: Final = 500

Kind: TypeAlias = Literal["delivery", "event", "run", "task", "page", "operation", "attempt"]
Key: TypeAlias = tuple[Kind, UUID]

PAGING_TASKS: Final = frozenset({"create_pagertree_alert", "page_pagertree"})
LEADING_TASKS: Final = PAGING_TASKS | {"create_incident"}
"""Tasks that page, and the one that leads to a page."""


@dataclass
class Story:
    """Rows of a causal chain, by kind, and what their texts need to know.

    Attributes:
        rows: by kind, then by id.
        homes: events of alerts that pages made: the page, by event.
        left_out: how many more things each thing caused, beyond those here.
        is_cut: whether more than `NODES_MAX` things belong here.
        alerts, incidents, workflows: those that are named.
        accounts: names of the accounts that are connected, and of those that were paged through.
        people: names of those whom PagerTree names by their ids.
        task_types: of the workflows that are named.
        silent: workflows that are off or removed, and would have listened.
        waits: why operations that create alerts wait.
    """

    rows: dict[Kind, dict[UUID, Any]] = field(default_factory=dict)
    homes: dict[UUID, UUID] = field(default_factory=dict)
    left_out: dict[Key | None, Counter[str]] = field(default_factory=dict)
    is_cut: bool = False
    alerts: dict[UUID, Alert] = field(default_factory=dict)
    incidents: dict[UUID, Incident] = field(default_factory=dict)
    workflows: dict[UUID, Workflow] = field(default_factory=dict)
    accounts: dict[UUID, str] = field(default_factory=dict)
    people: dict[Named, str] = field(default_factory=dict)
    task_types: dict[UUID, set[str]] = field(default_factory=dict)
    silent: Sequence[Workflow] = ()
    waits: dict[UUID, str] = field(default_factory=dict)

    @property
    def room(self) -> int:
        """How many more things it takes."""
        return NODES_MAX - sum(map(len, self.rows.values()))

    def add(self, kind: Kind, rows: Iterable[Any]) -> list[Any]:
        """Keep rows that are not here yet, as far as there is room; return those that are new."""
        known = self.rows.setdefault(kind, {})
        new = [row for row in rows if row.id not in known]
        kept = new[: max(0, self.room)]
        self.is_cut = self.is_cut or len(kept) < len(new)
        known.update({row.id: row for row in kept})
        return kept

    def leave_out(self, cause: Key | None, what: str, count: int) -> None:
        """Note that a thing led to more than is kept here; None is what was asked for."""
        if count > 0:
            self.left_out.setdefault(cause, Counter())[what] = count

    def get(self, kind: Kind, id_: UUID | None) -> Any:
        """Return a row, or None."""
        return self.rows.get(kind, {}).get(id_) if id_ is not None else None

    def person(self, integration_id: UUID, id_: str | None) -> str:
        """Return what somebody is called whom PagerTree names by an id."""
        return self.people.get(Named(integration_id, id_), id_) if id_ else "somebody"

    def each(self, kind: Kind) -> Iterator[Any]:
        """Yield the rows of a kind, in the order of their making."""
        rows = self.rows.get(kind, {})
        return (rows[id_] for id_ in sorted(rows))

    @property
    def events(self) -> Iterator[DomainEvent]:
        """Yield the events."""
        return self.each("event")

    @property
    def pages(self) -> Iterator[Page]:
        """Yield the pages."""
        return self.each("page")


def link(story: Story) -> dict[Key, Key | None]:
    """Return the cause of each thing; None for roots, and where the cause is not here."""
    tasks = list(story.each("task"))
    causes: dict[Key, Key | None] = {}
    for kind, rows in story.rows.items():
        for row in rows.values():
            found = (key for key in _causes(story, tasks, kind, row) if story.get(*key))
            causes[kind, row.id] = next(found, None)
    return causes


def _causes(story: Story, tasks: Sequence[WorkflowTaskRun], kind: Kind, row: Any) -> Iterator[Key]:
    """Yield what may have caused a thing, the closest cause first."""
    if kind == "event":
        yield from _causes_of_event(story, tasks, row)
    elif kind == "run" and row.domain_event_id is not None:
        yield "event", row.domain_event_id
    elif kind == "task":
        yield "run", row.run_id
    elif kind == "page":
        yield from _causes_of_page(story, tasks, row)
    elif kind == "operation":
        yield from _causes_of_operation(tasks, row)
    elif kind == "attempt":
        yield "operation", row.operation_id


def _causes_of_event(
    story: Story, tasks: Sequence[WorkflowTaskRun], event: DomainEvent
) -> Iterator[Key]:
    if event.workflow_run_id is not None:
        yield from (("task", task.id) for task in tasks if _published(task, event))
        yield "run", event.workflow_run_id
    if event.subject_type == "page":
        yield "page", event.subject_id
    if event.id in story.homes:
        yield "page", story.homes[event.id]
    if event.delivery_id is not None:
        yield "delivery", event.delivery_id


def _published(task: WorkflowTaskRun, event: DomainEvent) -> bool:
    """Tell whether a task did what an event of its run tells."""
    if task.run_id != event.workflow_run_id:
        return False
    if event.type == "incident.created":
        return task.incident_id == event.subject_id
    result = task.result or {}
    if event.type == "incident.timeline_updated":
        return bool(result.get("event_id") == event.data.get("event_id"))
    if event.type == "incident.updated":
        entered = event.data.get("changes", {}).get("status", {}).get("to")
        return task.task_params.get("task_type") == "update_status" and (
            result.get("status") == entered
        )
    return False


def _causes_of_page(story: Story, tasks: Sequence[WorkflowTaskRun], page: Page) -> Iterator[Key]:
    if page.fallback_of is not None:
        dropped = (
            event
            for event in story.events
            if event.subject_id == page.fallback_of and event.type == "page.dropped"
        )
        yield from (("event", event.id) for event in dropped)
        yield "page", page.fallback_of
    if page.repeat_of is not None:
        yield "page", page.repeat_of
    yield from (("task", task.id) for task in tasks if task.page_id == page.id)
    if page.workflow_run_id is not None:
        yield "run", page.workflow_run_id


def _causes_of_operation(tasks: Sequence[WorkflowTaskRun], operation: Operation) -> Iterator[Key]:
    if operation.kind != OperationKind.CREATE_ALERT and operation.workflow_run_id is not None:
        own = [task for task in tasks if task.run_id == operation.workflow_run_id]
        yield from (("task", task.id) for task in own if _asked_for(task, operation))
        yield "run", operation.workflow_run_id
    if operation.page_id is not None:
        yield "page", operation.page_id


def _asked_for(task: WorkflowTaskRun, operation: Operation) -> bool:
    """Tell whether a task of an operation's run asked for it; of alerts it names only those."""
    alerts = (task.result or {}).get("alerts", ())
    return operation.id in task.operation_ids or str(operation.alert_id) in alerts


def has_lost_causes(story: Story) -> bool:
    """Tell whether something here names a cause that is not stored any more, or nothing is here."""
    return not any(story.events) or any(
        story.get(kind, id_) is None for kind, id_ in _named_causes(story) if id_ is not None
    )


def _named_causes(story: Story) -> Iterator[tuple[Kind, UUID | None]]:
    for event in story.events:
        yield "run", event.workflow_run_id
        if event.subject_type != "page" and event.id not in story.homes:
            yield "delivery", event.delivery_id
    yield from (("event", run.domain_event_id) for run in story.each("run"))
    yield from (("run", page.workflow_run_id) for page in story.pages)


def path_to(causes: Mapping[Key, Key | None], key: Key) -> list[Key]:
    """Return the chain from the root cause of a thing down to it."""
    path = [key]
    while (cause := causes.get(path[-1])) is not None:
        path.append(cause)
    return path[::-1]


def triggers_seen(story: Story) -> set[str]:
    """Return what workflows call everything that happened here."""
    return {name for event in story.events for name in event.triggers}


def verdicts(event: DomainEvent) -> list[dict[str, Any]]:
    """Return what was decided about each workflow that listened for an event."""
    return [*(event.evaluations or {}).get("workflows", []), *(event.refused or [])]
