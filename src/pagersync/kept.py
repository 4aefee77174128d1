"""How many days each kind of thing is kept, and what a 404 says about a thing of that age. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

from pagersync.errors import NotFoundError
from pagersync.settings import Settings

UUID7: Final = 7
TIME_BITS: Final = 80
"""A UUIDv7 begins with the milliseconds since 1970; so many bits follow them."""

OWN_DAYS: Final = frozenset({"audit_days", "deliveries_days", "idempotency_days", "retention_days"})
"""Settings that count as they are. No other kind may go before the records that refer to it."""

SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "delivery": "deliveries_days",
        "domain event": "retention_days",
        "workflow run": "retention_days",
        "webhook delivery": "retention_days",
        "operation": "pages_days",
        "page": "pages_days",
        "alert": "alerts_days",
        "alert event": "alerts_days",
        "incident": "incidents_days",
        "timeline event": "incidents_days",
        "audit entry": "audit_days",
    }
)
"""What a thing is called in a 404, and the setting that says how long it is kept."""


def days_kept(settings: Settings, setting: str) -> int | None:
    """Return for how many days the things of a setting are kept; None: for ever."""
    days: int | None = getattr(settings, setting)
    if days is None:
        return settings.retention_days
    if not days:
        return None
    return days if setting in OWN_DAYS else max(days, settings.retention_days)


def variable(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"PAGERSYNC_{setting.upper()}"


def made_at(id_: UUID) -> datetime | None:
    """Return when an id was made; None if it is no UUIDv7."""
    if id_.version != UUID7:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=id_.int >> TIME_BITS)


def first_id(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a moment: ids are ordered by time."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    milliseconds = since // timedelta(milliseconds=1)
    return UUID(int=(milliseconds << TIME_BITS) | (UUID7 << 76) | (2 << 62))


def explained(error: NotFoundError, settings: Settings, now: datetime) -> str:
    """Return the detail of a 404. It says so if retention may have removed the thing.

    Only the id and the settings decide, so the answer tells nobody whether the thing existed.
    """
    setting = SETTINGS.get(error.noun or "")
    days = days_kept(settings, setting) if setting else None
    made = made_at(error.id) if error.id is not None else None
    if not setting or not days or made is None or made > now - timedelta(days=days):
        return error.detail
    return (
        f"{error.detail}. Its id was made on {made:%Y-%m-%d}, so retention may have removed it: "
        f"such things are kept for {days} days ({variable(setting)})"
    )


def history_note(began: datetime, settings: Settings, now: datetime) -> str | None:
    """Return why causes of something may be missing; None if it is too young for that."""
    days = min(settings.retention_days, days_kept(settings, "deliveries_days") or 0)
    if began > now - timedelta(days=days):
        return None
    return (
        "Some of what led to this was removed: domain events, workflow runs and attempts are kept "
        f"for {settings.retention_days} days (PAGERSYNC_RETENTION_DAYS), deliveries for "
        f"{days_kept(settings, 'deliveries_days')} days (PAGERSYNC_DELIVERIES_DAYS)."
    )
