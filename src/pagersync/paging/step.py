"""What is to be done next about an operation, and how what came of it ends. Pure.

PagerTree's API has no idempotency key. So a creating call that may have arrived is never simply
repeated: PagerTree is searched for its mark, more than once and for as long as its search may lag
behind (`settle.py`). An empty answer counts only if the same search finds an alert that is
certainly there; else the page stays `unknown`, and is looked for again later.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from random import random
from typing import Any, Final
from uuid import UUID

from pagersync.database.queue import Outcome, backoff_s
from pagersync.errors import (
    Ambiguous,
    Contract,
    CredentialsRefused,
    PagerTreeError,
    Rejected,
)
from pagersync.paging.models import OperationKind, OperationState, marker_of
from pagersync.paging.settle import Settle, after_failed_look_s, next_look_s

STALE_REFUSALS_MAX: Final = 5
"""So often a refusal is believed to be older than the status that allows what it refuses."""

HELD_BACK_S: Final = 30.0
"""How long to wait for a create whose end is unknown, before an operation on its alert."""


CANCELED_BECAUSE: Final = {
    True: "its alert was resolved meanwhile",
    False: "its page was never created in PagerTree",
}
"""By whether an operation is needless."""


class Step(Enum):
    """What to do about a claimed operation."""

    SEND = auto()
    LOOK = auto()
    CALL = auto()
    ADOPT = auto()
    EXPIRE = auto()
    CANCEL = auto()
    WAIT = auto()
    BURY = auto()


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed operation with what it needs of its page.

    Attributes:
        attempt: this one's number, from 1.
        pagertree_alert_id: the alert that it is about, where there is no page.
        target: PagerTree's id of the alert that it is about; None while there is none.
        creation: state of the create that its page began with; None where there is no page.
        last_sent_at: when the creating call last went out, or ended in doubt where that is known.
        sent_ago_s: how long ago that was, by the database's clock.
        late_s: for how long the operation could have been claimed.
        lookups: searches since then that found nothing; of an acknowledge or a resolve, refusals
            in a row although the alert's status allows it.
        is_needless: whether its page was to be sent later if its alert was not resolved by then,
            and it is.
        standby_for: the alert that its page stands by for.
        needless_because: why such a page need not be sent.
    """

    id: UUID
    integration_id: UUID
    kind: OperationKind
    attempt: int
    created_at: datetime
    params: dict[str, Any] = field(default_factory=dict)
    page_id: UUID | None = None
    pagertree_alert_id: str | None = None
    target: str | None = None
    creation: OperationState | None = None
    expires_at: datetime | None = None
    may_have_been_sent: bool = False
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    sent_ago_s: float | None = None
    late_s: float = 0.0
    lookups: int = 0
    is_needless: bool = False
    standby_for: UUID | None = None
    needless_because: str | None = None


def next_step(work: Work, *, now: datetime, attempts_max: int) -> Step:
    """Return what to do about an operation that was just claimed."""
    if work.kind != OperationKind.CREATE_ALERT:
        return _next_call(work, attempts_max)
    if work.target is not None:
        return Step.ADOPT
    if work.attempt > attempts_max:
        return Step.BURY
    if work.may_have_been_sent:
        return Step.LOOK
    if work.expires_at is not None and now >= work.expires_at:
        return Step.EXPIRE
    return Step.CANCEL if work.is_needless or work.needless_because else Step.SEND


def _next_call(work: Work, attempts_max: int) -> Step:
    if work.attempt > attempts_max:
        return Step.BURY
    if work.target is not None:
        return Step.CALL
    if work.creation in (OperationState.QUEUED, OperationState.RUNNING, OperationState.UNKNOWN):
        return Step.WAIT
    return Step.CANCEL


@dataclass(frozen=True, slots=True)
class End:
    """How one turn at an operation ended.

    Attributes:
        outcome: what becomes of its row.
        may_have_been_sent: what is known now about the creating call.
        lookups: searches that found nothing since it went out.
        is_unknown: the ambiguity has outlasted the search.
        is_final: another try cannot help.
        grace_s: for how long a call that ended in doubt may still be worked on.
    """

    outcome: Outcome
    may_have_been_sent: bool = False
    lookups: int = 0
    is_unknown: bool = False
    is_final: bool = False
    grace_s: float = 0.0


