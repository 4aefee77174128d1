"""What the webhook endpoint takes in."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final

from bench.bodies import id_prefix
from bench.database import Account, Database
from bench.figures import Figure, Target
from bench.load import Load, Outcome, send
from bench.processes import Server, serving

INGEST: Final = Target(value_min=6000, p99_ms_max=75)
DUPLICATES: Final = Target(value_max=1.2)
SENDS: Final = 15
"""PagerTree sends a webhook again up to 14 times."""

WARM_UP_S: Final = 1
API_ONLY: Final = "--no-workers"
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Part:
    """What came back of one load, and how many accepted bodies are not in the database."""

    outcome: Outcome
    lost: int


@dataclass(frozen=True)
class Ingest:
    """Measures `serve`, one load after another.

    Attributes:
        templates: the file that `bodies.write_templates` wrote.
        seconds: for how long each load is sent.
    """

    database: Database
    account: Account
    templates: Path
    log: Path
    seconds: int
    _runs: Iterator[int] = field(default_factory=count)

    def measure(self, *options: str) -> Figure:
        """Measure `serve` with these options on new bodies."""
        with self._serving(*options) as server:
            self._send(server, seconds=WARM_UP_S)
            part = self._send(server, seconds=self.seconds)
            applied = asyncio.run(self.database.count_applied())
        rate = applied / (WARM_UP_S + self.seconds)
        beside = "" if API_ONLY in options else f"applied {rate:,.0f} events/s beside it"
        figure = _figure(f"webhook, serve {' '.join(options)}", [part])
        return replace(figure, target=INGEST, note="; ".join(filter(None, [figure.note, beside])))

    def measure_duplicates(self) -> list[Figure]:
        """Compare new bodies and bodies sent 15 times on one server, in turns.

        Each ratio is that of two neighbours, so that it outlives a machine that changes its speed.
        """
        slice_s = max(1, self.seconds // 2)
        new, again = [], []
        with self._serving(API_ONLY) as server:
            self._send(server, seconds=WARM_UP_S)
            for _ in range(ROUNDS):
                new.append(self._send(server, seconds=slice_s))
                again.append(self._send(server, seconds=slice_s, repeats=SENDS))
        costs = [
            one.outcome.per_second / other.outcome.per_second
            for one, other in zip(new, again, strict=True)
        ]
        figures = [_figure("in turns: new bodies", new), _figure("in turns: each 15 times", again)]
        cost = Figure(
            name="seconds for N x 15 sends / for as many new rows",
            value=median(costs),
            unit="x",
            target=DUPLICATES,
            failures=sum(figure.failures for figure in figures),
            note=f"median of {', '.join(f'{cost:.2f}' for cost in costs)}",
        )
        return [*figures, cost]

    @contextmanager
    def _serving(self, *options: str) -> Iterator[Server]:
        asyncio.run(self.database.empty())
        environment = self.database.environment
        with serving(*options, environment=environment, log=self.log) as server:
            yield server

    def _send(self, server: Server, *, seconds: int, repeats: int = 1) -> Part:
        """Send one load, and look whether every body that was promised to be kept is there."""
        run, url = next(self._runs), self.account.webhook(server.url)
        outcome = send(Load(url, self.templates, run, seconds, repeats))
        kept = asyncio.run(self.database.count_received(id_prefix(run)))
        return Part(outcome, lost=max(0, outcome.successes - kept))


def _figure(name: str, parts: Sequence[Part]) -> Figure:
    outcomes = [part.outcome for part in parts]
    lost = sum(part.lost for part in parts)
    return Figure(
        name=name,
        value=sum(o.successes for o in outcomes) / sum(o.duration_s for o in outcomes),
        p50_ms=median(o.p50_ms for o in outcomes),
        p99_ms=max(o.p99_ms for o in outcomes),
        failures=sum(o.failures for o in outcomes) + lost,
        note=f"LOST {lost:,} accepted bodies" if lost else "",
    )
