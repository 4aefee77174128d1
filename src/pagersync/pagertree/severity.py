"""What pagersync calls severe and urgent, in PagerTree's words. Pure.

PagerTree's alerts have no severity of their own: `meta.incident` makes an alert an incident, and
`meta.incident_severity` is then one of SEV-1 to SEV-5 and SEV-UNKNOWN, says its documentation. The
open-source part of its application stores `sev_1`, so both spellings are read. `auto` is no urgency
of PagerTree's.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

AUTO: Final = "auto"
"""Asks to let PagerTree decide on the urgency."""


class Severity(StrEnum):
    """How bad an incident is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Urgency(StrEnum):
    """The urgencies that are sent. PagerTree has `silent` too, which is only read."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


SEV: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "SEV-1",
    Severity.HIGH: "SEV-2",
    Severity.MEDIUM: "SEV-3",
    Severity.LOW: "SEV-4",
}

SEV_UNKNOWN: Final = "SEV-UNKNOWN"

_SEVERITIES: Final = {sev: severity for severity, sev in SEV.items()}
_SEV_FORM: Final = re.compile(r"sev[\s_-]*([1-5]|unknown)", re.IGNORECASE | re.ASCII)


def to_meta(severity: Severity | None) -> dict[str, Any]:
    """Return the keys of an alert's `meta` that make it an incident of this severity.

    One without a severity is sent as SEV-UNKNOWN: the open-source part of PagerTree's application
    demands a severity of every incident.
    """
    return {"incident": True, "incident_severity": SEV[severity] if severity else SEV_UNKNOWN}


def normalise_sev(text: object) -> str | None:
    """Return `SEV-1` to `SEV-5` or `SEV-UNKNOWN`, however it was spelt; None when it is neither."""
    match = _SEV_FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    return f"SEV-{match[1].upper()}" if match else None


def read_severity(text: object) -> Severity | None:
    """Return the severity that a text names, by `SEV-1` to `SEV-4` or by its own name.

    None for what has no counterpart here: SEV-5, SEV-UNKNOWN and everything else.
    """
    sev = normalise_sev(text)
    if sev is not None:
        return _SEVERITIES.get(sev)
    name = text.strip().lower() if isinstance(text, str) else ""
    return next((severity for severity in Severity if severity.value == name), None)


def urgency_to_send(urgency: str, severity: Severity | None, *, must_name: bool) -> str | None:
    """Return the urgency that a call names; None leaves it out.

    Args:
        urgency: one of `Urgency`, sent as given, or `auto`, which leaves it to PagerTree.
        severity: what `auto` becomes when it has to be named; medium when there is none.
        must_name: PagerTree demands one. Its documentation says so; what it does without is
            unknown.
    """
    if urgency != AUTO:
        return urgency
    if not must_name:
        return None
    return Urgency(severity.value) if severity else Urgency.MEDIUM
