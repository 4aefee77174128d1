"""The end of alerts that are attached to an incident that is over already."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts.actions import resolve_alert
from pagersync.alerts.models import Alert
from pagersync.alerts.store import AlertKey, lock_alerts
from pagersync.database.session import driver_connection
from pagersync.events.publish import Cause
from pagersync.paging.models import Page
from pagersync.paging.service import NOTHING_OPEN, resolve_page


async def resolve_alerts(session: AsyncSession, alert_ids: Sequence[UUID], cause: Cause) -> None:
    """Resolve alerts, in PagerTree if they live there, and the pages about them.

    Pages are locked before alerts, and alerts in the order in which webhooks of them do.
    """
    chosen = select(Alert).where(Alert.id.in_(alert_ids)).order_by(Alert.id)
    alerts = list(await session.scalars(chosen))
    home = [
        (Page.integration_id == alert.integration_id)
        & (Page.pagertree_alert_id == alert.external_id)
        for alert in alerts
    ]
    is_about = or_(Page.alert_id.in_(alert_ids), *home)
    pages = select(Page).where(is_about, Page.status.not_in(NOTHING_OPEN)).order_by(Page.id)
    for page in list(await session.scalars(pages)):
        await resolve_page(session, page, requested_by=cause.requested_by)
    keys = [AlertKey(alert.integration_id, alert.external_id) for alert in alerts]
    await lock_alerts(await driver_connection(session), keys)  # all at once: in one order
    for alert in alerts:
        await session.refresh(alert)
        await resolve_alert(session, alert, cause)
