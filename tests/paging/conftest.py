"""A simulated PagerTree, an account of it that is connected, and the service that pages by it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.http import AsyncClient
from pagersync.integrations import service as integrations
from pagersync.integrations.directory import sync_directory
from pagersync.integrations.vault import open_vault
from pagersync.pagertree.client import PagerTree, create_http_client
from pagersync.paging.models import Attempt, Operation, Page
from pagersync.paging.repeats import RepeatChecker
from pagersync.paging.service import NewPage, create_page
from pagersync.settings import Settings
from pagersync.simulator.simulator import Simulator
from tests.support.pagertree import API_KEY, SimulatedPagerTree, simulated_pagertree
from tests.support.server import running_server
from tests.support.wait import eventually


@dataclass(frozen=True)
class Paging:
    """A service that pages by a simulated PagerTree, and a look at what it keeps."""

    pagertree: SimulatedPagerTree
    sessions: Sessions
    integration_id: UUID
    webhook_secret: str

    @property
    def simulator(self) -> Simulator:
        return self.pagertree.simulator

    async def page(self, **fields: Any) -> UUID:
        """Ask for a page of the first team."""
        team = self.simulator.directory.teams[0]
        target = {
            "kind": "team",
            "pagertree_id": team.id,
            "prefix_id": team.prefix_id,
            "name": team.name,
        }
        new = {
            "integration_id": self.integration_id,
            "title": "Database down",
            "targets": [target],
            "urgency": "high",
            **fields,
        }
        async with self.sessions.begin() as session:
            page = await create_page(session, NewPage(requested_by="a test", **new))
            return page.id

    async def sync(self) -> None:
        """Let the service know PagerTree's teams, users and routers."""
        http = create_http_client(timeout_s=5)
        url = self.pagertree.api_url
        pagertree = PagerTree(http, pagertree_url=url, api_key=API_KEY, timeout_s=5)
        await sync_directory(self.sessions, pagertree, self.integration_id)
        await http.aclose()

    async def get(self, page_id: UUID) -> Page:
        async with self.sessions() as session:
            return (await session.scalars(select(Page).where(Page.id == page_id))).one()

    async def reaches(self, page_id: UUID, *statuses: str) -> Page:
        """Wait until a page has one of these statuses."""
        return await eventually(
            lambda: self.get(page_id), lambda page: page.status in statuses, timeout_s=15
        )

    async def operations(self, page_id: UUID) -> list[Operation]:
        async with self.sessions() as session:
            statement = select(Operation).where(Operation.page_id == page_id)
            return list((await session.scalars(statement.order_by(Operation.id))).all())

    async def attempts(self, page_id: UUID) -> list[Attempt]:
        async with self.sessions() as session:
            ids = select(Operation.id).where(Operation.page_id == page_id)
            statement = select(Attempt).where(Attempt.operation_id.in_(ids)).order_by(Attempt.id)
            return list((await session.scalars(statement)).all())

    async def events(self, page_id: UUID) -> list[str]:
        async with self.sessions() as session:
            statement = select(DomainEvent.type).where(DomainEvent.subject_id == page_id)
            return list((await session.scalars(statement.order_by(DomainEvent.id))).all())


@pytest.fixture
async def pagertree() -> AsyncIterator[SimulatedPagerTree]:
    async with simulated_pagertree() as running:
        yield running


@pytest.fixture
def paging_settings(settings: Settings) -> Settings:
    """Return settings with short pauses."""
    return settings.model_copy(
        update={
            "search_settle_s": 0.3,
            "pagertree_timeout_s": 1.0,
            "pagertree_calls_per_s": 1000.0,
            "pagertree_burst_calls": 1000,
        }
    )


@pytest.fixture
async def idle(pagertree: SimulatedPagerTree, sessions: Sessions, settings: Settings) -> Paging:
    """Return a connected account whose service does not run yet."""
    async with sessions.begin() as session:
        new = await integrations.add_integration(
            session,
            name="acme",
            pagertree_url=pagertree.api_url,
            api_key_encrypted=open_vault(settings).encrypt(API_KEY),
        )
    return Paging(pagertree, sessions, new.integration.id, new.webhook_secret)


@pytest.fixture
async def directory(idle: Paging) -> Paging:
    """Return a connected account whose teams, users and routers are known."""
    await idle.sync()
    return idle


@pytest.fixture
async def service_url(idle: Paging, paging_settings: Settings) -> AsyncIterator[str]:
    """Yield the address of the running service that PagerTree's webhooks go to."""
    async with running_server(paging_settings) as url:
        idle.simulator.change(
            webhook_url=f"{url}/webhooks/pagertree/{idle.integration_id}",
            webhook_secret=idle.webhook_secret,
        )
        yield url
        idle.simulator.change(webhooks="off")


@pytest.fixture
async def paging(directory: Paging, service_url: str) -> Paging:
    """Return a connected account whose service runs, with webhooks."""
    del service_url
    return directory


@pytest.fixture
async def service_api(service_url: str, token: str) -> AsyncIterator[AsyncClient]:
    """Yield a client of that service's API that may do everything."""
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(
        base_url=service_url, headers=headers, trust_env=False, timeout=60
    ) as client:
        yield client


@pytest.fixture
def checker(engine: AsyncEngine, settings: Settings) -> RepeatChecker:
    return RepeatChecker(engine, settings)
