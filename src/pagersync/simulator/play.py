"""From the options of `simulator send` to the deliveries that it sends."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pagersync.simulator.account import Account, make_account, seeded
from pagersync.simulator.bodies import drop_fields, wire_body
from pagersync.simulator.life import WebhookEvent
from pagersync.simulator.sender import Delivery
from pagersync.simulator.timeline import comments_on, in_order, reminders_during, timeline

SEEDED_START = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first alert begins if a seed is given and no start: a seed alone repeats every byte."""

_SEEDS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is to be sent.

    Attributes:
        alerts: How many alerts live; at least 1.
        seed: Decides every detail; a new one is drawn without it.
        started_at: When the first alert begins, aware. Without it: `SEEDED_START` if there is a
            seed, or else so that the last event happens now.
        comments: Also sends events about comments.
        reminders: Also sends reminders of who goes on call and off call.
        rules: Keys that outgoing rules set in every body.
        drop: Keys that a custom template leaves out of `data`.
        linked: Adds the objects behind the ids.
    """

    alerts: int
    seed: int | None = None
    started_at: datetime | None = None
    comments: bool = False
    reminders: bool = False
    rules: Mapping[str, object] | None = None
    drop: Sequence[str] = ()
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """The deliveries of a play with the events they tell of, and what repeats them.

    Attributes:
        seed: Of every draw.
        started_at: When the first alert begins.
        account: Where everything happens.
        events: In true order.
        deliveries: One for each event, in the same order.
    """

    seed: int
    started_at: datetime
    account: Account
    events: tuple[WebhookEvent, ...]
    deliveries: tuple[Delivery, ...]


def write_script(play: Play, *, now: datetime) -> Script:
    """Draw all events of a play, in true order, and write their bodies."""
    seed = secrets.randbelow(_SEEDS) if play.seed is None else play.seed
    started_at = play.started_at
    if started_at is None:
        started_at = SEEDED_START
        if play.seed is None:
            _, events = _draw_events(play, seed, started_at)
            started_at += now - events[-1].at
    account, events = _draw_events(play, seed, started_at)
    deliveries = tuple(_write(play, account, event) for event in events)
    return Script(seed, started_at, account, tuple(events), deliveries)


def _draw_events(play: Play, seed: int, started_at: datetime) -> tuple[Account, list[WebhookEvent]]:
    rng = seeded(seed)
    account = make_account(rng)
    alerts = timeline(rng, account, alerts=play.alerts, started_at=started_at)
    events = list(alerts)
    if play.comments:
        events += comments_on(rng, account, alerts)
    if play.reminders:
        events += reminders_during(rng, account, alerts)
    return account, in_order(events)


def _write(play: Play, account: Account, event: WebhookEvent) -> Delivery:
    body = wire_body(
        event,
        rules=play.rules,
        template=drop_fields(play.drop) if play.drop else None,
        linked=account if play.linked else None,
    )
    return Delivery.of(event, body)
