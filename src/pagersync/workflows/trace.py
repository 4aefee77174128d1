"""Why somebody was paged, or was not: the causal chain of a page, an incident or an alert.

It is read a level at a time: first upwards from what is asked for to the root causes, then
downwards to everything that it led to. A level takes the same queries however wide it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, load_only

from pagersync.alerts.models import Alert
from pagersync.database.session import driver_connection
from pagersync.events.models import DomainEvent
from pagersync.inbox.models import Delivery
from pagersync.incidents.models import Incident, IncidentAlert
from pagersync.integrations.directory_names import Named, load_names
from pagersync.integrations.models import Integration
from pagersync.paging.models import Attempt, Operation, OperationKind, Page
from pagersync.workflows.models import Workflow, WorkflowRun, WorkflowTask, WorkflowTaskRun
from pagersync.workflows.trace_story import Key, Kind, Story, triggers_seen, verdicts

CHILDREN_MAX: Final = 50
"""Of what one thing led to, so many are shown of each kind."""

LEVELS_MAX: Final = 30
SILENT_MAX: Final = 20

Found = dict[Kind, list[Any]]
"""Rows, by kind: what the last level came upon."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One way in which a thing leads to others.

    Attributes:
        cause: the kind of what leads.
        kind: the kind of what it leads to.
        column: of those, names what led to them.
        where: which of them.
    """

    cause: Kind
    kind: Kind
    column: InstrumentedAttribute[Any]
    where: tuple[ColumnElement[bool], ...] = ()


IS_OF_PAGE: Final = DomainEvent.subject_type == "page"
TELLS_MORE: Final = DomainEvent.type.not_like("workflow\\_run.%")
"""How a run ended is said by the run."""

NOT_OF_PAGES: Final = (Page.fallback_of.is_(None), Page.repeat_of.is_(None))

EDGES: Final = (
    Edge("event", "run", WorkflowRun.domain_event_id),
    Edge("run", "task", WorkflowTaskRun.run_id),
    Edge("run", "event", DomainEvent.workflow_run_id, (TELLS_MORE,)),
    Edge("run", "page", Page.workflow_run_id, NOT_OF_PAGES),
    Edge(
        "run",
        "operation",
        Operation.workflow_run_id,
        (Operation.kind != OperationKind.CREATE_ALERT,),
    ),
    Edge("page", "operation", Operation.page_id),
    Edge("page", "page", Page.fallback_of),
    Edge("page", "page", Page.repeat_of),
    Edge("page", "event", DomainEvent.subject_id, (IS_OF_PAGE,)),
    Edge("operation", "attempt", Attempt.operation_id),
)

MODELS: Final[dict[Kind, Any]] = {
    "delivery": Delivery,
    "event": DomainEvent,
    "run": WorkflowRun,
    "task": WorkflowTaskRun,
    "page": Page,
    "operation": Operation,
    "attempt": Attempt,
}

CREATED_FIRST: Final = (
    DomainEvent.type.not_like("%.created"),
    DomainEvent.evaluations.is_(None),
    DomainEvent.id,
)
"""Of too many events, those that most likely say why."""


async def trace_page(session: AsyncSession, page: Page) -> Story:
    """Return what led to a page, and what it led to."""
    return await _trace(session, {"page": [page]})


async def trace_incident(session: AsyncSession, incident: Incident) -> Story:
    """Return what happened to an incident, why, and what that led to."""
    attached = select(IncidentAlert.alert_id).where(IncidentAlert.incident_id == incident.id)
    caused = select(WorkflowRun.id).where(WorkflowRun.domain_event_id == DomainEvent.id)
    of_alerts = (DomainEvent.subject_type == "alert", DomainEvent.subject_id.in_(attached))
    story = Story()
    seeds: Found = {
        "event": [
            *await _subject_events(session, story, "incident", incident.id),
            *await _seeds(session, story, DomainEvent, *of_alerts, caused.exists()),
        ],
        "page": await _seeds(session, story, Page, Page.incident_id == incident.id),
        "run": await _manual_runs(session, story, WorkflowRun.incident_id == incident.id),
    }
    return await _trace(session, seeds, story)


async def trace_alert(session: AsyncSession, alert: Alert) -> Story:
    """Return what happened to an alert, why, and what that led to."""
    story = Story()
    loose = (Operation.alert_id == alert.id, Operation.page_id.is_(None))
    seeds: Found = {
        "event": await _subject_events(session, story, "alert", alert.id),
        "page": await _seeds(session, story, Page, Page.alert_id == alert.id),
        "run": await _manual_runs(session, story, WorkflowRun.alert_id == alert.id),
        "operation": await _seeds(session, story, Operation, *loose),
    }
    return await _trace(session, seeds, story)


async def _subject_events(
    session: AsyncSession, story: Story, kind: str, subject_id: UUID
) -> list[Any]:
    own = (DomainEvent.subject_type == kind, DomainEvent.subject_id == subject_id)
    return await _seeds(session, story, DomainEvent, *own, order=CREATED_FIRST)


async def _manual_runs(
    session: AsyncSession, story: Story, about: ColumnElement[bool]
) -> list[Any]:
    return await _seeds(session, story, WorkflowRun, about, WorkflowRun.domain_event_id.is_(None))


async def _seeds(
    session: AsyncSession,
    story: Story,
    model: Any,
    *where: ColumnElement[bool],
    order: Sequence[Any] | None = None,
) -> list[Any]:
    """Return rows to begin with, and note how many there are beyond those."""
    statement = select(model, func.count().over()).where(*where)
    ordered = statement.order_by(*(order or (model.id,))).limit(CHILDREN_MAX)
    rows = (await session.execute(ordered)).all()
    story.leave_out(None, model.__tablename__, rows[0][1] - len(rows) if rows else 0)
    return [row for row, _ in rows]


async def _trace(session: AsyncSession, seeds: Found, story: Story | None = None) -> Story:
    story = story or Story()
    found = {kind: story.add(kind, rows) for kind, rows in seeds.items()}
    level = found
    for _ in range(LEVELS_MAX):
        if not any(level.values()):
            break
        level = await _climb(session, story, level)
    await _load_tasks(session, story)
    level = found
    for _ in range(LEVELS_MAX):
        if not any(level.values()):
            break
        level = await _descend(session, story, level)
    story.is_cut = story.is_cut or any(level.values())
    await _name(session, story)
    return story


async def _climb(session: AsyncSession, story: Story, level: Found) -> Found:
    """Add what caused the things of a level; return what was not known before."""
    events, pages = level.get("event", []), level.get("page", [])
    operations = level.get("operation", [])
    runs = {row.workflow_run_id for row in (*events, *pages, *operations)}
    wanted: dict[Kind, set[UUID | None]] = {
        "run": runs,
        "event": {run.domain_event_id for run in level.get("run", [])},
        "page": {event.subject_id for event in events if event.subject_type == "page"}
        | {page.fallback_of or page.repeat_of for page in pages}
        | {operation.page_id for operation in operations},
    }
    homes = [event.id for event in events if event.subject_type == "alert"]
    if homes:
        wanted["page"] |= await _find_homes(session, story, DomainEvent.id.in_(homes))
    wanted["delivery"] = {event.delivery_id for event in events if _is_told(story, event)}
    above: Found = {
        kind: story.add(kind, await _by_id(session, story, kind, ids))
        for kind, ids in wanted.items()
    }
    above["event"] += story.add("event", await _drops(session, pages))
    return above


async def _drops(session: AsyncSession, pages: Sequence[Page]) -> Sequence[DomainEvent]:
    """Return what made fallback pages necessary."""
    dropped = {page.fallback_of for page in pages if page.fallback_of is not None}
    if not dropped:
        return ()
    is_drop = (DomainEvent.subject_id.in_(dropped), DomainEvent.type == "page.dropped")
    return (await session.scalars(select(DomainEvent).where(*is_drop))).all()


def _is_told(story: Story, event: DomainEvent) -> bool:
    """Tell whether an event has its webhook for its cause: one of a page has the page."""
    return event.subject_type != "page" and event.id not in story.homes


async def _by_id(
    session: AsyncSession, story: Story, kind: Kind, ids: Iterable[UUID | None]
) -> Sequence[Any]:
    new = {id_ for id_ in ids if id_ is not None and story.get(kind, id_) is None}
    if not new:
        return ()
    statement = _select(kind).where(MODELS[kind].id.in_(new))
    return (await session.scalars(statement.order_by(MODELS[kind].id))).all()


def _select(kind: Kind) -> Select[Any]:
    """Select rows of a kind, without what is large."""
    if kind == "delivery":
        shown = (
            *(Delivery.state, Delivery.event_type, Delivery.pagertree_alert_id),
            *(Delivery.times_received, Delivery.received_at, Delivery.last_error),
        )
        return select(Delivery).options(load_only(*shown))
    return select(MODELS[kind])


async def _descend(session: AsyncSession, story: Story, level: Found) -> Found:
    """Add what the things of a level led to; return what was not known before."""
    below: defaultdict[Kind, list[Any]] = defaultdict(list)
    for edge in EDGES:
        ids = [row.id for row in level.get(edge.cause, [])]
        if ids and story.room > 0:
            below[edge.kind] += story.add(edge.kind, await _led_to(session, story, edge, ids))
        elif ids:
            story.is_cut = True
    pages = [page.id for page in level.get("page", [])]
    if pages and story.room > 0:
        was_looked_at = DomainEvent.evaluations.is_not(None) | (DomainEvent.state != "done")
        await _find_homes(session, story, Page.id.in_(pages), was_looked_at)
        shown = await _by_id(session, story, "event", story.homes)
        below["event"] += story.add("event", shown)
    return dict(below)


async def _led_to(
    session: AsyncSession, story: Story, edge: Edge, ids: Sequence[UUID]
) -> list[Any]:
    """Return what things led to by one way, at most `CHILDREN_MAX` each; note what is left out."""
    model, column = MODELS[edge.kind], edge.column
    numbered = (
        select(
            model.id,
            func.row_number().over(partition_by=column, order_by=model.id).label("number"),
            func.count().over(partition_by=column).label("total"),
        )
        .where(column.in_(ids), *edge.where)
        .subquery()
    )
    statement = (
        _select(edge.kind)
        .add_columns(column, numbered.c.total)
        .join(numbered, numbered.c.id == model.id)
        .where(numbered.c.number <= CHILDREN_MAX)
        .order_by(numbered.c.number, model.id)
        .limit(story.room + 1)
    )
    rows = (await session.execute(statement)).all()
    totals: dict[Key, int] = {(edge.cause, cause): total for _, cause, total in rows}
    for key, total in totals.items():
        story.leave_out(key, edge.kind, total - CHILDREN_MAX)
    return [row for row, _, _ in rows]


async def _find_homes(
    session: AsyncSession, story: Story, *where: ColumnElement[bool]
) -> set[UUID | None]:
    """Note events of alerts that pages made; return those pages."""
    statement = (
        select(DomainEvent.id, Page.id)
        .join(Page, Page.alert_id == DomainEvent.subject_id)
        .join(Alert, (Alert.id == Page.alert_id) & (Alert.external_id == Page.pagertree_alert_id))
        .where(DomainEvent.subject_type == "alert", DomainEvent.created_at >= Page.created_at)
        .where(*where)
        .order_by(DomainEvent.id)
        .limit(max(1, story.room))
    )
    rows = (await session.execute(statement)).all()
    story.homes |= {row[0]: row[1] for row in rows}
    return {row[1] for row in rows}


async def _load_tasks(session: AsyncSession, story: Story) -> None:
    """Add the tasks of the runs that lead down to what is asked for."""
    runs = [run.id for run in story.each("run")]
    if runs:
        edge = next(edge for edge in EDGES if edge.kind == "task")
        story.add("task", await _led_to(session, story, edge, runs))


async def _name(session: AsyncSession, story: Story) -> None:
    """Read what the things are called, and which workflows kept silent."""
    named = [
        (row.incident_id, row.alert_id) for kind in ("page", "run") for row in story.each(kind)
    ]
    named += [
        (event.subject_id if event.subject_type == "incident" else None, event.subject_id)
        for event in story.events
    ]
    story.incidents = await _names(
        session, Incident, {incident for incident, _ in named}, Incident.number, Incident.title
    )
    story.alerts = await _names(
        session, Alert, {alert for _, alert in named}, Alert.short_id, Alert.summary
    )
    story.accounts = await _accounts(session, story)
    story.people = await _people(session, story)
    story.silent = await _silent(session, story)
    listened = {UUID(each["workflow_id"]) for event in story.events for each in verdicts(event)}
    ids = {run.workflow_id for run in story.each("run")} | listened
    story.workflows = await _names(session, Workflow, ids, Workflow.name)
    story.workflows |= {workflow.id: workflow for workflow in story.silent}
    tasks = select(WorkflowTask.workflow_id, WorkflowTask.task_params["task_type"].astext)
    for workflow_id, task_type in await session.execute(
        tasks.where(WorkflowTask.workflow_id.in_(story.workflows))
    ):
        story.task_types.setdefault(workflow_id, set()).add(task_type)


async def _accounts(session: AsyncSession, story: Story) -> dict[UUID, str]:
    """Read the names of the accounts there are, and of those that pages went to."""
    paged = {page.integration_id for page in story.pages}
    wanted = Integration.removed_at.is_(None) | Integration.id.in_(paged)
    rows = await session.scalars(select(Integration).where(wanted))
    return {row.id: row.name for row in rows}


async def _people(session: AsyncSession, story: Story) -> dict[Named, str]:
    """Read the names of those who acknowledged."""
    people = {
        Named(page.integration_id, page.acknowledged_by)
        for page in story.pages
        if page.acknowledged_by is not None
    } | {
        Named(event.integration_id, event.data["acknowledged_by"])
        for event in story.events
        if event.data.get("acknowledged_by") is not None
    }
    return await load_names(await driver_connection(session), people) if people else {}


async def _names(
    session: AsyncSession, model: Any, ids: Iterable[UUID | None], *columns: Any
) -> dict[UUID, Any]:
    wanted = {id_ for id_ in ids if id_ is not None}
    statement = select(model).options(load_only(*columns)).where(model.id.in_(wanted))
    return {row.id: row for row in await session.scalars(statement)}


async def _silent(session: AsyncSession, story: Story) -> Sequence[Workflow]:
    statement = (
        select(Workflow)
        .where(Workflow.triggers.overlap(sorted(triggers_seen(story))))
        .where(Workflow.enabled.is_(False) | Workflow.removed_at.is_not(None))
        .order_by(Workflow.removed_at.is_not(None), Workflow.id.desc())
        .limit(SILENT_MAX)
    )
    return (await session.scalars(statement)).all()
