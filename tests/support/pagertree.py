"""The simulated PagerTree in this process, over real HTTP on a free port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pagersync.http import AsyncClient, Response
from pagersync.simulator.options import SimulatorOptions, changed
from pagersync.simulator.simulator import Simulator
from tests.support.server import serving
from tests.support.wait import eventually

API_KEY = "pagertree-key"


@dataclass(frozen=True)
class SimulatedPagerTree:
    """A running simulator, and a client with its key whose paths begin after `/api/v4`."""

    simulator: Simulator
    url: str
    client: AsyncClient

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v4"

    async def create(self, **fields: Any) -> Response:
        """Create an alert for the first team; every field can be given, and None leaves it out."""
        team = self.simulator.directory.teams[0]
        body = {"title": "t", "urgency": "high", "destination_team_ids": [team.id], **fields}
        given = {key: value for key, value in body.items() if value is not None}
        return await self.client.post("alerts", json=given)

    async def created(self, **fields: Any) -> dict[str, Any]:
        """Create an alert and return it."""
        response = await self.create(**fields)
        assert response.is_success, response.text
        return dict(response.json())

    async def reaches(self, id_: str, status: str) -> dict[str, Any]:
        """Wait until an alert has this status, and return it."""

        async def show() -> dict[str, Any]:
            return next(alert for alert in self.simulator.alerts() if alert["id"] == id_)

        return await eventually(show, lambda alert: alert["status"] == status)


@asynccontextmanager
async def simulated_pagertree(**changes: Any) -> AsyncIterator[SimulatedPagerTree]:
    """Yield a running simulator; `changes` name its options by their leaves."""
    options = changed(SimulatorOptions(api_keys=frozenset({API_KEY})), changes)
    simulator = Simulator(options)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with serving(simulator.app) as url:
        base_url = f"{url}/api/v4/"
        async with AsyncClient(
            base_url=base_url,
            headers=headers,
            trust_env=False,
            verify=False,
        ) as client:
            yield SimulatedPagerTree(simulator, url, client)
