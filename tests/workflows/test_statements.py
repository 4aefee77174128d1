"""How many statements lead from an incident to its page: each is a round trip that people wait for.

The bounds are what it takes today. Whoever adds a statement sees it here, with all the others.
"""

from collections.abc import AsyncIterator

import pytest

from pagersync.alerts.read_back import read_back
from pagersync.database.engine import create_engine, dispose, raw_connection
from pagersync.integrations.vault import open_vault
from pagersync.paging.batches import loaded
from pagersync.paging.sender import operations_queue
from pagersync.paging.turn import Turns
from pagersync.settings import Settings
from pagersync.worker import create_clients
from pagersync.workflows.engine import Engine, runs_queue
from pagersync.workflows.trigger import Trigger, events_queue
from tests.paging.conftest import Paging
from tests.support.statements import Statements
from tests.workflows.conftest import Flows

MATCH, RUN, CALL, RECORD = 8, 11, 2, 11


class Worker:
    """Does one thing after another, as the loops of a worker do."""

    def __init__(self, settings: Settings, statements: Statements) -> None:
        self.engine = create_engine(settings)
        statements.watch(self.engine)
        self._settings = settings
        self._clients = create_clients(settings)
        self._trigger = Trigger(depth_max=5)
        self._turns = Turns(
            self.engine,
            operations_queue(settings),
            http=self._clients.pagertree,
            vault=open_vault(settings),
            settings=settings,
            read_back=read_back,
        )

    async def match(self) -> None:
        queue = events_queue(self._settings)
        async with raw_connection(self.engine) as connection:
            batch = await queue.claim(connection, rows_max=500)
            await self._trigger.work(connection, queue, batch)

    async def run(self) -> None:
        queue = runs_queue(self._settings)
        executing = Engine(self.engine, queue, http=self._clients.outbound, settings=self._settings)
        async with raw_connection(self.engine) as connection:
            batch = await queue.claim(connection, rows_max=1)
        await executing.take(batch.token, batch.rows[0]["id"])

    async def send(self) -> None:
        queue = operations_queue(self._settings)
        async with raw_connection(self.engine) as connection:
            batch = await queue.claim(connection, rows_max=1)
        await self._turns.take(batch.token, loaded(batch.rows[0]))

    async def aclose(self) -> None:
        await self._turns.lags.aclose()
        await self._turns.aclose()
        await self._clients.aclose()
        await dispose(self.engine)


@pytest.fixture
def statements() -> Statements:
    return Statements()


@pytest.fixture
async def worker(paging_settings: Settings, statements: Statements) -> AsyncIterator[Worker]:
    worker = Worker(paging_settings, statements)
    yield worker
    await worker.aclose()


async def test_from_an_incident_to_its_page_it_takes_no_more_statements_than_today(
    worker: Worker, statements: Statements, flows: Flows, directory: Paging
) -> None:
    team = str(directory.simulator.directory.teams[0].name)
    page = {"task_type": "page_pagertree", "title": "{{ incident.title }}"}
    await flows.add({**page, "teams": [{"name": team}]})
    await flows.declare()
    for work in (worker.match, worker.run, worker.send):  # compiles, and makes the rate limiter
        await work()
    await flows.declare()
    matching = await statements.made_by(worker.match)
    running = await statements.made_by(worker.run)
    sending = await statements.made_by(worker.send)
    begins = next(n for n, said in enumerate(sending) if "marked AS" in said) + 1
    assert len(matching) <= MATCH, listed(matching)
    assert len(running) <= RUN, listed(running)
    assert begins <= CALL, listed(sending[:begins])
    assert len(sending) - begins <= RECORD, listed(sending[begins:])


def listed(statements: list[str]) -> str:
    return f"{len(statements)}:\n" + "\n".join(each[:120] for each in statements)
