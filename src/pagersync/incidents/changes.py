"""How changes of an incident read: on its timeline, and in domain events. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from pagersync.incidents.lifecycle import MESSAGES, TIMES
from pagersync.incidents.models import Incident, Severity

Changes: TypeAlias = Mapping[str, tuple[Any, Any]]
"""By column: the value before and the value after."""

Severities: TypeAlias = tuple[Severity | None, Severity | None]


@dataclass(frozen=True, slots=True)
class By:
    """Who changes an incident, and what the change refers to.

    Attributes:
        name: who, for people.
        severities: the ones before and after, where they differ.
        original: what it becomes a duplicate of, if it does.
    """

    name: str
    severities: Severities = (None, None)
    original: Incident | None = None


def sentences_of(changes: Changes, by: By) -> Iterator[tuple[str, str]]:
    """Yield the column and a sentence for each change; a message stands in that of its status."""
    with_status = set(MESSAGES.values()) if "status" in changes else set()
    for name, (before, after) in changes.items():
        if name not in with_status:
            yield name, _sentence(name, before, after, changes, by)


def _sentence(name: str, before: Any, after: Any, changes: Changes, by: By) -> str:
    end = "."
    match name:
        case "status":
            what = f"Status changed from {status_name(before)} to {status_name(after)}"
            _, message = changes.get(MESSAGES.get(after, ""), (None, None))
            end = f": {message}" if message else end
        case "title":
            what = f"Title changed from {before!r} to {after!r}"
        case "severity_id":
            then, now = (each.name if each else "none" for each in by.severities)
            what = f"Severity changed from {then} to {now}"
        case "duplicate_incident_id" if by.original:
            what = f"Marked as a duplicate of incident {by.original.number}"
        case "duplicate_incident_id":
            what = "Mark of a duplicate removed"
        case "private":
            what = "Made private"
        case _ if name in TIMES and after is not None:
            what = f"{_label(name)} set to {after.astimezone(UTC):%Y-%m-%d %H:%M:%S %Z}"
        case _:
            what = f"{_label(name)} changed"
    return f"{what} by {by.name}{end}"


def told(changes: Changes, severities: Severities) -> dict[str, Any]:
    """Return changes as a domain event tells them: `{"title": {"from", "to"}}`, as JSON."""
    as_told = dict(changes)
    if "severity_id" in as_told:
        del as_told["severity_id"]
        before, after = (severity and severity.slug for severity in severities)
        as_told["severity"] = (before, after)
    return {
        name: {"from": _as_json(before), "to": _as_json(after)}
        for name, (before, after) in as_told.items()
    }


def status_name(status: str) -> str:
    """Return a status for people: `In triage`."""
    return _label(status)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