def unchanged(work: Work, outcome: Outcome) -> End:
    """Return the end of a turn at which nothing was learnt."""
    return End(outcome, may_have_been_sent=work.may_have_been_sent, lookups=work.lookups)


def after_error(
    work: Work, error: PagerTreeError, *, attempts_max: int, took_s: float = 0.0
) -> End:
    """Return how an operation goes on after a call that did not end in a value.

    Args:
        work: the operation; for a create, as it was when the call went out.
        error: how the call ended.
        attempts_max: attempts before it is given up.
        took_s: how long the call took. One that ended in doubt may be worked on for as long again.
    """
    if isinstance(error, CredentialsRefused):
        return End(Outcome.snooze(work.id, delay_s=0, reason=error.detail))
    if isinstance(error, Rejected) and not error.is_cut:  # why it refused must be known
        return End(Outcome(work.id, OperationState.FAILED, error.detail))
    if isinstance(error, Ambiguous | Contract) and work.kind == OperationKind.CREATE_ALERT:
        return _look_at_once(work, error.detail, attempts_max=attempts_max, grace_s=took_s)
    return End(_again(work, error.detail, attempts_max, retry_after_s=error.retry_after_s))


def may_look_at_once(end: End, error: PagerTreeError) -> bool:
    """Tell whether a create that ended so may be looked for in the same turn."""
    is_queued = end.outcome.state == OperationState.QUEUED
    return end.may_have_been_sent and is_queued and error.retry_after_s is None


def after_failed_probe(work: Work, error: PagerTreeError) -> End:
    """Return how a create goes on that was not sent: PagerTree is still not well."""
    outcome = Outcome.snooze(work.id, delay_s=error.retry_after_s or 0, reason=error.detail)
    return End(outcome)


def after_failed_lookup(
    work: Work, error: PagerTreeError, *, attempts_max: int, waited_s: float, longest_s: float
) -> End:
    """Return how a create goes on whose search for its mark did not end in an answer.

    Args:
        work: the operation.
        error: how the search ended.
        attempts_max: attempts before it is given up.
        waited_s: from the end of the call until the search.
        longest_s: ambiguity that lasts longer is told to people.
    """
    detail = f"it may have been sent, and PagerTree could not be searched: {error.detail}"
    if isinstance(error, CredentialsRefused):
        outcome = Outcome.snooze(work.id, delay_s=0, reason=detail)
    elif work.attempt >= attempts_max:
        outcome = Outcome(work.id, OperationState.UNKNOWN, detail)
    else:
        pause_s = after_failed_look_s(waited_s, random())  # noqa: S311 - spreads load, guards nothing
        pause_s = max(pause_s, error.retry_after_s or 0)
        outcome = Outcome(work.id, OperationState.QUEUED, detail, pause_s)
    is_over = outcome.state == OperationState.UNKNOWN
    is_unknown = is_over or waited_s >= longest_s
    return End(outcome, may_have_been_sent=True, lookups=work.lookups, is_unknown=is_unknown)


def after_empty_lookup(
    work: Work, *, finds_others: bool | None, attempts_max: int, settle: Settle, waited_s: float
) -> End:
    """Return how a create goes on whose mark was searched for and not found.

    Args:
        work: the operation.
        finds_others: whether the search finds an alert that is certainly there; None when it is
            too early to ask.
        attempts_max: attempts before it is given up.
        settle: when an empty search may be believed.
        waited_s: from the end of the call until the search.
    """
    lookups = work.lookups + 1
    if finds_others is None:
        pause_s = next_look_s(settle, waited_s)
        pause = Outcome.snooze(work.id, delay_s=pause_s, reason="searched for, not found so far")
        return End(pause, may_have_been_sent=True, lookups=lookups)
    if finds_others:
        again = Outcome.snooze(work.id, delay_s=0, reason="not in PagerTree: sent again")
        return End(again, may_have_been_sent=False)
    outcome = _again(
        work,
        "it may have been sent: PagerTree's search does not find it, and there is no alert by "
        "which to tell whether it would",
        attempts_max,
    )
    return End(outcome, may_have_been_sent=True, lookups=lookups, is_unknown=True)


def after_collision(work: Work) -> End:
    """Return the end of an operation that PagerTree answered with the alert of another page."""
    reason = (
        "PagerTree answered with the alert of another page. Search PagerTree for "
        f"{marker_of(work.id)}. If no alert has it: "
        f"`pagersync operations redrive {work.id} --confirmed-absent`"
    )
    return End(
        Outcome(work.id, OperationState.UNKNOWN, reason), may_have_been_sent=True, is_unknown=True
    )


