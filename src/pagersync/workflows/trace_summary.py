"""The answer to "why": one or two sentences about a causal chain. Pure."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from pagersync.events.models import DomainEvent
from pagersync.paging.models import Operation, OperationKind, OperationState, Page, PageStatus
from pagersync.paging.page_targets import be
from pagersync.workflows import trace_text as text
from pagersync.workflows.models import RunStatus, WorkflowRun
from pagersync.workflows.trace_story import LEADING_TASKS, Key, Story, path_to, verdicts
from pagersync.workflows.trace_tree import silent_at, silent_text

REASONS_MAX: Final = 3
REASON_CHARACTERS_MAX: Final = 500

NOT_PAGED: Final[Mapping[str, str]] = MappingProxyType(
    {
        PageStatus.QUEUED: "is not paged yet: the page is queued",
        PageStatus.SENDING: "is not paged yet: the page is on its way to PagerTree",
        PageStatus.SENT: "is not paged yet: PagerTree has it, and has not begun to page people",
        PageStatus.STUCK: "was not paged: PagerTree has it, and still pages nobody",
        PageStatus.FAILED: "was not paged: the page failed",
        PageStatus.CANCELED: "was not paged: the page was canceled",
        PageStatus.EXPIRED: "was not paged: the page expired",
        PageStatus.DROPPED: "was not paged: PagerTree dropped it (nobody on call, or no answer)",
    }
)
"""What is said of pages that were not seen to page people."""


def summarise_page(story: Story, causes: Mapping[Key, Key | None], page: Page) -> str:
    """Return why somebody was paged by one page, what became of it, and which calls failed."""
    return " ".join([_one_page(story, causes, page), *_failed_calls(story)])


def _one_page(story: Story, causes: Mapping[Key, Key | None], page: Page) -> str:
    path = path_to(causes, ("page", page.id))
    why = _because(story, path) or f"{page.requested_by} asked for it"
    names, instead = text.whom_text(story, page), _instead(story, page)
    error = _error(story, page)
    reason = f": {error}" if error else ""
    if _was_paged(page):
        were = be(page.targets, "was")
        return f"{names} {were} paged because {why}; {_outcome(story, causes, page)}{instead}."
    if page.standby_for is not None and page.status == PageStatus.QUEUED:
        lead = page.notes[-1]
    elif page.status == PageStatus.UNKNOWN:
        why_not = reason or ": an answer was lost"
        were = be(page.targets, "was")
        lead = f"Nobody can tell yet whether {names} {were} paged{why_not}{instead}"
    else:
        verb, _, rest = NOT_PAGED.get(page.status, f"is {page.status}").partition(" ")
        lead = f"{names} {be(page.targets, verb)} {rest}{reason}{instead}"
    asked = text.sentence(why) if len(path) == 1 else f"It was asked for because {why}"
    return f"{text.sentence(lead)}. {asked}."


def _was_paged(page: Page) -> bool:
    """Tell whether PagerTree was seen to page people, or is known to have by how it went on."""
    went_on = (PageStatus.CONFIRMED, PageStatus.ACKNOWLEDGED, PageStatus.RESOLVED)
    return page.confirmed_at is not None or page.status in went_on


def summarise(story: Story, causes: Mapping[Key, Key | None], *, about: str | None = None) -> str:
    """Return why somebody was paged by what happened, or why nobody was.

    Args:
        story: what happened.
        causes: what caused what.
        about: an alert of PagerTree's, which pages people by itself.
    """
    own = [page for page in story.pages if page.fallback_of is None and page.repeat_of is None]
    pages = own or list(story.pages)
    if not pages:
        lead = f"pagersync paged nobody about {about}" if about else "Nobody was paged"
        return " ".join([f"{lead}: {'; '.join(_why_nobody(story))}.", *_failed_calls(story)])
    said = _one_page(story, causes, next(filter(_was_paged, pages), pages[0]))
    more = len(pages) - 1
    if more:
        said = f"{said} {'1 more page is' if more == 1 else f'{more} more pages are'} shown below."
    return " ".join([said, *_failed_calls(story)])


FAILED_CALLS: Final[Mapping[str, str]] = MappingProxyType(
    {
        OperationKind.RESOLVE_ALERT: "The resolve in PagerTree failed, so people may still be "
        "paged",
        OperationKind.ACKNOWLEDGE_ALERT: "The acknowledgement in PagerTree failed",
        OperationKind.UPDATE_ALERT: "The change in PagerTree failed",
    }
)


def _failed_calls(story: Story) -> Iterator[str]:
    """Yield which calls about alerts failed, once for each kind, with the reason."""
    told = set()
    for operation in story.each("operation"):
        is_over = operation.state in (OperationState.DONE, OperationState.CANCELED)
        if not operation.failures or is_over or operation.kind in told:
            continue
        if (said := FAILED_CALLS.get(operation.kind)) is not None:
            told.add(operation.kind)
            again = (
                ". It is tried again" if operation.retry_at or operation.state == "queued" else ""
            )
            yield f"{said}: {text.short(operation.last_error).rstrip('.')}{again}."


def _error(story: Story, page: Page) -> str | None:
    """Return why a page is not sent, or what its call came to: why it waits says more."""
    create = next(_creates(story, page), None)
    if create is None:
        return None
    waits = page.status in (PageStatus.QUEUED, PageStatus.UNKNOWN) and story.waits.get(create.id)
    said = text.short(waits or create.last_error or "", REASON_CHARACTERS_MAX)
    return said.rstrip(".") or None


def _creates(story: Story, page: Page) -> Iterator[Operation]:
    for operation in story.each("operation"):
        if operation.page_id == page.id and operation.kind == OperationKind.CREATE_ALERT:
            yield operation


def _because(story: Story, path: list[Key]) -> str:
    """Return the chain from a root cause to a page, in words."""
    clauses: list[str] = []
    run: WorkflowRun | None = None
    for kind, id_ in path:
        row = story.get(kind, id_)
        if kind == "run" and not clauses:
            clauses.append(_first_run(story, row))
        elif kind == "run":
            run = row
        elif kind == "event":
            clauses.append(_event_clause(story, row, run, is_first=not clauses))
            run = None
        elif kind == "page" and not clauses and (kind, id_) != path[-1]:
            clauses.append(f"{row.requested_by} asked for a page to {text.whom_text(story, row)}")
        elif kind == "page" and run is not None and run.domain_event_id is not None:
            clauses.append(f"which {text.workflow_name(story, run.workflow_id)} matched")
            run = None
    return ", ".join(clause for clause in clauses if clause)


def _first_run(story: Story, run: WorkflowRun) -> str:
    name = text.workflow_name(story, run.workflow_id)
    if run.domain_event_id is None:
        return f"{run.requested_by} started {name}"
    return f"{name} ran, for something that is not kept any more"


def _event_clause(
    story: Story, event: DomainEvent, run: WorkflowRun | None, *, is_first: bool
) -> str:
    if event.subject_type == "page":
        page = story.get("page", event.subject_id)
        state = event.type.removeprefix("page.")
        return f"whose page to {text.whom_text(story, page)} was {state}" if page else ""
    said = text.event_text(story, event, with_title=is_first)
    return said if is_first or run is None else f"for which {said}"


def _outcome(story: Story, causes: Mapping[Key, Key | None], page: Page) -> str:
    """Return what became of a page that PagerTree has."""
    root = story.get(*path_to(causes, ("page", page.id))[0])
    began = next(
        moment
        for name in ("received_at", "occurred_at", "started_at", "created_at")
        if (moment := getattr(root, name, None)) is not None
    )
    told = []
    if page.confirmed_at is not None:
        told.append(f"PagerTree confirmed it {text.later_text(page.confirmed_at - began)} later")
    if page.acknowledged_at is not None:
        told.append(f"{story.person(page.integration_id, page.acknowledged_by)} acknowledged")
    if page.resolved_at is not None:
        told.append("it is resolved")
    if page.status == PageStatus.DROPPED:
        told.append("it was dropped in the end: nobody answered")
    *most, last = told or [f"it is {page.status} in PagerTree"]
    return f"{', '.join(most)} and {last}" if most else last


def _instead(story: Story, page: Page) -> str:
    """Return who was paged instead of those that a page was for."""
    fallback = next((each for each in story.pages if each.fallback_of == page.id), None)
    repeats = [each for each in story.pages if each.repeat_of == page.id]
    said = "; so {names} {were} paged instead, and that page is {status}"
    again = "; {names} {were} paged for it again, and that page is {status}"
    elsewhere = "; {names} {were} paged for it, and that page is {status}"
    told = [(said, fallback)] if fallback else []
    told += [(elsewhere if each.is_elsewhere else again, each) for each in repeats]
    return "".join(
        form.format(
            names=text.whom_text(story, each), were=be(each.targets, "was"), status=each.status
        )
        for form, each in told
    )


def _why_nobody(story: Story) -> list[str]:
    """Return the reasons, the most telling first."""
    reasons = list(_of_events(story)) or list(_of_runs(story)) + list(_of_verdicts(story))
    reasons += [text_ for text_ in _of_silent(story) if text_ not in reasons]
    if not reasons:
        listened = any(verdicts(event) for event in story.events)
        return [
            "no workflow that pages listened"
            if listened
            else "no workflow listened for what happened"
        ]
    more = len(reasons) - REASONS_MAX
    return [*reasons[:REASONS_MAX], *([f"and {more} more reasons"] if more > 0 else [])]


def _of_events(story: Story) -> Iterator[str]:
    """Yield why events were not looked at."""
    for event in story.events:
        if event.evaluations is None and event.state in ("queued", "running"):
            yield "what happened was not looked at yet (is a worker running?)"
            return
        if event.state == "dead":
            yield f"what happened could not be looked at: {text.short(event.last_error)}"
            return


def _leads(story: Story, workflow_id: UUID) -> bool:
    """Tell whether a workflow would have paged, or led to a page."""
    return not LEADING_TASKS.isdisjoint(story.task_types.get(workflow_id, ()))


def _of_runs(story: Story) -> Iterator[str]:
    """Yield why workflows that matched paged nobody."""
    for run in story.each("run"):
        if not _leads(story, run.workflow_id):
            continue
        if run.status != RunStatus.COMPLETED:
            yield text.run_text(story, run)
        elif said := _not_paged_again(story, run):
            yield said
        elif not _made_something(story, run):
            yield f"{text.workflow_name(story, run.workflow_id)} ran, and none of its tasks paged"


def _made_something(story: Story, run: WorkflowRun) -> bool:
    return any(task.run_id == run.id and task.incident_id for task in story.each("task"))


def _not_paged_again(story: Story, run: WorkflowRun) -> str | None:
    """Return that somebody had the alert already, if a task of the run found that."""
    results = [task.result or {} for task in story.each("task") if task.run_id == run.id]
    return next((str(r["not_paged_again"]) for r in results if "not_paged_again" in r), None)


def _of_verdicts(story: Story) -> Iterator[str]:
    """Yield why workflows did not match."""
    told = set()
    for event in story.events:
        for each in verdicts(event):
            workflow_id = UUID(each["workflow_id"])
            if each["matched"] or workflow_id in told or not _leads(story, workflow_id):
                continue
            told.add(workflow_id)
            yield (
                f"the workflow '{each['workflow']}' did not match: "
                f"{text.failed_text(each['reason'])}"
            )


def _of_silent(story: Story) -> Iterator[str]:
    """Yield which workflows are off; those that were removed only where there is nothing else."""
    silent = [each for each, _ in silent_at(story) if _leads(story, each.id)]
    off = [workflow for workflow in silent if workflow.removed_at is None]
    yield from (silent_text(workflow) for workflow in off or silent)
