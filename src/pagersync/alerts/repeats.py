"""A request with the deduplication key of an alert that goes on: what becomes of it.

It is counted, and it may raise the alert. A page goes out for it only where the alert alone would
leave people unpaged for what is more urgent now, or where nobody was paged at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts import actions
from pagersync.alerts.models import Alert, AlertStatus
from pagersync.alerts.urgency import highest, is_higher, severity_in, with_severity
from pagersync.alerts.views import is_local
from pagersync.database.notify import notify
from pagersync.events.publish import Cause
from pagersync.jsonapi import iso
from pagersync.pagertree.severity import AUTO
from pagersync.paging.models import Operation, OperationKind, OperationState, Page, PageStatus
from pagersync.paging.page_targets import paged
from pagersync.paging.service import NewPage, create_page

NO_TARGETS: Final = "was acknowledged, was not paged from here, and the request names no targets"


@dataclass(frozen=True, slots=True)
class Known:
    """How an alert stands that is asked for again.

    Attributes:
        name: its short id.
        urgency, severity: the highest that it has, or was asked for; None: unknown.
        is_paged: whether PagerTree has it, or will have.
        paged: the names of those that it pages, as far as they are known.
        snoozed_until: when it is paged again.
        ended: how its last page ended, if PagerTree never had it: `failed`, `canceled`, `expired`.
    """

    name: str
    status: str
    urgency: str | None
    severity: str | None
    is_paged: bool
    paged: Sequence[str] = ()
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a repeat.

    Attributes:
        urgency, severity: what the alert is raised to; None: it stays.
        pages: whether somebody is paged at once.
        notes: what the caller should know, one sentence each.
    """

    urgency: str | None = None
    severity: str | None = None
    pages: bool = False
    notes: tuple[str, ...] = ()

    @property
    def raises(self) -> bool:
        """Whether the alert is raised."""
        return self.urgency is not None or self.severity is not None


def decide(known: Known, *, urgency: str, severity: str | None, targets: Sequence[str]) -> Decision:
    """Return what follows from asking for an alert again. Pure.

    Args:
        known: the alert.
        urgency: what is asked for; `auto` asks for nothing.
        severity: as urgency; None asks for nothing.
        targets: the names of those whom the request names.
    """
    decision = Decision(
        urgency if is_higher(urgency, known.urgency) else None,
        severity if is_higher(severity, known.severity) else None,
    )
    is_held = known.status == AlertStatus.ACKNOWLEDGED
    if is_held and decision.raises:
        again = f"It was {_held(known)}: people are paged again."
        return replace(decision, pages=True, notes=(_raised(known, decision), again))
    if is_held:
        return replace(decision, notes=(f"Nobody is paged by this: it was {_held(known)}.",))
    if not known.is_paged:
        return _of_unpaged(decision, known, targets)
    notes: tuple[str, ...] = (_raised(known, decision),) if decision.raises else ()
    others = [name for name in targets if name not in known.paged] if known.paged else []
    if others:
        notes += (
            f"{', '.join(others)}: not paged, since alert {known.name} pages others already.",
        )
    return replace(decision, notes=notes)


def _of_unpaged(decision: Decision, known: Known, targets: Sequence[str]) -> Decision:
    """Return what follows for an alert that nobody was paged for."""
    if targets or known.ended is None:
        return replace(decision, pages=bool(targets))
    if known.ended == PageStatus.FAILED:
        said = f"The page of alert {known.name} failed: the same targets are paged again."
        return replace(decision, pages=True, notes=(said,))
    how = "was canceled" if known.ended == PageStatus.CANCELED else known.ended
    said = (
        f"Nobody is paged by this: the page of alert {known.name} {how}, the request names no "
        "targets, and the account has no default targets. Name teams, users or routers."
    )
    return replace(decision, notes=(said,))


def _held(known: Known) -> str:
    if known.snoozed_until is not None:
        return f"snoozed until {iso(known.snoozed_until)}"
    since = f" at {iso(known.acknowledged_at)}" if known.acknowledged_at else ""
    return f"acknowledged{since}"


def _raised(known: Known, decision: Decision) -> str:
    changes = (
        ("urgency", known.urgency, decision.urgency),
        ("severity", known.severity, decision.severity),
    )
    told = [f"{name} from {old or 'unknown'} to {new}" for name, old, new in changes if new]
    return f"Alert {known.name} is raised: {', '.join(told)}."


