"""One `serve` for all attacks, with short deadlines; an account that sends webhooks to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions
from pagersync.integrations import service
from pagersync.settings import Settings
from tests.flood.attack import Watch
from tests.support.program import Program, Setup

DEADLINE_S = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flood)
            item.add_marker(pytest.mark.xdist_group("flood"))


@pytest.fixture(scope="package")
def setup(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """Return an installation on the external database that tests share."""
    assert settings.database_url is not None
    variables = {
        "PAGERSYNC_DATABASE_URL": settings.database_url.get_secret_value(),
        "PAGERSYNC_HEAD_TIMEOUT_S": str(DEADLINE_S),
        "PAGERSYNC_BODY_TIMEOUT_S": str(DEADLINE_S),
        "PAGERSYNC_SLOWEST_BYTES_PER_S": "1000000",
        "PAGERSYNC_API_BODIES_BYTES_MAX": "4194304",
        "PAGERSYNC_WEBHOOK_BODIES_BYTES_MAX": "4194304",
        "PAGERSYNC_UNREAD_ANSWERS_BYTES_MAX": "16777216",
        "PAGERSYNC_WRITES_PER_MINUTE_MAX": "0",
        "PAGERSYNC_FAILED_LOGINS_PER_MINUTE_MAX": "0",
    }
    return Setup(tmp_path_factory.mktemp("flood"), variables)


@pytest.fixture(scope="package")
async def program(setup: Setup, migrated_engine: AsyncEngine) -> AsyncIterator[Program]:
    """Yield the process that is attacked."""
    del migrated_engine
    async with setup.running("serve", "--no-workers") as program:
        await program.url()
        yield program


@pytest.fixture
async def url(program: Program, engine: AsyncEngine) -> str:
    """Return its address; the database is emptied after each test."""
    del engine
    return await program.url()


@pytest.fixture
async def watch(url: str, sessions: Sessions) -> Watch:
    """Return who needs the service."""
    return await watch_at(url, sessions)


async def watch_at(url: str, sessions: Sessions) -> Watch:
    """Return PagerTree, for a service at that address."""
    async with sessions.begin() as session:
        new = await service.add_integration(session, name="acme")
    return Watch(f"{url}/webhooks/pagertree/{new.integration.id}", new.webhook_secret)
