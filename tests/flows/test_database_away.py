"""The database goes away and comes back: 503 at once, then service again by itself."""

import tempfile
from pathlib import Path

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.embedded import EmbeddedPostgres
from pagersync.database.engine import create_engine, create_sessions
from pagersync.database.migrate import upgrade
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.settings import Settings
from tests.support.account import Account, event
from tests.support.server import running_server
from tests.support.wait import eventually


async def test_a_webhook_is_503_while_the_database_is_away_and_202_when_it_is_back(
    settings: Settings,
) -> None:
    with tempfile.TemporaryDirectory(prefix="ps-") as directory:
        Path(directory).chmod(0o711)
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
