"""What goes wrong in the simulated production: the words of the alerts."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HOSTS = ("db-1", "db-2", "web-3", "web-7", "queue-1", "cache-2", "edge-fra-4", "edge-iad-2")
_SERVICES = ("checkout", "search", "login", "billing", "uploads", "notifications")
_SEVERITIES = ("SEV-1", "SEV-2", "SEV-3", "SEV-4")
_INCIDENT_RATE = 0.12
_SILENT_RATE = 0.05


@dataclass(frozen=True, slots=True)
class Trouble:
    """The text of one alert; `additional_data` and `meta` are in PagerTree's form."""

    title: str
    description: str
    urgency: str
    tags: tuple[str, ...]
    additional_data: tuple[Mapping[str, str], ...]
    meta: Mapping[str, Any]


# Title, description, urgency, tags. Places in braces are filled by _fill.
_TEMPLATES = (
    (
        "Disk {percent}% full on {host}",
        "/var/lib/postgresql on {host} is {percent}% full and grows by 2 GB an hour.",
        "high",
        ("disk", "postgresql"),
    ),
    (
        "{service}: error rate {percent}% over 5 minutes",
        "HTTP 5xx answers of {service} are at {percent}%.\nThe threshold is 2%.",
        "critical",
        ("http", "slo"),
    ),
    (
        "{service}: p99 latency {millis} ms",
        "The slowest hundredth of requests to {service} takes {millis} ms; 800 ms are allowed.",
        "medium",
        ("latency", "slo"),
    ),
    (
        "Replication lag of {host} is {millis} s",
        "The standby {host} has fallen behind its primary by {millis} s.",
        "high",
        ("postgresql", "replication"),
    ),
    (
        "Certificate of {service}.example.com ends in {small} days",
        "The certificate was not renewed: the ACME order failed with 'rateLimited'.",
        "low",
        ("tls",),
    ),
    (
        "{host} does not answer",
        "No heartbeat from {host} for {small} minutes.",
        "critical",
        ("host", "heartbeat"),
    ),
    (
        "Queue 'emails' holds {millis} jobs",
        "Workers of {service} finish fewer jobs than arrive. The oldest job is {small} hours old.",
        "medium",
        ("queue",),
    ),
    (
        "{service}: pods restart in a loop",
        'Container "{service}" was killed {small} times in 10 minutes: OOMKilled (limit 512 MiB).',
        "high",
        ("kubernetes", "memory"),
    ),
    (
        "Café API (partner) answers 503",
        "The partner behind {service} answers 503 → orders are kept and sent later.",
        "medium",
        ("partner", "http"),
    ),
    (
        "Nightly backup of {host} is missing",
        "The newest backup of {host} is {small} days old.",
        "low",
        ("backup",),
    ),
    (
        "Temperature in rack {small} is {percent} °C",
        "Inlet sensor of rack {small}: {percent} °C. Cooling unit 2 reports a fault.",
        "high",
        ("datacentre",),
    ),
    ("Synthetic login fails from eu-west", "", "high", ("synthetic", "login")),
)


def draw_trouble(rng: random.Random) -> Trouble:
    """Draw the words of one alert; some are silent, some are flagged as an incident."""
    title, description, urgency, tags = rng.choice(_TEMPLATES)
    places = _draw_places(rng)
    return Trouble(
        title=title.format(**places),
        description=description.format(**places),
        urgency="silent" if rng.random() < _SILENT_RATE else urgency,
        tags=(*tags, f"service:{places['service']}"),
        additional_data=_draw_additional_data(rng, places),
        meta=_draw_meta(rng),
    )


def draw_fields(rng: random.Random) -> dict[str, Any]:
    """Draw what monitoring says about an alert: its words, and its own id for it."""
    trouble = draw_trouble(rng)
    return {
        "title": trouble.title,
        "description": trouble.description,
        "urgency": trouble.urgency,
        "tags": list(trouble.tags),
        "meta": dict(trouble.meta),
        "thirdparty_id": f"{rng.getrandbits(64):016x}",
    }


def _draw_places(rng: random.Random) -> dict[str, str]:
    return {
        "host": rng.choice(_HOSTS),
        "service": rng.choice(_SERVICES),
        "percent": str(rng.randint(31, 99)),
        "millis": str(rng.randint(900, 9000)),
        "small": str(rng.randint(2, 9)),
    }


def _draw_additional_data(
    rng: random.Random, places: Mapping[str, str]
) -> tuple[Mapping[str, str], ...]:
    data = (
        {"type": "text", "label": "Host", "value": places["host"]},
        {
            "type": "link",
            "label": "Runbook",
            "value": f"https://runbooks.example.com/{places['service']}",
        },
    )
    return data[: rng.randint(0, len(data))]


def _draw_meta(rng: random.Random) -> Mapping[str, Any]:
    if rng.random() >= _INCIDENT_RATE:
        return {}
    return {
        "incident": True,
        "incident_severity": rng.choice(_SEVERITIES),
        "incident_message": "We are looking into it. Customers may notice.",
    }
