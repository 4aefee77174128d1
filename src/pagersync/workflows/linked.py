"""The alerts in PagerTree that belong to what a run is about, or that a task names."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.models import Alert, AlertStatus
from pagersync.incidents.models import IncidentAlert
from pagersync.integrations.service import list_integrations
from pagersync.paging.models import Page, PageStatus
from pagersync.paging.service import NOTHING_OPEN
from pagersync.workflows.context import TaskContext, TaskFailedError


@dataclass(frozen=True, slots=True)
class Linked:
    """Pages, in the order in which they are locked, and alerts that are nobody's page."""

    pages: Sequence[Page] = ()
    alerts: Sequence[Alert] = field(default_factory=list)


async def find_linked(
    context: TaskContext,
    pagertree_alert_id: str | None,
    *,
    but: Sequence[PageStatus] = NOTHING_OPEN,
    with_pages_about: bool = False,
) -> Linked:
    """Return what a task acts on: the alert that it names, or all that are linked.

    Args:
        context: what the run is about.
        pagertree_alert_id: the alert that the task names, by PagerTree's id or prefix id.
        but: statuses of pages that are left out.
        with_pages_about: whether pages about alerts that are linked are linked, too.

    Raises:
        TaskFailedError: the named alert is not known here.
    """
    if pagertree_alert_id and pagertree_alert_id.strip():
        return await _find_named(context, pagertree_alert_id.strip(), but)
    session = context.session
    if context.incident_id is not None:
        own = Page.incident_id == context.incident_id
        is_attached = IncidentAlert.incident_id == context.incident_id
        if with_pages_about:
            ids = await session.scalars(select(IncidentAlert.alert_id).where(is_attached))
            own |= Page.alert_id.in_(ids.all())  # read before, so that an index serves
        attached = (
            select(Alert)
            .join(
                IncidentAlert,
                (IncidentAlert.alert_id == Alert.id)
                & (IncidentAlert.integration_id == Alert.integration_id),
            )
            .where(is_attached)
        )
        alerts = await session.scalars(
            attached.where(Alert.status != AlertStatus.RESOLVED).order_by(Alert.id)
        )
        return _without_twins(await _pages(session, own, but), list(alerts))
    if context.page_id is not None and context.alert_id is None:
        return Linked(await _pages(session, Page.id == context.page_id, but))
    alert = await context.alert()
    is_open = alert is not None and alert.status != AlertStatus.RESOLVED
    about: list[Page] = []
    if alert is not None and with_pages_about:
        about = await _pages(session, Page.alert_id == alert.id, but)
    return _without_twins(about, [alert] if alert is not None and is_open else [])


async def _find_named(context: TaskContext, name: str, but: Sequence[PageStatus]) -> Linked:
    session = context.session
    accounts = [each.id for each in await list_integrations(session)]
    is_named = or_(Page.pagertree_alert_id == name, Page.pagertree_id == name)
    pages = await _pages(session, is_named & Page.integration_id.in_(accounts), ())
    if pages:
        return Linked([page for page in pages if page.status not in but])
    statement = select(Alert).where(Alert.external_id == name, Alert.integration_id.in_(accounts))
    alerts = list(await session.scalars(statement))
    if not alerts:
        raise TaskFailedError(f"no alert of PagerTree's is known here by the id {name!r}")
    return Linked(alerts=alerts)


def _without_twins(pages: list[Page], alerts: list[Alert]) -> Linked:
    """Return pages and alerts without those alerts that one of the pages has made in PagerTree."""
    made = {(page.integration_id, page.pagertree_alert_id) for page in pages}
    return Linked(pages, [a for a in alerts if (a.integration_id, a.external_id) not in made])


async def _pages(
    session: AsyncSession, condition: ColumnElement[bool], but: Sequence[PageStatus]
) -> list[Page]:
    statement = select(Page).where(condition, Page.status.not_in(but))
    return list(await session.scalars(statement.order_by(Page.id)))
