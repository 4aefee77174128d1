"""What conditions look at. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from pagersync.workflows.json_paths import compile_query

WHOLE_MAX: Final = 10**18
"""Numbers beyond it are not compared."""

RESULTS_MAX: Final = 10_000
"""So many of the values that a JSONPath leads to are compared, the first ones."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What conditions look at: an incident, an alert or a page, as it is.

    Attributes:
        kind: `incident`, `alert` or `page`.
        severity: every name that the severity is known by, in lower case: of an incident its id,
            slug, name and level; of alerts and pages `critical` to `low`, or `sev-5` and
            `sev-unknown`. Empty when there is none.
        labels: of a page its tags, each with an empty value.
        source: of an alert.
        summary: of a page its title.
        payload: an alert's data.
        incident_kind: of an incident.
        times: of an incident: `started_at`, `resolved_at` and so on.
        updated_at: when an incident last changed.
        label_texts: the labels as conditions name them.
        found: what JSONPaths led to, so that each is followed once.
    """

    kind: str
    status: str
    severity: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    urgency: str | None = None
    summary: str | None = None
    payload: Mapping[str, Any] | None = None
    incident_kind: str | None = None
    private: bool = False
    times: Mapping[str, datetime | None] = field(default_factory=dict)
    updated_at: datetime | None = None
    label_texts: frozenset[str] = field(init=False)
    found: dict[str, frozenset[str]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        texts = (f"{key}:{value}" if value != "" else key for key, value in self.labels.items())
        object.__setattr__(self, "label_texts", frozenset(texts))

    def seen(self) -> dict[str, object]:
        """Return the short values, which are kept beside what conditions said of them."""
        values: dict[str, object] = {
            "status": self.status,
            "severity": sorted(self.severity),
            "source": self.source,
            "urgency": self.urgency,
            "labels": dict(self.labels),
        }
        return {name: value for name, value in values.items() if value}


def values_found(query: str) -> Callable[[Subject], frozenset[str]]:
    """Return what gives the texts that a JSONPath leads to in a subject's payload."""
    find = compile_query(query)

    def values(subject: Subject) -> frozenset[str]:
        found = subject.found.get(query)
        if found is None:
            results = find(subject.payload) if subject.payload is not None else []
            found = subject.found[query] = _texts_of(results)
        return found

    return values


def _texts_of(results: Sequence[Any]) -> frozenset[str]:
    """Return JSON values as conditions compare them; of an array, its elements."""
    flat = (each for value in results for each in (value if isinstance(value, list) else (value,)))
    kept = (value for value in islice(flat, RESULTS_MAX) if value not in (None, "", {}, []))
    return frozenset(_text_of(value) for value in kept)


def _text_of(value: Any) -> str:
    """Return a text as it is, 5.0 as `5`, true as `true`; an object has none but `{}`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and -WHOLE_MAX <= value <= WHOLE_MAX:
        return str(int(value) if value == int(value) else value)
    return "{}"
