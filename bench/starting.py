"""How soon `pagersync serve` is ready with its own PostgreSQL, and what it weighs then."""

import time
from pathlib import Path
from typing import Final

from bench.figures import Figure, Target
from bench.processes import serving

FIRST: Final = Target(value_max=6)
LATER: Final = Target(value_max=2.5)
MEMORY: Final = Target(value_max=150)
IDLE_S: Final = 3.0


def measure_starts(data_dir: Path, log: Path) -> list[Figure]:
    """Start `serve` on an empty data directory, then again on the one that it made."""
    environment = {"PAGERSYNC_DATA_DIR": str(data_dir)}
    with serving(environment=environment, log=log) as server:
        first_s = server.ready_s
    with serving(environment=environment, log=log) as server:
        later_s = server.ready_s
        time.sleep(IDLE_S)
        memory_mib = server.resident_mib()
    figures = [
        Figure(name="serve ready, first start", value=first_s, unit="s", target=FIRST),
        Figure(name="serve ready, later start", value=later_s, unit="s", target=LATER),
    ]
    if memory_mib is None:
        return figures
    name = "serve idle, resident, without PostgreSQL"
    return [*figures, Figure(name=name, value=memory_mib, unit="MiB", target=MEMORY)]
