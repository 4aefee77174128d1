"""What goes wrong in one batch of pages, drawn from its seed, and what must hold after it."""

import os
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

EVERY_FAULT = (
    "rate_limited",
    "rate_limited_retry_after",
    "internal_error",
    "bad_gateway",
    "timeout_before",
    "timeout_after",
    "truncated",
    "lost_response",
    "slow",
)

UNKNOWNS: dict[str, tuple[Any, ...]] = {
    "thirdparty_id": ("kept", "dropped"),
    "omitted_urgency": ("refused", "defaulted"),
    "create_status": (200, 201),
    "action_answer": ("alert", "empty"),
    "tags_key": ("tags", "tag_list", "both"),
    "severity_form": ("sev_1", "SEV-1"),
    "duplicate_thirdparty_id": ("new", "deduplicated"),
    "retry_after": ("absent", "present"),
    "prefix_id_destinations": ("accepted", "refused"),
    "refused_destination": ("named", "unnamed"),
}

SEARCH_LAG_S = 0.1
HEALTHY = dict.fromkeys(EVERY_FAULT, 0.0) | {"key_refused": False, "outage": "none"}


def seeds(count: int, *, each: int) -> list[int]:
    """Return the seeds of this run's batches: those asked for, or a sixth of `count`, by the day.

    Args:
        count: how many there are.
        each: how many things one batch works on.
    """
    if seed := os.environ.get("PAGERSYNC_CHAOS_SEED"):
        return [int(seed)]
    if things := os.environ.get("PAGERSYNC_CHAOS_RUNS"):
        return list(range(1, 1 + -(-int(things) // each)))
    return list(range(1 + int(os.environ["TESTS_DAY"]) % 6, 1 + count, 6))


@dataclass(frozen=True)
class Plan:
    """What goes wrong in one batch of pages.

    Attributes:
        seed: everything else is drawn from it.
        account: how PagerTree is, all the time.
        faults: how many of its answers go wrong, until it is well again.
        moments: what happens before which page.
    """

    seed: int
    account: dict[str, Any]
    faults: dict[str, float]
    moments: dict[int, list[str]] = field(default_factory=dict)

    @property
    def records_all(self) -> bool:
        """Whether nobody dies before what was exchanged is written down."""
        return not any("crash" in happenings for happenings in self.moments.values())

    @classmethod
    def drawn(cls, seed: int, pages: int) -> "Plan":
        """Draw a plan for so many pages."""
        rng = Random(seed)
        account = {name: rng.choice(values) for name, values in UNKNOWNS.items()}
        account |= _webhooks(rng)
        account |= {
            "seed": seed,
            "search": rng.choice(("works", "works", "ignores_thirdparty_id")),
            "search_lag_s": rng.choice((0.0, SEARCH_LAG_S)),
            "queued_s": rng.choice((0.01, 0.1)),
        }
        some = rng.sample(EVERY_FAULT, rng.randint(2, len(EVERY_FAULT)))
        faults = {name: rng.uniform(0.0, 0.6 / len(some)) for name in some}
        return cls(seed, account, faults, _moments(rng, pages))


def _webhooks(rng: Random) -> dict[str, Any]:
    return {
        "webhooks": rng.choice(("on", "on", "off")),
        "storm": rng.choice((1, 1, 3)),
        "duplicate_rate": rng.choice((0.0, 0.3)),
        "reorder_s": rng.choice((0.0, 0.1)),
        "late_rate": rng.choice((0.0, 0.2)),
        "late_s": 0.4,
    }


def _moments(rng: Random, pages: int) -> dict[int, list[str]]:
    """Draw when PagerTree goes away, when it refuses the key, and when workers die."""
    moments: dict[int, list[str]] = {}
    for trouble, end in (
        ("unavailable", "back"),
        ("closed", "back"),
        ("key_refused", "key_taken"),
        ("crash", "start"),
        ("stop", "start"),
    ):
        if rng.random() < 0.5:
            begin = rng.randrange(pages)
            moments.setdefault(begin, []).append(trouble)
            moments.setdefault(begin + rng.randint(2, 15), []).append(end)
    return moments


@dataclass
class Seen:
    """What PagerTree has of one page, and what is said of it here."""

    mark: str
    status: str
    pagertree_ids: tuple[str | None, str | None]
    alerts: list[dict[str, Any]]
    paged: Counter[str]
    attempts: int

    @property
    def is_recorded(self) -> bool:
        """Whether what was sent is to be seen in the attempts."""
        return self.status == "canceled" or self.attempts > 0

    def wrong(self) -> str | None:
        """Return what is wrong, from what PagerTree has; None: nothing is."""
        if self.status == "canceled":
            return f"canceled, and sent: {self.alerts}" if self.alerts else None
        if len(self.alerts) != 1:
            return f"{len(self.alerts)} alerts for a page that is {self.status}"
        (alert,) = self.alerts
        if self.paged != Counter(alert["destination_team_ids"]):
            return f"paged {dict(self.paged)}"
        shown = {"open": "confirmed"}.get(alert["status"], alert["status"])
        ids = {alert["id"], alert["prefix_id"]}
        if self.status != shown or not ids >= set(self.pagertree_ids) - {None} != set():
            return f"{self.status} {self.pagertree_ids} here, {alert['status']} {ids} there"
        return None