async def repeat(
    session: AsyncSession, alert: Alert, asked: NewPage, cause: Cause
) -> tuple[Alert, Sequence[str]] | None:
    """Count a repeat, and raise and page for its alert where that is needed.

    Returns the alert and what the caller should know; None if it was resolved a moment ago.
    """
    about = (Page.integration_id == alert.integration_id, Page.alert_id == alert.id)
    own = select(Page).where(*about).order_by(Page.id).with_for_update()
    pages = list(await session.scalars(own.execution_options(populate_existing=True)))
    await actions.lock_alert(session, alert)  # after its pages, as everybody does
    if alert.status == AlertStatus.RESOLVED:
        return None
    home = await actions.find_home(session, alert)
    last = pages[-1] if pages else None
    waiting = [p for p in pages if p.send_at is not None and p.status == PageStatus.QUEUED]
    decision = decide(
        _known(alert, home, last, waiting),
        urgency=asked.urgency,
        severity=asked.severity,
        targets=_names(asked.targets),
    )
    notes = list(decision.notes)
    alert = await actions.count_duplicate(session, alert, cause)
    if decision.raises:
        raised = [p.id for p in pages if p.status == PageStatus.QUEUED or p == home]
        alert = await _raise(session, alert, raised, decision, cause)
    if decision.pages and waiting:
        await _send_now(session, waiting)
    elif decision.pages and not await _page(session, alert, asked, home or last, decision):
        notes[-1] = f"Nobody is paged by this: alert {alert.short_id} {NO_TARGETS}."
    return alert, notes


def _known(alert: Alert, home: Page | None, last: Page | None, waiting: Sequence[Page]) -> Known:
    severity = severity_in(alert.data)
    return Known(
        name=alert.short_id,
        status=alert.status,
        urgency=highest(alert.labels.get("pagertree_urgency"), home.urgency if home else None),
        severity=highest(severity, home.severity if home else None),
        is_paged=home is not None or not is_local(alert),
        paged=_names(home.targets) if home else (),
        acknowledged_at=alert.acknowledged_at,
        snoozed_until=max((p.send_at for p in waiting if p.send_at), default=None),
        ended=last.status if last is not None and home is None else None,
    )


def _names(targets: Sequence[dict[str, Any]]) -> list[str]:
    return [str(target["name"]) for target in paged(targets)]


async def _raise(
    session: AsyncSession, alert: Alert, page_ids: Sequence[UUID], decision: Decision, cause: Cause
) -> Alert:
    """Raise an alert here, in PagerTree, and in those pages about it that are locked.

    One that somebody asks for at this moment has an urgency of its own: who waited for it here
    would hold the alert, for which the sender of that page may wait.
    """
    changes = {"urgency": decision.urgency, "severity": decision.severity}
    changes = {name: value for name, value in changes.items() if value is not None}
    await session.execute(update(Page).where(Page.id.in_(page_ids)).values(**changes))
    await actions.ask(session, alert, OperationKind.UPDATE_ALERT, cause, dict(changes))
    values: dict[str, Any] = {}
    if decision.urgency:
        values["urgency"] = decision.urgency
    if decision.severity:
        values["data"] = json.dumps(with_severity(alert.data, decision.severity))
    told = " and ".join(f"{name} {value}" for name, value in changes.items())
    details = f"Raised to {told} by {cause.requested_by}, who asked for it again."
    return await actions.happened_to(session, alert, "updated", details, cause, values=values)


async def _send_now(session: AsyncSession, waiting: Sequence[Page]) -> None:
    """End a snooze: what waits for its end goes out at once."""
    ids = [page.id for page in waiting]
    creates = (Operation.page_id.in_(ids), Operation.kind == OperationKind.CREATE_ALERT)
    await session.execute(update(Page).where(Page.id.in_(ids)).values(send_at=func.now()))
    queued = Operation.state == OperationState.QUEUED
    await session.execute(update(Operation).where(*creates, queued).values(run_at=func.now()))
    await notify(session, "operations")


async def _page(
    session: AsyncSession, alert: Alert, asked: NewPage, home: Page | None, decision: Decision
) -> bool:
    """Page for an alert once more: whom the request names, or whoever was paged; tell whether."""
    targets = asked.targets or (home.targets if home else [])
    if not targets:
        return False
    page = replace(
        asked,
        targets=targets,
        alert_id=alert.id,
        urgency=decision.urgency or (home.urgency if home else AUTO),
        severity=decision.severity or asked.severity or (home.severity if home else None),
    )
    await create_page(session, page)
    return True
