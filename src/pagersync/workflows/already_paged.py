"""Whether the alert that an incident was made of pages the same people already.

If it does, the incident's own page stands by (`paging/standby.py`): nobody is called twice, and
nobody is forgotten. Whatever is not known for certain leads to a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.actions import find_home, lock_alert
from pagersync.alerts.models import Alert, AlertStatus
from pagersync.alerts.urgency import RANKS, highest, severity_in
from pagersync.alerts.views import is_local
from pagersync.incidents.models import Incident
from pagersync.pagertree.severity import AUTO
from pagersync.paging.models import Page
from pagersync.paging.page_targets import names_of, paged
from pagersync.paging.service import NewPage, keep_incident
from pagersync.workflows.context import TaskContext

PAGING: Final = ("queued", "open")
"""PagerTree's statuses of an alert that pages people, or is about to."""


@dataclass(frozen=True, slots=True)
class Pager:
    """An alert, as far as it pages people.

    Attributes:
        name: its short id.
        is_there: whether it is in PagerTree.
        pagertree_status: as PagerTree calls it, where that is known.
        whom: PagerTree's ids of those that it pages; empty: not known.
    """

    name: str
    status: str
    is_there: bool
    pagertree_status: str | None
    urgency: str | None
    severity: str | None = None
    whom: frozenset[str] = frozenset()


def why_page(
    alert: Pager, *, urgency: str | None, targets: Sequence[Mapping[str, Any]]
) -> str | None:
    """Return why the incident's page goes out beside its alert; None if it stands by. Pure.

    Args:
        alert: what the incident was made of.
        urgency: what the page asks for; None for nothing of its own.
        targets: whom the page is for.
    """
    ids = [{target.get("pagertree_id"), target.get("prefix_id")} - {None} for target in targets]
    is_other = not ids or any(alert.whom.isdisjoint(known) for known in ids)
    is_above = urgency is not None and RANKS[urgency] > RANKS.get(alert.urgency or "", -1)
    is_paging = alert.pagertree_status in PAGING and alert.status != AlertStatus.RESOLVED
    reasons = {
        "is not in PagerTree": not alert.is_there,
        f"is {alert.pagertree_status or 'of unknown status'} in PagerTree": not is_paging,
        f"has the urgency {alert.urgency or 'unknown'}": alert.urgency in (None, "silent"),
        f"has the urgency {alert.urgency}, and the incident asks for {urgency}": is_above,
        "is not known to page the same people": is_other,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def urgency_asked(page: NewPage, alert: Pager) -> str | None:
    """Return the urgency of a page for an incident that was made of an alert. Pure.

    Where the task leaves it open, it is no less than the alert's, and follows the severity.
    """
    if page.urgency != AUTO:
        return page.urgency
    named = alert.urgency if alert.urgency != "silent" else None
    return highest(page.severity, named)


async def load_source(session: AsyncSession, page: NewPage) -> tuple[Alert, Pager] | None:
    """Return the alert that a page's incident was made of, locked; None if there is none."""
    if page.incident_id is None:
        return None
    incident = await session.get(Incident, page.incident_id)
    if incident is None or incident.source_alert_id is None:
        return None
    await keep_incident(session, page.incident_id)  # before the alert, as everybody does
    own = select(Alert).where(Alert.id == incident.source_alert_id)
    alert = await session.scalar(own)
    if alert is None:
        return None
    await lock_alert(session, alert)  # what becomes of it later sees the page that stands by
    return alert, pager_of(alert, await find_home(session, alert))


def pager_of(alert: Alert, home: Page | None) -> Pager:
    """Return an alert as far as it pages people, by its row and the page that it lives by."""
    known = alert.labels.get("pagertree_urgency"), home.urgency if home else None
    level = severity_in(alert.data)
    return Pager(
        name=alert.short_id,
        status=alert.status,
        is_there=not is_local(alert),
        pagertree_status=alert.labels.get("pagertree_status"),
        urgency="silent" if known[0] == "silent" else highest(*known),
        severity=level.value if level else (home.severity if home else None),
        whom=frozenset(_ids(alert.data, home)),
    )


def _ids(data: Mapping[str, Any], home: Page | None) -> list[str]:
    named = data.get("destination_ids")
    ids = [*named] if isinstance(named, list) else []
    ids += [data.get("d_team_id"), data.get("d_user_id")]
    for target in paged(home.targets) if home else ():
        ids += [target.get("pagertree_id"), target.get("prefix_id")]
    return [each for each in ids if isinstance(each, str) and each]


async def beside_its_alert(
    context: TaskContext, page: NewPage, *, skips: bool, minutes: int
) -> tuple[NewPage | None, str | None]:
    """Return the page to make for an incident, and what to say of it.

    Args:
        context: of the task; gets a note where the page goes out although the alert exists.
        page: as the task asks for it.
        skips: whether the page stands by while the alert pages the same people.
        minutes: for how long at most.

    Returns:
        The page, None if somebody has the alert already, and why it is not sent now, if so.
    """
    source = await load_source(context.session, page)
    if source is None:
        return page, None
    alert, pager = source
    urgency = urgency_asked(page, pager)
    page = replace(page, urgency=urgency or page.urgency)
    if not skips:
        return page, None
    if pager.is_there and pager.status == AlertStatus.ACKNOWLEDGED:
        return None, f"not paged again: alert {pager.name} in PagerTree is acknowledged already"
    targets = paged(page.targets)
    if reason := why_page(pager, urgency=urgency, targets=targets):
        context.notes.append(f"paged although alert {pager.name} exists, because it {reason}")
        return page, None
    names = names_of(page.targets)
    said = (
        f"not paged again: alert {pager.name} in PagerTree already pages {names} with urgency "
        f"{pager.urgency}; the page goes out if nobody acknowledges it within {minutes} minutes, "
        "or as soon as PagerTree drops it"
    )
    send_at = datetime.now(UTC) + timedelta(minutes=minutes)
    notes = [*page.notes, said]
    return replace(page, standby_for=alert.id, send_at=send_at, notes=notes), said
