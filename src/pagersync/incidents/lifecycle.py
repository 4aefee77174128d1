"""Which status of an incident may follow which, and the times that a change sets or clears. Pure.

Rootly's public documentation has the order: triage, started, (detected, acknowledged), mitigated,
resolved, closed. Closing needs a resolved incident, resolving without mitigating sets
`mitigated_at` too, triage cannot be skipped, and only an incident in triage can be cancelled.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pagersync.incidents.models import IncidentStatus

S = IncidentStatus

_WORKED: Final = frozenset({S.STARTED, S.DETECTED, S.ACKNOWLEDGED})
_AGAIN: Final = frozenset({S.STARTED})

TRANSITIONS: Final[Mapping[IncidentStatus, frozenset[IncidentStatus]]] = MappingProxyType(
    {
        S.IN_TRIAGE: _WORKED | {S.CANCELLED},
        **{
            status: (_WORKED - {status}) | {S.IN_TRIAGE, S.MITIGATED, S.RESOLVED}
            for status in _WORKED
        },
        S.MITIGATED: _AGAIN | {S.RESOLVED},
        S.RESOLVED: _AGAIN | {S.CLOSED},
        S.CLOSED: _AGAIN,
        S.CANCELLED: _AGAIN,
    }
)
"""Which status may follow which. `started` from `mitigated` on is a restart."""

OVER: Final = frozenset({S.RESOLVED, S.CLOSED, S.CANCELLED})

MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        S.MITIGATED: "mitigation_message",
        S.RESOLVED: "resolution_message",
        S.CANCELLED: "cancellation_message",
    }
)
"""The column that says why an incident has a status."""

TIMES: Final = tuple(f"{status.value}_at" for status in IncidentStatus)
"""The columns that say since when an incident has been what."""

_ENDS: Final = (S.MITIGATED, S.RESOLVED, S.CLOSED, S.CANCELLED)
_IMPLIED: Final[Mapping[IncidentStatus, tuple[IncidentStatus, ...]]] = MappingProxyType(
    {
        S.DETECTED: (S.STARTED,),
        S.ACKNOWLEDGED: (S.STARTED,),
        S.MITIGATED: (S.STARTED,),
        S.RESOLVED: (S.STARTED, S.MITIGATED),
        S.CLOSED: (S.STARTED, S.MITIGATED, S.RESOLVED),
    }
)
"""What an incident has been, too, that is so."""

_IN_ORDER: Final = (S.STARTED, S.MITIGATED, S.RESOLVED, S.CLOSED)


def is_over(status: str) -> bool:
    """Tell whether an incident that has `status` needs nobody any more."""
    return status in OVER


def is_restart(before: str, after: str) -> bool:
    """Tell whether a change of status starts an incident again that had ended."""
    return after == S.STARTED and before in _ENDS


def note_on_start(number: int, before: str, after: str) -> list[str]:
    """Return that a restart changes nothing, if the incident was started already."""
    if not before == after == S.STARTED:
        return []
    return [f"Incident {number} is started already: this changes nothing and pages nobody."]


def why_not(before: IncidentStatus, after: IncidentStatus) -> str | None:
    """Return the rule that keeps an incident from changing so; None when nothing does."""
    if after == before or after in TRANSITIONS[before]:
        return None
    possible = [status.value for status in IncidentStatus if status in TRANSITIONS[before]]
    return (
        f"an incident that is {before.value} cannot become {after.value}: "
        f"it can become {' or '.join(possible)}"
    )


def values_of_entering(
    after: IncidentStatus, known: Mapping[str, datetime | None], *, by: str, now: datetime
) -> dict[str, Any]:
    """Return the columns that an incident's new status sets and clears.

    A time that is known stays: it is the first since the incident was last restarted. What was
    skipped happened together with what followed it.

    Args:
        after: the new status.
        known: the incident's times, by column.
        by: who changes it.
        now: when; where clocks differ, not before what it follows.
    """
    values: dict[str, Any] = {"status": after.value}
    if after not in _ENDS:
        for status in _ENDS:
            values |= {f"{status.value}_at": None, f"{status.value}_by": None}
        values |= dict.fromkeys(MESSAGES.values())
    kept = [known.get(name) for name in TIMES if name not in values]
    moment = max([now, *(known_at for known_at in kept if known_at is not None)])
    for status in reversed((*_IMPLIED.get(after, ()), after)):
        known_at = known.get(f"{status.value}_at")
        moment = moment if known_at is None else known_at
        if known_at is None:
            values |= {f"{status.value}_at": moment, f"{status.value}_by": by}
    return values


def problems_of_times(
    status: IncidentStatus, times: Mapping[str, datetime | None]
) -> Iterator[tuple[str, str]]:
    """Yield the times of an incident that cannot be right, and why.

    Args:
        status: the incident's.
        times: its times, by column.
    """
    has_been = {status, *_IMPLIED.get(status, ())}
    may_have_been = has_been | ({S.MITIGATED} if status == S.CANCELLED else set())
    for end in _ENDS:
        if times.get(f"{end.value}_at") is not None and end not in may_have_been:
            yield f"{end.value}_at", f"the incident is {status.value}"
    for each in has_been:
        if times.get(f"{each.value}_at") is None:
            yield f"{each.value}_at", f"it cannot be null: the incident is {status.value}"
    latest = None
    for step in _IN_ORDER:
        moment = times.get(f"{step.value}_at")
        if moment is not None and latest is not None and moment < latest[1]:
            yield f"{step.value}_at", f"lies before {latest[0]}"
        latest = latest if moment is None else (f"{step.value}_at", moment)
