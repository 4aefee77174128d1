"""Processes that work, and what happens to them and to PagerTree in chaos."""

import asyncio
from contextlib import suppress
from random import Random

from pagersync.database.engine import create_engines
from pagersync.database.notify import Listener
from pagersync.integrations.vault import open_vault
from pagersync.settings import Settings
from pagersync.simulator.simulator import Simulator
from pagersync.worker import create_clients, run_workers
from tests.support.chaos import HEALTHY


class Workers:
    """One process that works, as far as the database and PagerTree can tell."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._stop = asyncio.Event()
            self._task = asyncio.create_task(self._run(self._stop))

    async def _run(self, stop: asyncio.Event) -> None:
        settings = self._settings
        engines = create_engines(settings)
        listener = Listener(engines.paging)
        listening = asyncio.create_task(listener.run())
        clients = create_clients(settings)
        try:
            await run_workers(
                engines, listener, settings, stop, clients=clients, vault=open_vault(settings)
            )
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await clients.aclose()
            await engines.dispose()

    async def crash(self) -> None:
        """Break everything off, wherever it is."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def stop(self) -> None:
        """Finish what is held, and end."""
        if self._task is not None:
            self._stop.set()
            await self._task
            self._task = None


class Stage:
    """PagerTree and two processes that work with it, to whom the happenings of a plan happen."""

    def __init__(self, simulator: Simulator, settings: Settings, rng: Random) -> None:
        self._simulator = simulator
        self._rng = rng
        self._workers = [Workers(settings), Workers(settings)]

    def start(self) -> None:
        """Let everybody who does not work begin."""
        for workers in self._workers:
            workers.start()

    async def happen(self, happening: str) -> None:
        """Let something happen to PagerTree, or to one of those who work."""
        simulator, one = self._simulator, self._rng.choice(self._workers)
        match happening:
            case "unavailable" | "closed":
                simulator.change(outage=happening)
            case "back":
                simulator.change(outage="none")
            case "key_refused" | "key_taken":
                simulator.change(key_refused=happening == "key_refused")
            case "crash":
                await one.crash()
            case "stop":
                await one.stop()
            case "start":
                self.start()

    def recover(self) -> None:
        """Let everything be well from now on."""
        self.start()
        self._simulator.change(**HEALTHY)

    async def end(self) -> None:
        """Break everybody off."""
        for workers in self._workers:
            await workers.crash()
