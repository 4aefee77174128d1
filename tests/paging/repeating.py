"""Pages that reach nobody, and what tests ask about them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from pagersync.events.publish import Cause
from pagersync.incidents.models import Incident, IncidentEvent
from pagersync.incidents.service import NewIncident, create_incident
from pagersync.integrations import service as integrations
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import open_vault
from pagersync.paging.models import Operation, Page
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.support.pagertree import API_KEY

ELSEWHERE_S = 300.0


async def changed(paging: Paging, integration_id: UUID | None = None, **columns: Any) -> None:
    async with paging.sessions.begin() as session:
        await session.execute(
            update(Integration)
            .where(Integration.id == (integration_id or paging.integration_id))
            .values(**columns)
        )


async def unknown(paging: Paging, *, for_s: float, **fields: Any) -> UUID:
    """Return a page of which nobody could tell for so long whether PagerTree has it."""
    page_id = await paging.page(**fields)
    sent_at = datetime.now(UTC) - timedelta(seconds=for_s)
    async with paging.sessions.begin() as session:
        await session.execute(
            update(Operation)
            .where(Operation.page_id == page_id)
            .values(may_have_been_sent=True, first_sent_at=sent_at, last_sent_at=sent_at)
        )
        await session.execute(update(Page).where(Page.id == page_id).values(status="unknown"))
    return page_id


async def repeats(paging: Paging, page_id: UUID) -> list[Page]:
    async with paging.sessions() as session:
        statement = select(Page).where(Page.repeat_of == page_id).order_by(Page.id)
        return list((await session.scalars(statement)).all())


async def incident(paging: Paging, **columns: Any) -> Incident:
    async with paging.sessions.begin() as session:
        new = await create_incident(session, NewIncident(title="Down"), Cause("a test"))
        for name, value in columns.items():
            setattr(new, name, value)
        return new


async def timeline(paging: Paging, incident_id: UUID) -> list[str]:
    async with paging.sessions() as session:
        statement = select(IncidentEvent.event).where(IncidentEvent.incident_id == incident_id)
        return list((await session.scalars(statement.order_by(IncidentEvent.id))).all())


async def other_account(paging: Paging, settings: Settings, name: str, **columns: Any) -> UUID:
    """Connect one more account, at the same PagerTree, that pages a team by default."""
    team = paging.simulator.directory.teams[1]
    columns = {"default_targets": {"teams": [{"id": team.id}]}, **columns}
    async with paging.sessions.begin() as session:
        new = await integrations.add_integration(
            session,
            name=name,
            pagertree_url=paging.pagertree.api_url,
            api_key_encrypted=open_vault(settings).encrypt(API_KEY),
            **columns,
        )
    integration_id = new.integration.id
    await Paging(paging.pagertree, paging.sessions, integration_id, "").sync()
    return integration_id
