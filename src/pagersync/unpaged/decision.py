"""Should somebody have been paged, and was nobody? Pure.

What a person decided is no problem: a page or a run that a person canceled, conditions that do not
hold. Neither is a run that its workflow makes wait. All else that keeps a workflow that pages from
having paged somebody is one: also that somebody switched it off or removed it when it should
have run already, since that canceled no page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pagersync.paging.models import PageStatus
from pagersync.workflows.models import RunStatus

FINE: Final = frozenset(
    {PageStatus.SENT, PageStatus.CONFIRMED, PageStatus.ACKNOWLEDGED, PageStatus.RESOLVED}
)
"""Statuses of pages that reached PagerTree, as far as anybody knows.

One that is `sent` is soon known to page people, or `stuck`. If its account cannot be asked, because
it is disabled or its key refused, it stays `sent`: then it is not fine any more.
"""

PAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        PageStatus.FAILED: "its page failed",
        PageStatus.CANCELED: "its page was canceled",
        PageStatus.EXPIRED: "its page expired before it was sent",
        PageStatus.DROPPED: "PagerTree dropped its page before anybody was paged",
        PageStatus.STUCK: "PagerTree has its page and pages nobody",
        PageStatus.SENT: "PagerTree has its page, and nobody can tell whether it pages anybody",
        PageStatus.UNKNOWN: "nobody can tell whether PagerTree has its page",
        PageStatus.SENDING: "its page is still on its way to PagerTree",
        PageStatus.QUEUED: "its page still waits to be sent",
    }
)
"""Statuses of pages that paged nobody, the worst first."""

BY_HAND: Final = "page by hand: pagersync page --team NAME --title TITLE"
LIST: Final = "pagersync operations list"
REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        PageStatus.CANCELED: BY_HAND,
        PageStatus.DROPPED: BY_HAND,
        PageStatus.STUCK: f"look in PagerTree who is on call, or {BY_HAND}",
        PageStatus.SENT: f"look in PagerTree whether it pages somebody, or {BY_HAND}",
    }
)
"""What to do about a page; of all others, `operations list` says more."""

DECIDED: Final = ("canceled by ", "not needed", "its alert was resolved")
"""How the reasons of pages begin that were canceled as somebody wanted it."""

REMOVED: Final = "the workflow was removed"
"""The reason of runs that ended with their workflow."""

LEGITIMATE: Final = (
    "canceled by ",
    "its conditions do not hold",
    "the incident is gone",
    "the alert is gone",
)
"""How the reasons of runs begin that were canceled as somebody wanted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSeen:
    """A page, as far as it matters here.

    Attributes:
        was_confirmed: PagerTree was seen to page people for it.
        is_for_later: it is not to be sent yet.
        is_unsure: PagerTree has it for too long without being known to page people for it.
        error: what its last call to PagerTree came to.
    """

    status: str
    was_confirmed: bool = False
    is_for_later: bool = False
    is_unsure: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """A run of a workflow that pages, or leads to a page.

    Attributes:
        workflow: its name.
        message: the run's status message.
        is_due: its time to begin has come.
        is_toothless: the task that pages was taken from the workflow before it ran.
        error: of the first of its tasks that failed, or of the run itself.
    """

    id: str
    workflow: str
    status: str
    message: str | None = None
    is_over_limit: bool = False
    is_due: bool = True
    is_toothless: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffSeen:
    """A workflow that pages, was off, and would have matched.

    Attributes:
        number: of the incident that it would have paged for, or an alert's short id.
        kind: `incident` or `alert`.
        reason: why pagersync switched it off; None if a person did.
        account: the disabled account that it is off with.
        is_spare: it is off because a workflow of another account does its work.
        is_on_now: it was switched on since; what it missed stays missed.
        is_removed: it was removed since; what it missed stays missed, too.
        is_alone: no other workflow that pages listened for what happened.
        was_on: it was on when that happened, and off or removed before it was looked at.
    """

    workflow: str
    slug: str
    number: str
    kind: str = "incident"
    reason: str | None = None
    account: str | None = None
    is_spare: bool = False
    is_on_now: bool = False
    is_removed: bool = False
    is_alone: bool = False
    was_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of one incident or alert.

    Attributes:
        runs: of workflows that page.
        waiting: whether an event about it was not looked at yet.
        dead: why an event about it could not be looked at.
        off: workflows that page and were off when something happened that they listen for.
    """

    pages: Sequence[PageSeen] = ()
    runs: Sequence[RunSeen] = ()
    waiting: bool = False
    dead: str | None = None
    off: Sequence[OffSeen] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nobody was paged.

    Attributes:
        reason: for machines.
        detail: for people; a clause that begins in lower case.
        remedy: what to do, best a command.
    """

    reason: str
    detail: str
    remedy: str


