"""A real `serve`, a simulated PagerTree and an alert workflow that pages, for floods."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Final

from pagersync.database.engine import raw_connection
from pagersync.http import AsyncClient, Response
from tests.flood.attack import resident_mib
from tests.support.account import event
from tests.support.databases import engine_at
from tests.support.pagertree import API_KEY, SimulatedPagerTree, simulated_pagertree
from tests.support.program import ADMIN_KEY, Program, Setup, embedded_setup, embedded_url
from tests.support.wait import eventually

PAGE_S_MAX: Final = 12.0
"""From a webhook to its page in PagerTree, on a machine of two cores that others load."""

_numbers: Final = count(1)


@dataclass(frozen=True)
class Stage:
    """A service under load.

    Attributes:
        api: may do everything.
        reader: a client with a key that may only read.
        other: one with another such key.
    """

    program: Program
    setup: Setup
    pagertree: SimulatedPagerTree
    url: str
    api: AsyncClient
    reader: AsyncClient
    other: AsyncClient
    webhook_url: str
    secret: str

    async def webhook(self, **data: Any) -> str:
        """Send a webhook that leads to a page; return the alert's title."""
        title = f"Disk {next(_numbers)} is full"
        body = event("alert.created", f"alt_{title}", title=title, **data)
        answer = await self.api.post(self.webhook_url, params={"secret": self.secret}, json=body)
        assert answer.status_code == 202, answer.text
        return title

    async def seconds_to_page(self) -> float:
        """Send a webhook; return after how long its page is in PagerTree."""
        began = monotonic()
        title = await self.webhook()

        async def paged() -> bool:
            return any(title in alert["title"] for alert in self.pagertree.simulator.alerts())

        await eventually(paged, timeout_s=40)
        return monotonic() - began

    def memory_mib(self) -> float:
        """Return the highest memory that the service's process had so far."""
        return resident_mib(self.program, figure="VmHWM")

    @asynccontextmanager
    async def holding(self, *statements: str) -> AsyncIterator[None]:
        """Hold a transaction open in which statements were executed."""
        async with (
            engine_at(embedded_url(self.setup)) as engine,
            raw_connection(engine) as connection,
        ):
            transaction = connection.transaction()
            await transaction.start()
            for statement in statements:
                await connection.execute(statement)
            try:
                yield
            finally:
                await transaction.rollback()

    async def execute(self, statement: str, *values: Any) -> None:
        """Execute a statement."""
        async with (
            engine_at(embedded_url(self.setup)) as engine,
            raw_connection(engine) as connection,
        ):
            await connection.execute(statement, *values)


@asynccontextmanager
async def a_stage(parent: Path | None = None, **variables: str) -> AsyncIterator[Stage]:
    """Yield a service that pages for every alert."""
    with embedded_setup(parent, **variables) as setup:
        async with (
            simulated_pagertree() as pagertree,
            setup.running("serve") as program,
        ):
            url = await program.url()
            async with AsyncExitStack() as stack:

                async def client(key: str) -> AsyncClient:
                    headers = {"Authorization": f"Bearer {key}"}
                    made = AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=90)
                    return await stack.enter_async_context(made)

                api = await client(ADMIN_KEY)
                webhook_url, secret = await connect(api, pagertree)
                await page_for_alerts(api, pagertree)
                reader, other = [await client(await key_of(api, n)) for n in ("one", "two")]
                webhook_url = url + webhook_url[webhook_url.index("/webhooks") :]
                try:
                    yield Stage(
                        program, setup, pagertree, url, api, reader, other, webhook_url, secret
                    )
                finally:
                    await program.terminate()


async def send(api: AsyncClient, path: str, kind: str, **attributes: Any) -> Response:
    """POST one thing."""
    return await api.post(path, json={"data": {"type": kind, "attributes": attributes}})


async def connect(api: AsyncClient, pagertree: SimulatedPagerTree) -> tuple[str, str]:
    """Connect the account; return the address of its webhooks and their secret."""
    answer = await send(
        api,
        "/v1/integrations",
        "integrations",
        name="acme",
        api_key=API_KEY,
        pagertree_url=pagertree.api_url,
    )
    assert answer.status_code == 201, answer.text
    synced = await api.post(f"/v1/integrations/{answer.json()['data']['id']}/sync")
    assert synced.is_success, synced.text
    made = answer.json()["data"]["attributes"]
    return made["webhook_url"].partition("?")[0], made["webhook_secret"]


async def page_for_alerts(
    api: AsyncClient, pagertree: SimulatedPagerTree, *, runs_per_minute_max: int = 60
) -> None:
    """Let every alert page a team."""
    team = pagertree.simulator.directory.teams[0].name
    task = {
        "task_type": "create_pagertree_alert",
        "title": "{{ alert.summary }}",
        "urgency": "high",
        "teams": [{"name": team}],
    }
    answer = await send(
        api,
        "/v1/workflows",
        "workflows",
        name="Page",
        runs_per_minute_max=runs_per_minute_max,
        trigger_params={"trigger_type": "alert", "triggers": ["alert_created"]},
        tasks=[{"task_params": task}],
    )
    assert answer.status_code == 201, answer.text


async def key_of(api: AsyncClient, name: str, scope: str = "read") -> str:
    """Create an API key with one scope; return its token."""
    answer = await send(api, "/v1/api_keys", "api_keys", name=name, scopes=[scope])
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["attributes"]["token"])
