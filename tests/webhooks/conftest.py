"""A service that may call this machine, an integrator's end, and what happens."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions, raw_connection
from pagersync.http import AsyncClient, Response
from pagersync.settings import Settings
from tests.support.server import running_server, serving
from tests.support.wait import eventually
from tests.webhooks.receiver import Received, Receiver

ENDPOINTS = "/v1/webhooks/endpoints"
DELIVERIES = "/v1/webhooks/deliveries"


def body(type_: str = "webhooks_endpoints", **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": type_, "attributes": attributes}}


@dataclass(frozen=True)
class Hooks:
    """Everything that a test of webhooks has to do with."""

    api: AsyncClient
    url: str
    receiver: Receiver
    engine: AsyncEngine
    sessions: Sessions

    async def post(self, path: str = "/hook", **attributes: Any) -> Response:
        given = {"name": path, "url": f"{self.url}{path}", **attributes}
        return await self.api.post(ENDPOINTS, json=body(**given))

    async def add(self, path: str = "/hook", **attributes: Any) -> dict[str, Any]:
        response = await self.post(path, **attributes)
        assert response.status_code == 201, response.text
        return flat(response)

    async def show(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        return flat(await self.api.get(f"{ENDPOINTS}/{endpoint['id']}"))

    async def change(self, endpoint: dict[str, Any], **attributes: Any) -> dict[str, Any]:
        response = await self.api.put(f"{ENDPOINTS}/{endpoint['id']}", json=body(**attributes))
        assert response.status_code == 200, response.text
        return flat(response)

    async def deliveries(self, endpoint: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        response = await self.api.get(f"{ENDPOINTS}/{endpoint['id']}/deliveries?{query}")
        assert response.status_code == 200, response.text
        return [{"id": row["id"], **row["attributes"]} for row in response.json()["data"]]

    async def delivery(self, delivery: dict[str, Any]) -> dict[str, Any]:
        return flat(await self.api.get(f"{DELIVERIES}/{delivery['id']}"))

    async def received(self, number: int, path: str = "/hook") -> list[Received]:
        """Return what came to a path when at least so much has."""

        async def ask() -> list[Received]:
            return self.receiver.to(path)

        return await eventually(ask, lambda came: len(came) >= number)

    async def reached(
        self, endpoint: dict[str, Any], state: str, number: int = 1
    ) -> list[dict[str, Any]]:
        """Return an endpoint's deliveries in a state when there are so many."""

        async def ask() -> list[dict[str, Any]]:
            return await self.deliveries(endpoint, f"filter[state]={state}")

        return await eventually(ask, lambda rows: len(rows) == number)

    async def declare(self, **attributes: Any) -> dict[str, Any]:
        given = {"title": "Checkout is down", **attributes}
        response = await self.api.post("/v1/incidents", json=body("incidents", **given))
        assert response.status_code == 201, response.text
        return flat(response)

    async def move(self, incident: dict[str, Any], action: str, **attributes: Any) -> None:
        response = await self.api.put(
            f"/v1/incidents/{incident['id']}/{action}", json=body("incidents", **attributes)
        )
        assert response.status_code == 200, response.text

    async def hurry(self) -> None:
        """Let everything that waits for its next attempt be due."""
        await self.execute(
            "UPDATE webhook_deliveries SET run_at = now() WHERE state = 'queued'; "
            "SELECT pg_notify('pagersync', 'webhook_deliveries')"
        )

    async def execute(self, statement: str) -> None:
        async with raw_connection(self.engine) as connection:
            await connection.execute(statement)

    async def client_with(self, scope: Scope) -> dict[str, str]:
        """Return the header of a new key."""
        async with self.sessions.begin() as session:
            key = await create_key(session, f"{scope} key", [scope])
        return {"Authorization": f"Bearer {key.token}"}


def flat(response: Response) -> dict[str, Any]:
    """Return what an answer is about: its id and its attributes."""
    data = response.json()["data"]
    return {"id": data["id"], **data["attributes"]}


@pytest.fixture(scope="session")
def hook_settings(settings: Settings) -> Settings:
    """Return settings that let calls go to this machine."""
    return settings.model_copy(update={"webhook_private_addresses": True})


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    async with serving(receiver) as url:
        yield receiver, url
        receiver.released.set()


@pytest.fixture
async def hooks(
    hook_settings: Settings,
    engine: AsyncEngine,
    sessions: Sessions,
    token: str,
    receiver: tuple[Receiver, str],
) -> AsyncIterator[Hooks]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        running_server(hook_settings) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False) as api,
    ):
        yield Hooks(api, receiver[1], receiver[0], engine, sessions)
        receiver[0].released.set()


@pytest.fixture
async def quiet(
    hook_settings: Settings,
    engine: AsyncEngine,
    sessions: Sessions,
    token: str,
    receiver: tuple[Receiver, str],
) -> AsyncIterator[Hooks]:
    """Yield the same without workers: nothing is sent."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        running_server(hook_settings, with_workers=False) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False) as api,
    ):
        yield Hooks(api, receiver[1], receiver[0], engine, sessions)


def ids(rows: list[dict[str, Any]]) -> set[UUID]:
    return {UUID(row["id"]) for row in rows}
