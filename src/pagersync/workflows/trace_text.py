"""What the things of a causal chain are called: one sentence each. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pagersync.events.models import DomainEvent
from pagersync.paging.models import Attempt, Operation, OperationKind, Page
from pagersync.paging.page_targets import paged
from pagersync.workflows.models import RunStatus, TaskRunStatus, WorkflowRun, WorkflowTaskRun
from pagersync.workflows.trace_story import Story

TEXT_CHARACTERS_MAX: Final = 200
ERROR_CHARACTERS_MAX: Final = 500
"""Of an error: what to do about it is often at its end."""
CHANGES_SHOWN: Final = ("status", "severity", "title", "kind")

OPERATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        OperationKind.CREATE_ALERT: "Create its alert in PagerTree",
        OperationKind.UPDATE_ALERT: "Change the alert in PagerTree",
        OperationKind.ACKNOWLEDGE_ALERT: "Acknowledge the alert in PagerTree",
        OperationKind.RESOLVE_ALERT: "Resolve the alert in PagerTree",
        OperationKind.ADD_COMMENT: "Comment on the alert in PagerTree",
    }
)
PAGE_EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "page.confirmed": "PagerTree pages people",
        "page.resolved": "It is resolved in PagerTree",
        "page.dropped": "PagerTree dropped it: nobody was on call, or nobody acknowledged",
        "page.stuck": "PagerTree has it, and still pages nobody",
        "page.failed": "It was not sent",
        "page.unknown": "Nobody can tell whether PagerTree has it",
        "page.resolve_failed": "Its resolve failed in PagerTree: people may still be paged",
        "page.acknowledge_failed": "Its acknowledgement failed in PagerTree",
        "page.update_failed": "Its change failed in PagerTree",
        "page.paged_elsewhere": "The default targets of another account are paged instead",
        "page.canceled": "It was canceled before it was sent",
        "page.expired": "It expired before it was sent",
    }
)
ALERT_EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alert.resolve_failed": "PagerTree did not resolve {name}: people may still be paged",
        "alert.acknowledge_failed": "PagerTree did not acknowledge {name}",
        "alert.update_failed": "PagerTree did not change {name}",
    }
)


def short(text: object, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """Return a text in one line, cut where it is long."""
    line = " ".join(str(text).split())
    return line if len(line) <= characters_max else f"{line[: characters_max - 1]}…"


def sentence(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def incident_name(story: Story, incident_id: UUID | None, *, with_title: bool = False) -> str:
    """Return what an incident is called: `incident 12`."""
    incident = story.incidents.get(incident_id) if incident_id else None
    if incident is None:
        return "an incident that is gone"
    name = f"incident {incident.number}"
    return f"{name} ({short(incident.title)})" if with_title else name


def alert_name(story: Story, alert_id: UUID | None, *, with_summary: bool = False) -> str:
    """Return what an alert is called: `alert K7Q2MB`."""
    alert = story.alerts.get(alert_id) if alert_id else None
    if alert is None:
        return "an alert that is gone"
    name = f"alert {alert.short_id}"
    return f"{name} ({short(alert.summary)})" if with_summary else name


def workflow_name(story: Story, workflow_id: UUID) -> str:
    """Return what a workflow is called: `the workflow 'Page on creation'`."""
    workflow = story.workflows.get(workflow_id)
    return f"the workflow '{workflow.name}'" if workflow else "a workflow that is gone"


def target_names(page: Page) -> str:
    """Return whom a page is for: `Platform and Payments`."""
    *most, last = [str(target["name"]) for target in paged(page.targets)] or ["nobody"]
    return f"{', '.join(most)} and {last}" if most else last


def whom_text(story: Story, page: Page) -> str:
    """Return whom a page is for, and in which account if there are several."""
    account = story.accounts.get(page.integration_id)
    if account is None or len(story.accounts) == 1:
        return target_names(page)
    return f"{target_names(page)} (account {account})"


def event_text(story: Story, event: DomainEvent, *, with_title: bool = False) -> str:
    """Return what happened, as a sentence that begins in lower case if it can.

    Args:
        story: where names stand.
        event: what happened.
        with_title: whether what it happened to is named in full.
    """
    if event.subject_type == "incident":
        return _incident_text(story, event, with_title=with_title)
    if event.subject_type == "alert":
        return _alert_text(story, event, with_title=with_title)
    if event.type == "page.acknowledged":
        by = story.person(event.integration_id, event.data.get("acknowledged_by"))
        return f"acknowledged in PagerTree by {by}"
    if event.type == "directory.reference_broken":
        return f"PagerTree's directory changed{_detail(event)}"
    return PAGE_EVENTS.get(event.type, f"It was {_verb(event)}")


def _incident_text(story: Story, event: DomainEvent, *, with_title: bool) -> str:
    by = event.requested_by or "pagersync"
    name = incident_name(story, event.subject_id, with_title=with_title)
    if event.type == "incident.created":
        return f"{by} created {name}"
    if event.type == "incident.updated":
        return f"{by} changed {name}{_changes_text(event.data.get('changes', {}))}"
    if event.type == "incident.timeline_updated":
        return f"{by} wrote on the timeline of {name}: {short(event.data.get('event', ''))}"
    if event.type == "incident.alert_attached":
        count = len(event.data.get("alert_ids", []))
        return f"{by} attached {count} alert{'s' * (count != 1)} to {name}"
    if event.type == "incident.unpaged":
        return f"{_unpaged(event)} for {name}{_detail(event)}"
    return f"{by} {_verb(event)} {name}"


def _unpaged(event: DomainEvent) -> str:
    after_s = event.data.get("after_s")
    return "nobody was paged" + (f" within {after_s:g} s" if after_s else "")


def _detail(event: DomainEvent) -> str:
    detail = event.data.get("detail")
    return f": {short(detail)}" if detail else ""


def _verb(event: DomainEvent) -> str:
    """Return the verb of an event that has no sentence of its own: `deleted`, `updated`."""
    return event.type.partition(".")[2].replace("_", " ").replace(".", " ")


def _changes_text(changes: Mapping[str, Any]) -> str:
    shown = [
        f"{name} from {short(change.get('from') or 'none')} to {short(change.get('to') or 'none')}"
        for name in CHANGES_SHOWN
        if (change := changes.get(name))
    ]
    others = [name for name in changes if name not in CHANGES_SHOWN]
    return f": {'; '.join([*shown, *others])}" if changes else ""


def _alert_text(story: Story, event: DomainEvent, *, with_title: bool) -> str:
    name = alert_name(story, event.subject_id, with_summary=with_title)
    is_told = event.delivery_id is not None
    if event.type == "alert.created":
        return f"PagerTree sent {name}" if is_told else f"{name} was created here"
    if event.type == "alert.status_updated":
        change = f"{event.data.get('from')} to {event.data.get('to')}"
        return f"PagerTree moved {name} from {change}" if is_told else f"{name} went from {change}"
    if event.type == "alert.unpaged":
        return f"{_unpaged(event)} about {name}{_detail(event)}"
    if event.type in ALERT_EVENTS:
        return ALERT_EVENTS[event.type].format(name=name)
    return f"{name} was {_verb(event)}"


def failed_text(reason: str) -> str:
    """Return why a workflow did not match, given what the trigger said."""
    if reason.startswith("it is for ") or "PAGERSYNC_WORKFLOW_DEPTH_MAX" in reason:
        return reason
    if reason.startswith("must not hold: "):
        return f"its condition '{reason.removeprefix('must not hold: ')}' must not hold, and does"
    if reason.startswith("none of these holds: "):
        return f"none of its conditions holds: {reason.removeprefix('none of these holds: ')}"
    return f"its condition '{reason}' did not hold"


def run_text(story: Story, run: WorkflowRun) -> str:
    """Return what became of a run."""
    name = workflow_name(story, run.workflow_id)
    again = f", repetition {run.repeat_number}" if run.repeat_number else ""
    by = f", started by {run.requested_by}" if run.domain_event_id is None else ""
    why = f": {short(run.status_message, ERROR_CHARACTERS_MAX)}" if run.status_message else ""
    if run.status == RunStatus.QUEUED:
        return f"{name} matched{again}{by}; its run waits until {run.run_at:%H:%M:%S}{why}"
    if run.status == RunStatus.STARTED:
        return f"{name} is running{again}{by}"
    if run.status == RunStatus.CANCELED:
        return f"{name} matched{again}{by}, and its run was canceled{why}"
    if run.status == RunStatus.COMPLETED:
        return f"{name} ran{again}{by}"
    return f"{name} ran{again}{by}, with errors{why}"


def task_text(task: WorkflowTaskRun) -> str:
    """Return what became of a task of a run."""
    if task.error and task.status in (TaskRunStatus.FAILED, TaskRunStatus.SKIPPED):
        verb = "failed" if task.status == TaskRunStatus.FAILED else "was skipped"
        error = short(task.error, ERROR_CHARACTERS_MAX)
        return f"task {task.position} ({short(task.name)}) {verb}: {error}"
    return f"task {task.position}: {short(task.name)}"


def page_text(story: Story, page: Page) -> str:
    """Return what a page is."""
    account = story.accounts.get(page.integration_id)
    left_out = [str(target["name"]) for target in page.targets if target.get("skipped")]
    asides = [f"account {account}"] if account else []
    asides += [f"not to {', '.join(left_out)}"] if left_out else []
    whom = f"{target_names(page)} ({'; '.join(asides)})" if asides else target_names(page)
    if page.fallback_of is not None:
        return f"page to {whom} instead: {short(page.title)}"
    if page.is_elsewhere:
        return f"page to {whom}, because the other account cannot page: {short(page.title)}"
    if page.repeat_of is not None:
        return f"page to {whom}, perhaps again: {short(page.title)}"
    by = "" if page.workflow_run_id else f"{page.requested_by} asked for a "
    return f"{by}page to {whom}: {short(page.title)}"


def operation_text(operation: Operation) -> str:
    """Return what PagerTree is to do."""
    return OPERATIONS.get(operation.kind, operation.kind)


def attempt_text(operation: Operation | None, attempt: Attempt) -> str:
    """Return one exchange with PagerTree."""
    path = attempt.path.partition("?")[0]
    creates = operation is not None and operation.kind == OperationKind.CREATE_ALERT
    looked = "looked for it: " if creates and attempt.method == "GET" else ""
    answer = attempt.http_status or "no answer"
    why = f": {short(attempt.error)}" if attempt.error else ""
    return f"{looked}{attempt.method} {path}: {answer} in {attempt.duration_ms} ms{why}"


def later_text(span: timedelta) -> str:
    """Return how much time went by: `1.2 s`, `12 min`, `3.5 h`, `2.0 days`."""
    span = max(span, timedelta(0))
    if span < timedelta(minutes=1):
        return f"{span / timedelta(seconds=1):.1f} s"
    if span < timedelta(hours=1):
        return f"{span / timedelta(minutes=1):.0f} min"
    if span < timedelta(days=2):
        return f"{span / timedelta(hours=1):.1f} h"
    return f"{span / timedelta(days=1):.1f} days"
