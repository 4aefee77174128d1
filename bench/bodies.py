"""Webhook bodies, drawn by the simulator: the 34 fields and the linked objects, 1.1 to 1.5 kB."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pagersync.simulator.account import make_account, seeded
from pagersync.simulator.bodies import wire_body
from pagersync.simulator.life import LifeOptions, WebhookEvent, alert_life, life_along
from pagersync.simulator.timeline import in_order

PLACEHOLDER: Final = b"alt_00000000000000"
"""Stands in the templates where the alert's id belongs; both load generators replace it."""

PATH: Final = ("alert.created", "alert.open", "alert.acknowledged", "alert.resolved")
"""The events of each alert that a load generator sends; both divide by their number."""

LIVES: Final = 16
STORM_S: Final = 600.0


def write_templates(path: Path) -> list[bytes]:
    """Write one body a line, the events of one alert after each other, and return them too."""
    rng = seeded("bench", "templates")
    account = make_account(rng)
    lives = [
        life_along(PATH, rng, account, LifeOptions(datetime.now(UTC), number))
        for number in range(1, LIVES + 1)
    ]
    bodies = [
        wire_body(event, linked=account).replace(event.data["id"].encode(), PLACEHOLDER)
        for life in lives
        for event in life
    ]
    path.write_bytes(b"".join(body + b"\n" for body in bodies))
    return bodies


def body_of(templates: list[bytes], run: int, index: int) -> bytes:
    """Return the `index`-th body of a run; no two of all runs are equal.

    Args:
        templates: what `write_templates` returned.
        run: 0 to 99.
        index: from 0; `len(PATH)` neighbours are about one alert.
    """
    alert_id = alert_id_of(run, index).encode()
    return templates[index % len(templates)].replace(PLACEHOLDER, alert_id, 1)


def alert_id_of(run: int, index: int) -> str:
    """Return the id of the alert that the `index`-th body of a run is about."""
    return f"{id_prefix(run)}{index // len(PATH):012d}"


def id_prefix(run: int) -> str:
    """Return how the ids of a run's alerts begin."""
    return f"alt_{run:02d}"


def write_storm(events: int) -> list[bytes]:
    """Return the bodies of whole lives that all begin within ten minutes, in true order.

    Neighbours are about different alerts: the costly case for a worker that groups by alert.
    """
    rng = seeded("bench", "storm")
    account = make_account(rng)
    began = datetime.now(UTC) - timedelta(days=1)
    happened: list[WebhookEvent] = []
    while len(happened) < events:
        happened += alert_life(rng, account, LifeOptions(_soon_after(began, rng)))
    return [wire_body(event, linked=account) for event in in_order(happened)[:events]]


def _soon_after(began: datetime, rng: random.Random) -> datetime:
    return began + timedelta(seconds=rng.uniform(0, STORM_S))
