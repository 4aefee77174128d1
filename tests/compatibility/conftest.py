"""Rootly's own client, pointed at a running pagersync."""

from collections.abc import AsyncIterator

import pytest
from rootly_sdk import AuthenticatedClient

from pagersync.http import AsyncClient
from tests.compatibility.directory import ConnectedLists, connect
from tests.compatibility.driving import Driver
from tests.paging.conftest import (
    directory,
    idle,
    pagertree,
    paging,
    paging_settings,
    service_api,
    service_url,
)
from tests.support.lists import Lists

__all__ = [
    "directory",
    "idle",
    "pagertree",
    "paging",
    "paging_settings",
    "service_api",
    "service_url",
]


@pytest.fixture
async def rootly(server: str, token: str) -> AsyncIterator[Driver]:
    """Yield a driver of the client of PyPI's `rootly`, as its users set it up."""
    async with _client(server, token) as client:
        yield Driver(client)


@pytest.fixture
async def service_rootly(service_url: str, token: str) -> AsyncIterator[Driver]:
    """Yield one of the service that pages by a simulated PagerTree."""
    async with _client(service_url, token) as client:
        yield Driver(client)


def _client(url: str, token: str) -> AuthenticatedClient:
    return AuthenticatedClient(
        base_url=url,
        token=token,
        raise_on_unexpected_status=True,
        httpx_args={"trust_env": False},
    )


@pytest.fixture
async def listed(api: AsyncClient) -> AsyncIterator[ConnectedLists]:
    """Yield an account at PagerTree of two teams and two users, whose directory is here."""
    async with Lists.served() as lists:
        yield await connect(api, lists)
