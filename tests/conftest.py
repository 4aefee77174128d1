"""Fixtures: one embedded PostgreSQL for each test process, emptied after each test."""

import gc
import os
import ssl
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.costly import CostlyWork
from pagersync.database import engine as engine_module
from pagersync.database.embedded import EmbeddedPostgres
from pagersync.database.engine import Sessions, create_engine, create_sessions
from pagersync.database.migrate import upgrade
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.vault import new_secret_key
from pagersync.settings import Settings
from tests.support.account import Account
from tests.support.clusters import copy_cluster
from tests.support.databases import empty
from tests.support.server import running_server
from tests.support.times import check_times

OF_TESTS = tuple(f"PAGERSYNC_{what}_" for what in ("CHAOS", "FLOOD", "KILL", "PEOPLE"))
for name in [name for name in os.environ if name.startswith("PAGERSYNC_")]:
    if not name.startswith(OF_TESTS):
        del os.environ[name]  # an operator's settings must not decide how tests end

# To read all certificate authorities takes 20 ms: every client of a process can trust the same.
ssl.create_default_context = cache(ssl.create_default_context)  # type: ignore[assignment]

engine_module.CONNECT_TIMEOUT_S = 15  # processes of other tests may need both cores for a while

# The longest tests do a sixth of their work on each day. Set here, so that all processes agree.
os.environ.setdefault("TESTS_DAY", str(datetime.now(UTC).toordinal()))

structlog.configure(  # a traceback with everybody's local variables takes a second
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with tests that may take long, so that nobody waits for one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: half a million objects that stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """Yield a directory with a short path: a socket's path has a limit."""
    with tempfile.TemporaryDirectory(prefix="ps-") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@pytest.fixture(scope="session")
def database_url(scratch: Path) -> Iterator[str]:
    copy_cluster(scratch / "postgres")
    postgres = EmbeddedPostgres(scratch / "postgres", durable=False)
    postgres.start(keep=False)
    yield postgres.url
    postgres.stop()


@pytest.fixture(scope="session")
def settings(scratch: Path, database_url: str) -> Settings:
    return Settings(
        data_dir=scratch,
        database_url=SecretStr(database_url),
        secret_key=SecretStr(new_secret_key()),
        alerts_per_minute_max=0,  # tests hurry, and limits have tests of their own
        failed_logins_per_minute_max=0,
        http_client_hosts="x,hooks.example.com",  # what tests name that only save a call
        directory_sync_s=0,  # PagerTree itself is at the other end unless a test says otherwise
    )


@pytest.fixture(scope="session")
async def migrated_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    await upgrade(engine)
    await empty(engine)  # of what migrations fill in, as after every other test
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(migrated_engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Yield an engine on an empty database: tests commit, and what they wrote is deleted."""
    yield migrated_engine
    await empty(migrated_engine)


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    return create_sessions(engine)


@pytest.fixture(scope="session", autouse=True)
async def kept_process() -> AsyncIterator[None]:
    """Keep the process for costly work when a service ends: to start one takes a second."""
    kept: list[Process] = []
    start = CostlyWork._start  # noqa: SLF001 - the tests' own economy

    async def keep(work: CostlyWork) -> None:
        if work._process is not None:  # noqa: SLF001
            kept.append(work._process)  # noqa: SLF001
            work._process = None  # noqa: SLF001

    async def take() -> Process:
        return kept.pop() if kept else await start()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CostlyWork, "aclose", keep)
        patch.setattr(CostlyWork, "_start", staticmethod(take))
        yield
    for process in kept:
        process.kill()
        await process.wait()


@pytest.fixture
async def server(settings: Settings, engine: AsyncEngine) -> AsyncIterator[str]:
    """Yield the address of the whole service, workers included, over real HTTP."""
    del engine  # needed only to be there, and to be emptied
    async with running_server(settings) as url:
        yield url


@pytest.fixture
async def token(sessions: Sessions) -> str:
    async with sessions.begin() as session:
        return (await create_key(session, "test", [Scope.ADMIN])).token


@pytest.fixture
async def api(server: str, token: str) -> AsyncIterator[AsyncClient]:
    """Yield a client of the API that may do everything; the times of every answer are checked."""
    headers = {"Authorization": f"Bearer {token}"}
    hooks = {"response": [check_times]}
    async with AsyncClient(
        base_url=server, headers=headers, trust_env=False, event_hooks=hooks, timeout=60
    ) as client:
        yield client


@pytest.fixture
async def account(sessions: Sessions, server: str) -> AsyncIterator[Account]:
    """Yield a connected account and PagerTree's end of its webhook."""
    async with sessions.begin() as session:
        new = await service.add_integration(session, name="acme")
    url = f"{server}/webhooks/pagertree/{new.integration.id}"
    async with AsyncClient(trust_env=False) as client:
        yield Account(new.integration.id, url, new.webhook_secret, client)