def buried(work: Work) -> End:
    """Return the end of an operation that took its workers along once too often."""
    error = "every attempt ended without a word: its workers stopped or hung"
    return End(
        Outcome(work.id, _last_state(work.may_have_been_sent), error),
        may_have_been_sent=work.may_have_been_sent,
        is_unknown=work.may_have_been_sent,
    )


_REACHED: Final = {
    OperationKind.RESOLVE_ALERT: ("resolved",),
    OperationKind.ACKNOWLEDGE_ALERT: ("acknowledged", "resolved"),
}
_ALLOWED_FROM: Final = {
    OperationKind.RESOLVE_ALERT: ("open", "dropped", "acknowledged"),
    OperationKind.ACKNOWLEDGE_ALERT: ("open", "dropped", "suppressed"),
}


def after_refusal(work: Work, error: Rejected, status: str | None, *, attempts_max: int) -> End:
    """Return how an acknowledge, a resolve or a change goes on that PagerTree refused.

    PagerTree documents which statuses each needs: resolving `open`, `dropped` or `acknowledged`,
    acknowledging `open`, `dropped` or `suppressed`. An alert that is already there is done; one
    that is still `queued` gets there in time, so the operation waits. One whose status allows it
    may have got there just after the refusal.

    Args:
        work: the operation.
        error: PagerTree's refusal.
        status: of the alert, asked for after the refusal; None if PagerTree no longer has it.
        attempts_max: attempts before it is given up.
    """
    if status in _REACHED.get(work.kind, ()):
        return End(Outcome.done(work.id))
    if status in _ALLOWED_FROM.get(work.kind, ()) and work.lookups + 1 < STALE_REFUSALS_MAX:
        again = _again(work, f"refused, perhaps just too early: {error.detail}", attempts_max)
        return End(again, lookups=work.lookups + 1)
    if status is None:
        detail = f"PagerTree no longer has the alert: {error.detail}"
        return End(Outcome(work.id, OperationState.FAILED, detail), is_final=True)
    if status == "resolved":  # which nothing changes any more
        detail = f"the alert is resolved: {error.detail}"
        return End(Outcome(work.id, OperationState.FAILED, detail), is_final=True)
    if status == "queued":
        return End(_again(work, f"the alert is still queued: {error.detail}", attempts_max))
    return End(Outcome(work.id, OperationState.FAILED, error.detail))


def end_without_call(work: Work, what: Step) -> End:
    """Return the end of a turn at which PagerTree need not be called."""
    match what:
        case Step.ADOPT:
            return End(Outcome.done(work.id))
        case Step.EXPIRE:
            return End(Outcome(work.id, OperationState.EXPIRED, "too old to be sent: `expires_at`"))
        case Step.CANCEL:
            reason = work.needless_because or CANCELED_BECAUSE[work.is_needless]
            return End(Outcome(work.id, OperationState.CANCELED, reason))
        case Step.WAIT:
            reason = "waits until it is known whether its page is in PagerTree"
            return End(Outcome.snooze(work.id, delay_s=HELD_BACK_S, reason=reason))
        case _:
            return buried(work)


def _look_at_once(work: Work, detail: str, *, attempts_max: int, grace_s: float) -> End:
    is_last = work.attempt >= attempts_max
    state = OperationState.UNKNOWN if is_last else OperationState.QUEUED
    outcome = Outcome(work.id, state, detail)
    return End(outcome, may_have_been_sent=True, is_unknown=is_last, grace_s=grace_s)


def _again(
    work: Work, detail: str, attempts_max: int, *, retry_after_s: float | None = None
) -> Outcome:
    if work.attempt >= attempts_max:
        return Outcome(work.id, _last_state(work.may_have_been_sent), detail)
    pause_s = max(backoff_s(work.attempt, random()), retry_after_s or 0)  # noqa: S311 - spreads load, guards nothing
    return Outcome(work.id, OperationState.QUEUED, detail, pause_s)


def _last_state(may_have_been_sent: bool) -> OperationState:  # noqa: FBT001 - a private shorthand
    return OperationState.UNKNOWN if may_have_been_sent else OperationState.DEAD