def is_paged(evidence: Evidence) -> bool:
    """Tell whether somebody was paged, as far as anybody knows."""
    return any(page.was_confirmed or _is_fine(page) for page in evidence.pages)


def _is_fine(page: PageSeen) -> bool:
    return page.status in FINE and not (page.status == PageStatus.SENT and page.is_unsure)


def find_problem(evidence: Evidence) -> Problem | None:
    """Return why nobody was paged though somebody should have been; None if all is well."""
    if is_paged(evidence):
        return None
    undecided = [page for page in evidence.pages if not _is_decided(page)]
    if evidence.pages and not undecided:
        return None
    evidence = replace(evidence, pages=undecided)
    found = (*_of_pages(evidence), *_of_runs(evidence), *_of_events(evidence), *_of_off(evidence))
    return found[0] if found else None


def _is_decided(page: PageSeen) -> bool:
    """Tell whether a page was canceled by a person, and not because its account went away."""
    is_canceled = page.status == PageStatus.CANCELED
    return is_canceled and (page.error is None or page.error.startswith(DECIDED))


def _of_pages(evidence: Evidence) -> Iterator[Problem]:
    due = [page for page in evidence.pages if not page.is_for_later]
    for status, text in PAGES.items():
        for page in due:
            if page.status == status:
                why = f": {page.error.rstrip('.')}" if page.error else ""
                yield Problem(f"page_{status}", f"{text}{why}", REMEDIES.get(status, LIST))


_TOOTHLESS: Final = Problem(
    "run_without_page", "the task that pages was taken from its workflow before it ran", BY_HAND
)


def _of_runs(evidence: Evidence) -> Iterator[Problem]:
    for run in evidence.runs:
        problem = _TOOTHLESS if run.is_toothless else _of_run(run)
        if problem is not None:
            yield problem


def _of_run(run: RunSeen) -> Problem | None:
    name = f"the workflow {run.workflow!r}"
    why = (run.error or run.message or "no reason is known").rstrip(".")
    told = (run.message or why).rstrip(".")
    again = f"mend that, then: pagersync workflows retry {run.id}"
    match run.status:
        case RunStatus.FAILED | RunStatus.COMPLETED_WITH_ERRORS:
            return Problem("run_failed", f"{name} failed: {why}", again)
        case RunStatus.CANCELED if not told.startswith(LEGITIMATE):
            is_removed = told.startswith(REMOVED)  # nobody can retry it
            detail = f"{name} was not run: {told}"
            return Problem("run_canceled", detail, BY_HAND if is_removed else again)
        case RunStatus.QUEUED if run.is_over_limit and not run.is_due:
            return Problem("run_waits", f"{name} waits: {told}", BY_HAND)
        case RunStatus.QUEUED | RunStatus.STARTED if run.error:  # put off: it tries again
            text = f"{name} has not finished: {run.error.rstrip('.')}"
            return Problem("run_late", text, "pagersync doctor")
        case RunStatus.QUEUED | RunStatus.STARTED if run.is_due:
            text = f"{name} has not finished; is a worker running?"
            return Problem("run_late", text, "pagersync doctor")
    return None


def _of_events(evidence: Evidence) -> Iterator[Problem]:
    if evidence.dead is not None:
        text = f"workflows could not look at it: {evidence.dead.rstrip('.')}"
        yield Problem("event_dead", text, BY_HAND)
    if evidence.waiting:
        text = "no workflow has looked at it yet; is a worker running?"
        yield Problem("event_late", text, "pagersync doctor")


def _of_off(evidence: Evidence) -> Iterator[Problem]:
    """Yield workflows that are off, where no other one was there to decide.

    One that pagersync itself switched off counts in any case, unless a workflow of another account
    does its work; so does one that was on when it should have run.
    """
    for off in evidence.off:
        if off.is_alone or off.was_on or (off.reason is not None and not off.is_spare):
            yield _of_one_off(off)


def _of_one_off(off: OffSeen) -> Problem:
    """Return the problem of a workflow that is off, or was; switching it on alone pages nobody."""
    run = f"pagersync workflows run {off.slug} --{off.kind} {off.number}"
    name = f"the workflow {off.workflow!r}"
    if off.is_removed:
        text = "was removed before it ran" if off.was_on else "was off at that time, and is removed"
        return Problem("workflow_off", f"{name} {text}", BY_HAND)
    if off.is_on_now:
        text = "was switched off before it ran" if off.was_on else "was off at that time"
        return Problem("workflow_off", f"{name} {text}", run)
    why = f": {off.reason.rstrip('.')}" if off.reason else ""
    before = " since it should have run" if off.was_on else ""
    text = f"{name} is off{before}{why}"
    first = f"pagersync workflows enable {off.slug}"
    if off.account is not None:  # which switches its workflows on again
        first = f"pagersync integrations enable {off.account}"
    return Problem("workflow_off", text, f"{first} && {run}")
