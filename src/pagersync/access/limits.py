"""How often keys may be used and logins may fail: what is left of a limit. Pure.

A minute slides: what was counted in the last whole minute still weighs as much as lies within the
last 60 seconds. Rootly publishes 3000 reads, 3000 writes and 50 new alerts a minute for each key.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from pagersync.settings import Settings

MINUTE_S: Final = 60
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
ALERTS_PATH: Final = "/v1/alerts"


class Kind(StrEnum):
    """What is counted."""

    READS = "reads"
    WRITES = "writes"
    ALERTS = "alerts"
    FAILED_LOGINS = "failed_logins"


WORDS: Final = {Kind.READS: "reads", Kind.WRITES: "writes", Kind.ALERTS: "new alerts"}


@dataclass(frozen=True, slots=True)
class Count:
    """How much of one limit is used, this request included unless it was refused.

    Attributes:
        second: of the minute, at which the request came.
        minute: which, counted from 1970.
    """

    kind: Kind
    allowed_max: int
    used_now: int
    used_before: int
    is_refused: bool
    minute: int
    second: float

    @property
    def used(self) -> int:
        """Requests within the last 60 seconds."""
        before = self.used_before * (1 - self.second / MINUTE_S)
        return min(self.allowed_max, math.ceil(before + self.used_now))

    @property
    def remaining(self) -> int:
        """Requests that may follow at once."""
        return max(0, self.allowed_max - self.used)

    @property
    def retry_after_s(self) -> int:
        """Whole seconds after which a refused request can be sent again."""
        room = self.allowed_max - 1 - self.used_now
        if room > 0:
            free_at = MINUTE_S * (1 - room / max(self.used_before, 1))
        else:  # only in the next minute, in which this one weighs less and less
            free_at = MINUTE_S * (2 - (self.allowed_max - 1) / max(self.used_now, 1))
            free_at = max(MINUTE_S, free_at)
        return max(1, math.ceil(free_at - self.second))

    @property
    def reset_at_s(self) -> int:
        """When the limit looks better: seconds since 1970, UTC."""
        if self.is_refused:
            return math.ceil(self.minute * MINUTE_S + self.second) + self.retry_after_s
        return (self.minute + 1) * MINUTE_S


def limits_of(settings: Settings, method: str, path: str) -> dict[Kind, int]:
    """Return the limits that a request counts against; 0 is none."""
    if method in READING:
        limits = {Kind.READS: settings.reads_per_minute_max}
    else:
        limits = {Kind.WRITES: settings.writes_per_minute_max}
        if method == "POST" and path == ALERTS_PATH:
            limits[Kind.ALERTS] = settings.alerts_per_minute_max
    return {kind: allowed for kind, allowed in limits.items() if allowed}


def tightest(counts: Sequence[Count]) -> Count | None:
    """Return the limit that a caller meets first."""
    return min(counts, key=lambda count: (not count.is_refused, count.remaining), default=None)


def headers_of(count: Count) -> dict[str, str]:
    """Return Rootly's headers, which tell a caller how much is left."""
    allowed = count.allowed_max
    return {
        "X-RateLimit-Limit": f"{allowed}, {allowed};window={MINUTE_S}",
        "X-RateLimit-Remaining": str(count.remaining),
        "X-RateLimit-Used": str(count.used),
        "X-RateLimit-Reset": str(count.reset_at_s),
    }


def source_of(address: str | None) -> str:
    """Return what is counted for an address: one of IPv6 stands for its /64, which one host has."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)
