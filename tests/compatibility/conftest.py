"""Rootly's own client, pointed at a running pagersync."""

from collections.abc import AsyncIterator

import pytest
from rootly_sdk import AuthenticatedClient

from tests.compatibility.driving import Driver


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
