"""What rates are divided by, measured again right before and right after each of them.

The speed of a shared machine, and of its disk above all, changes several times over within a
minute: a reference that was measured once says little about what is measured a minute later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import uvloop

from bench.commits import CONCURRENT, measure_commits
from bench.database import Database
from bench.figures import Figure
from bench.load import Load, send

NO_OP: Final = "no-op ASGI endpoint"
PROBE_S: Final = 1
RUN: Final = 0
"""Of the load generators: the no-op endpoint keeps nothing, so bodies may come again."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Both references at one moment, in operations a second."""

    no_op: float
    commit: float


@dataclass(frozen=True)
class References:
    """Measures the references, and figures between two measurements of them."""

    database: Database
    no_op_url: str
    file: Path
    templates: list[bytes]
    probes: list[Probe] = field(default_factory=list)

    def measure(self, *, seconds: int) -> list[Figure]:
        """Return the references as figures of their own."""
        outcome = send(Load(self.no_op_url, self.file, RUN, seconds))
        no_op = Figure(
            name=NO_OP,
            value=outcome.per_second,
            p50_ms=outcome.p50_ms,
            p99_ms=outcome.p99_ms,
            failures=outcome.failures,
        )
        commits = uvloop.run(measure_commits(self.database, self.templates, seconds=seconds))
        return [no_op, *commits]

    def beside(self, measure: Callable[[], Figure]) -> Figure:
        """Return what `measure` does, with its ratios to the references before and after it."""
        before = self.probes[-1] if self.probes else self._probe()
        figure = measure()
        after = self._probe()
        return replace(
            figure,
            ratio_to_no_op=figure.value / ((before.no_op + after.no_op) / 2),
            ratio_to_commit=figure.value / ((before.commit + after.commit) / 2),
        )

    def _probe(self) -> Probe:
        rates = {figure.name: figure.value for figure in self.measure(seconds=PROBE_S)}
        self.probes.append(Probe(rates[NO_OP], rates[CONCURRENT]))
        return self.probes[-1]


def describe_drift(probes: Sequence[Probe]) -> str:
    """Say how much the machine itself changed during the run."""
    lines = [
        f"{name}: {min(rates):,.0f} to {max(rates):,.0f} /s ({max(rates) / min(rates):.1f} x)"
        for name, rates in (
            (NO_OP, [probe.no_op for probe in probes]),
            (CONCURRENT, [probe.commit for probe in probes]),
        )
    ]
    return "\n".join([f"references over {len(probes)} probes of this run:", *lines])
