"""How urgent and how severe an alert is, by all that is known of it. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from pagersync.pagertree.severity import AUTO, SEV, Severity, Urgency, read_severity

RANKS: Final[Mapping[str, int]] = {
    "silent": 0,
    Urgency.LOW: 1,
    Urgency.MEDIUM: 2,
    Urgency.HIGH: 3,
    Urgency.CRITICAL: 4,
}
"""Of urgencies, and of severities, which have the same names."""


def highest(*names: str | None) -> str | None:
    """Return the highest of urgencies, or of severities; None and `auto` are none."""
    known = [name for name in names if name is not None and name in RANKS]
    return max(known, key=lambda name: RANKS[name], default=None)


def is_higher(asked: str | None, known: str | None) -> bool:
    """Tell whether an urgency that is asked for is above a known one; unknown is below all."""
    if asked is None or asked == AUTO:
        return False
    return RANKS[asked] > RANKS.get(known or "", -1)


def severity_in(data: Mapping[str, Any]) -> Severity | None:
    """Return the severity that an alert's data has, as PagerTree writes it."""
    meta = data.get("meta")
    return read_severity(meta.get("incident_severity")) if isinstance(meta, dict) else None


def with_severity(data: Mapping[str, Any], severity: str | None) -> dict[str, Any]:
    """Return an alert's data with a severity where PagerTree has it."""
    if severity is None:
        return dict(data)
    meta = data.get("meta")
    said = {"incident": True, "incident_severity": SEV[Severity(severity)]}
    return {**data, "meta": {**(meta if isinstance(meta, dict) else {}), **said}}
