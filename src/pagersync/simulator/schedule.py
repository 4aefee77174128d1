"""When deliveries start and how long a failed one waits: pure, seeded decisions."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Chaos:
    """What can go wrong between PagerTree and its receiver; all of it is off by default.

    Attributes:
        duplicate_rate: Share (0 to 1) of successful deliveries that are sent once more.
        reorder: Window in events: two events less than this far apart may start in either order.
        late_rate: Share (0 to 1) of deliveries that start when all others are finished, so that
            an old snapshot arrives after newer ones.
    """

    duplicate_rate: float = 0.0
    reorder: int = 0
    late_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """How often and when a failed delivery is sent again.

    That there are 14 retries after the first attempt and that the pauses grow is documented by
    PagerTree. The length of the pauses is not; with ours the last retry comes two days later.

    Attributes:
        retries_max: Retries after the first attempt.
        first_pause_s: Wait before the first retry, in seconds.
        growth: Each pause is this many times as long as the one before.
        jitter: Each pause becomes longer by a drawn share of itself, at most this one.
        time_scale: Multiplies every pause; 0.001 makes a second of a thousand.
    """

    retries_max: int = 14
    first_pause_s: float = 10.0
    growth: float = 2.0
    jitter: float = 0.2
    time_scale: float = 1.0

    def draw_pauses_s(self, rng: Random) -> list[float]:
        """Draw the pauses before each retry, in real seconds."""
        return [
            self.first_pause_s
            * self.growth**retry
            * (1 + rng.uniform(0, self.jitter))
            * self.time_scale
            for retry in range(self.retries_max)
        ]


def draw_start_order(count: int, chaos: Chaos, rng: Random) -> tuple[list[int], list[int]]:
    """Draw the order in which deliveries start.

    Returns:
        The positions of those that start at once, and of those that are held back until the
        first are finished. Together they are 0 to `count` - 1.
    """
    places = [place + rng.uniform(0, chaos.reorder) for place in range(count)]
    prompt: list[int] = []
    late: list[int] = []
    for index in sorted(range(count), key=places.__getitem__):
        (late if rng.random() < chaos.late_rate else prompt).append(index)
    return prompt, late
