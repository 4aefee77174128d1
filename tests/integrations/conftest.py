"""An account at PagerTree with teams, users and routers, connected here."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.connect import take_api_key
from pagersync.integrations.directory_models import DirectoryEntry
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import Vault, open_vault
from pagersync.pagertree.client import create_http_client
from pagersync.settings import Settings
from tests.support.lists import GOOD_KEY, Lists, router, team, user


@pytest.fixture
async def lists() -> AsyncIterator[Lists]:
    """Yield an account of two teams, two users and a router."""
    async with Lists.served() as lists:
        lists.rows = {
            "teams": [team(1, "SRE"), team(2, "Checkout")],
            "account_users": [
                user(1, "Olivia Ortiz", "olivia@private.test", "Olivia@acme.test"),
                user(2, "Ben Okafor", "ben@acme.test"),
            ],
            "routers": [router(1, "Business Hours")],
        }
        yield lists


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return open_vault(settings)


@pytest.fixture
async def http() -> AsyncIterator[AsyncClient]:
    async with create_http_client(timeout_s=5) as http:
        yield http


@pytest.fixture
async def integration(
    sessions: Sessions, lists: Lists, http: AsyncClient, vault: Vault
) -> Integration:
    return await connect(sessions, lists, http, vault, name="acme")


async def connect(
    sessions: Sessions, lists: Lists, http: AsyncClient, vault: Vault, *, name: str
) -> Integration:
    """Connect an account, whose directory is then due."""
    columns = await take_api_key(
        http, vault, api_key=GOOD_KEY, pagertree_url=lists.url, verify=False
    )
    async with sessions.begin() as session:
        new = await service.add_integration(session, name=name, pagertree_url=lists.url, **columns)
    return new.integration


async def kept(sessions: Sessions) -> dict[str, DirectoryEntry]:
    """Return the whole directory by prefix id."""
    async with sessions() as session:
        entries = await session.scalars(select(DirectoryEntry))
        return {str(entry.prefix_id): entry for entry in entries}


async def reread(sessions: Sessions, integration_id: UUID) -> Any:
    """Return an integration as it is now."""
    async with sessions() as session:
        return await session.get_one(Integration, integration_id)
