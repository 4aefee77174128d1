"""The database goes away, or hangs, and comes back: 503, then service again by itself."""

import asyncio
import os
import signal
import tempfile
from pathlib import Path

import pytest

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.embedded import EmbeddedPostgres
from pagersync.database.engine import create_engine, create_sessions
from pagersync.database.migrate import upgrade
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.settings import Settings
from tests.support.account import Account, event
from tests.support.clusters import copy_cluster
from tests.support.program import Setup
from tests.support.server import running_server
from tests.support.wait import eventually

pytestmark = pytest.mark.long


async def test_a_webhook_is_503_while_the_database_is_away_and_202_when_it_is_back(
    settings: Settings,
) -> None:
    with tempfile.TemporaryDirectory(prefix="ps-") as directory:
        Path(directory).chmod(0o711)
        copy_cluster(Path(directory) / "postgres")
        postgres = EmbeddedPostgres(Path(directory) / "postgres", durable=False)
        postgres.start(keep=False)
        own = settings.at_database(postgres.url)
        engine = create_engine(own)
        await upgrade(engine)
        async with create_sessions(engine).begin() as session:
            new = await service.add_integration(session, name="acme")
            token = (await create_key(session, "test", [Scope.READ])).token
        await engine.dispose()
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            running_server(own) as url,
            AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=20) as client,
        ):
            hook = f"{url}/webhooks/pagertree/{new.integration.id}"
            account = Account(new.integration.id, hook, new.webhook_secret, client)
            assert (await account.post(event("alert.created"))).status_code == 202
            assert (await client.get("/readyz")).json()["ready"] is True

            postgres.stop()
            answer = await account.post(event("alert.open"))
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["errors"][0]["code"] == "unavailable"
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/metrics")).status_code == 200
            listing = await client.get("/v1/alerts")
            assert (listing.status_code, "Retry-After" in listing.headers) == (503, True)

            postgres.start(keep=False)

            async def status() -> int:
                return (await account.post(event("alert.open"))).status_code

            await eventually(status, lambda code: code == 202)

            async def alert_status() -> list[str]:
                rows = (await client.get("/v1/alerts")).json()["data"]
                return [row["attributes"]["status"] for row in rows]

            await eventually(alert_status, lambda seen: seen == ["triggered"])
        postgres.stop()


def freeze(postgres_dir: Path, number: signal.Signals) -> None:
    """Send a signal to a PostgreSQL server and all its processes."""
    postmaster = int((postgres_dir / "data" / "postmaster.pid").read_text().split()[0])
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    fields = [stat.rpartition(")")[2].split() for stat in stats]
    pids = [int(stat.split()[0]) for stat in stats]
    children = [pid for pid, field in zip(pids, fields, strict=True) if int(field[1]) == postmaster]
    for pid in (postmaster, *children):
        os.kill(pid, number)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
async def test_a_database_that_hangs_costs_a_503_and_holds_up_no_end(settings: Settings) -> None:
    with tempfile.TemporaryDirectory(prefix="ps-") as directory:
        Path(directory).chmod(0o711)
        root = Path(directory) / "postgres"
        copy_cluster(root)
        with EmbeddedPostgres(root, durable=False) as postgres:
            engine = create_engine(settings.at_database(postgres.url))
            await upgrade(engine)
            async with create_sessions(engine).begin() as session:
                new = await service.add_integration(session, name="acme")
            await engine.dispose()
            setup = Setup(Path(directory), {"PAGERSYNC_DATABASE_URL": postgres.url})
            quick = setup.having(PAGERSYNC_INGEST_TIMEOUT_S="1")
            async with quick.running("serve") as serve, quick.running("worker") as worker:
                url = await serve.url()
                await worker.says("pagersync works")
                async with AsyncClient(trust_env=False, timeout=20) as client:
                    hook = f"{url}/webhooks/pagertree/{new.integration.id}"
                    account = Account(new.integration.id, hook, new.webhook_secret, client)
                    assert (await account.post(event("alert.created"))).status_code == 202
                    freeze(root, signal.SIGSTOP)
                    try:
                        for _ in range(2):
                            assert (await account.post(event("alert.open"))).status_code == 503
                        assert (await client.get(f"{url}/readyz")).status_code == 503
                        ends = await asyncio.gather(serve.terminate(), worker.terminate())
                    finally:
                        freeze(root, signal.SIGCONT)
                assert list(ends) == [0, 0]
