"""The limits of the HTTP front, and what they add up to. Pure."""

from dataclasses import dataclass
from typing import Final, Self

from pagersync.settings import Settings

OTHER_FILES: Final = 160
"""Open files of a process that are no HTTP connection: its files, pools and outgoing calls."""

NEW_BODIES_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes that came together with a head, of requests that nobody has let in yet."""

CONNECTIONS_MIN: Final = 50
WAITING_MAX: Final = 256
WAITING_MIN: Final = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process holds of its clients at most.

    Attributes:
        waiting_max: how many connections that were accepted may wait for their turn to begin.
    """

    connections_max: int
    waiting_max: int
    connections_per_address_max: int
    head_bytes_max: int
    headers_max: int
    url_bytes_max: int
    head_timeout_s: float
    body_timeout_s: float
    slowest_bytes_per_s: int
    keep_alive_s: float
    api_bodies_bytes_max: int
    webhook_bodies_bytes_max: int
    unread_answers_bytes_max: int
    body_bytes_max: int
    trusted_proxies: str | None

    @classmethod
    def of(cls, settings: Settings, *, open_files_max: int) -> Self:
        """Return the limits that the settings ask for and the system allows."""
        taken = OTHER_FILES + settings.database_connections_max + settings.webhook_concurrency
        left = open_files_max - taken
        values = {name: getattr(settings, name) for name in cls.__slots__ if name != "waiting_max"}
        values["waiting_max"] = waiting = min(WAITING_MAX, max(WAITING_MIN, left // 4))
        values["connections_max"] = min(
            settings.connections_max, max(CONNECTIONS_MIN, left - waiting)
        )
        return cls(**values)
