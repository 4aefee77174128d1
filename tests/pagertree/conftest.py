"""One HTTP client for all tests of PagerTree's client: making one loads all certificates."""

from collections.abc import AsyncIterator

import pytest

from pagersync.http import AsyncClient
from pagersync.pagertree.client import create_http_client
from tests.pagertree.calls import Account


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[AsyncClient]:
    async with create_http_client(timeout_s=1) as client:
        yield client


@pytest.fixture
def account(http: AsyncClient) -> Account:
    return Account(http)
