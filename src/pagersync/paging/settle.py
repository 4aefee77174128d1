"""How long PagerTree's search is given before an empty answer means that nothing is there. Pure.

An alert is not in the search at once. How long that takes is measured for each account, by
`lag_meter.py`. The wait is the highest lag that was seen, times a safety factor. It is never longer
than `PAGERSYNC_SEARCH_SETTLE_S`, which is also the wait while too little is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Mode = Literal["measured", "careful"]

FACTOR: Final = 3.0
"""The search may become so many times slower than was seen before a page can go out twice."""

FLOOR_S: Final = 0.5
"""Added to each measured wait: what is measured in milliseconds varies by more than its factor."""

SAMPLES_MIN: Final = 10
SAMPLES_MAX: Final = 200
SHARE_LEFT_OUT: Final = 0.01
"""The share of the highest samples that may be outliers: one of a hundred."""

ORDER_MIN: Final = 20
"""So many alerts must have been found before those created later, and none after, to trust it."""

LOOKS_MIN: Final = 2
CAREFUL_LOOKS_MIN: Final = 3
"""Searches that must have found nothing before a creating call may be repeated."""

LOOKS_AT_S: Final = (0.3, 1.0, 2.0)
LOOK_EVERY_S: Final = 2.0
"""When the search is asked, counted from the end of the call, beside the look right after it."""

PAUSE_S_MIN: Final = 0.1
FAILED_LOOK_S_MIN: Final = 0.3
FAILED_LOOK_S_MAX: Final = 900.0
FAILED_LOOK_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Lags:
    """What was seen of the search of one account.

    Attributes:
        found_s: how long after its creation an alert was found, of the newest samples.
        missing_s: how long an alert has not been found yet, of the samples that are under way.
        in_order: samples that were found before any alert that was created later.
        overtaken: samples that were found after one of these.
    """

    found_s: Sequence[float] = ()
    missing_s: Sequence[float] = ()
    in_order: int = 0
    overtaken: int = 0


@dataclass(frozen=True, slots=True)
class Settle:
    """When an empty search may be believed.

    Attributes:
        wait_s: from the end of the call.
        looks_min: searches that must have found nothing.
        in_order_s: the same as `wait_s` where the search shows an alert that was created later;
            None: it is not known to find alerts in the order in which they were created.
        longest_s: the longest wait there is; ambiguity that lasts longer is told to people.
        likely_s: when nearly every alert is found; None: that is not known.
    """

    wait_s: float
    looks_min: int
    in_order_s: float | None
    longest_s: float
    likely_s: float | None = None


def settle_of(lags: Lags, *, mode: Mode, upper_s: float) -> Settle:
    """Return when an empty search of an account may be believed.

    Args:
        lags: what was seen of its search.
        mode: `careful` waits for `upper_s` whatever was seen.
        upper_s: the longest wait, and the wait while too little is known.
    """
    if mode == "careful":
        return Settle(upper_s, CAREFUL_LOOKS_MIN, None, upper_s)
    if len(lags.found_s) < SAMPLES_MIN:
        return Settle(upper_s, LOOKS_MIN, None, upper_s)
    highest_s = max(high_quantile(lags.found_s), *lags.missing_s, 0.0)
    wait_s = min(upper_s, highest_s * FACTOR + FLOOR_S)
    keeps_order = lags.in_order >= ORDER_MIN and not lags.overtaken
    in_order_s = min(wait_s, highest_s + FLOOR_S) if keeps_order else None
    return Settle(wait_s, LOOKS_MIN, in_order_s, upper_s, likely_s=highest_s)


def high_quantile(seen_s: Sequence[float]) -> float:
    """Return the highest of some samples, but for one of a hundred."""
    ordered = sorted(seen_s)
    return ordered[len(ordered) - 1 - int(len(ordered) * SHARE_LEFT_OUT)]


def may_settle(settle: Settle, *, looks: int, waited_s: float) -> bool:
    """Tell whether an empty search could be believed, whatever else it shows.

    Before that, only finding the alert says anything, and one call is enough to try.

    Args:
        settle: when that may be.
        looks: searches that found nothing, this one included.
        waited_s: from the end of the call until this search began.
    """
    return is_settled(settle, looks=looks, waited_s=waited_s, sees_later=True)


def is_settled(settle: Settle, *, looks: int, waited_s: float, sees_later: bool) -> bool:
    """Tell whether an empty search could mean that nothing is there.

    If so, one question is left: would the search find an alert that is there?

    Args:
        settle: when that may be.
        looks: searches that found nothing, this one included.
        waited_s: from the end of the call until this search began.
        sees_later: it shows an alert that was created after the end of the call.
    """
    is_early = settle.in_order_s is not None and sees_later and waited_s >= settle.in_order_s
    return looks >= settle.looks_min and (waited_s >= settle.wait_s or is_early)


def next_look_s(settle: Settle, waited_s: float) -> float:
    """Return how long to wait for the next search after one that found nothing."""
    soon = LOOKS_AT_S if settle.likely_s is None else (settle.likely_s,)
    moments: tuple[float | None, ...] = (
        *soon,
        waited_s + LOOK_EVERY_S,
        settle.in_order_s,
        settle.wait_s,
    )
    ahead = [at_s for at_s in moments if at_s is not None and at_s > waited_s]
    return max(min(ahead) - waited_s, PAUSE_S_MIN)


def after_failed_look_s(waited_s: float, jitter: float) -> float:
    """Return how long to wait for the next search after one that got no answer.

    A tenth of what was waited so far: soon at first, then ever more rarely. The rate limiter
    protects a PagerTree that is away.

    Args:
        waited_s: from the end of the call.
        jitter: 0 to 1, drawn by the caller.
    """
    pause_s = max(waited_s * FAILED_LOOK_SHARE, FAILED_LOOK_S_MIN)
    return min(pause_s, FAILED_LOOK_S_MAX) * (0.8 + 0.4 * jitter)


def is_timely(*, missing_s: float, found_s: float) -> bool:
    """Tell whether a lag was measured: the search before it was not much earlier.

    Args:
        missing_s: when the alert was last looked for and not found, from its creation; 0: never.
        found_s: when it was found.
    """
    return found_s - missing_s <= max(1.0, missing_s / 2)


def first_probe_s(lags: Lags) -> float:
    """Return when an alert that was created is looked for first, to measure the lag."""
    if len(lags.found_s) < SAMPLES_MIN:
        return 0.0
    return min(high_quantile(lags.found_s) / 2, 1.0)


def next_probe_s(waited_s: float) -> float:
    """Return how long to wait before an alert that was not found is looked for again."""
    return max(0.15, waited_s * 0.3)
