"""Which request goes wrong, and how: decided by the seed and the number of the request. Pure."""

from dataclasses import dataclass, fields

from pagersync.simulator.account import seeded
from pagersync.simulator.options import FaultRates

FAULTS = tuple(item.name for item in fields(FaultRates))
"""The names of all faults."""

WORK_DONE = frozenset({"timeout_after", "truncated", "lost_response", "slow"})
"""The faults before which the request has had its effect."""


def spread(rate: float) -> dict[str, float]:
    """Give each fault the same part of a rate."""
    return dict.fromkeys(FAULTS, rate / len(FAULTS))


@dataclass(slots=True)
class PlannedFault:
    """A fault that befalls the next requests with this method and a path that ends like this."""

    fault: str
    method: str
    path_end: str
    times: int

    def befalls(self, method: str, path: str) -> bool:
        """Tell whether it befalls this request."""
        return self.times > 0 and self.method == method and path.endswith(self.path_end)


def draw_fault(rates: FaultRates, seed: int, number: int) -> str | None:
    """Draw what befalls the request of this number; the same draw every time."""
    left = seeded(seed, "fault", number).random()
    for name in FAULTS:
        left -= getattr(rates, name)
        if left < 0:
            return name
    return None
