"""Rootly's own client, pointed at a running pagersync."""

from collections.abc import AsyncIterator

import pytest
from rootly_sdk import AuthenticatedClient

from pagersync.http import AsyncClient
from tests.compatibility.directory import ConnectedLists, connect
from tests.compatibility.driving import Driver
from tests.support.lists import Lists


@pytest.fixture
async def rootly(server: str, token: str) -> AsyncIterator[Driver]:
    """Yield a driver of the client of PyPI's `rootly`, as its users set it up."""
    client = AuthenticatedClient(
        base_url=server,
        token=token,
        raise_on_unexpected_status=True,
        httpx_args={"trust_env": False},
    )
    async with client:
        yield Driver(client)


@pytest.fixture
async def pagertree(api: AsyncClient) -> AsyncIterator[ConnectedLists]:
    """Yield an account at PagerTree of two teams and two users, whose directory is here."""
    async with Lists.served() as lists:
        yield await connect(api, lists)
