"""Whether the conditions of a workflow hold. Pure.

What an operator means; c are the values that the field has, v those of the condition:

| operator      | one or many values                 | texts, such as a summary            |
|---------------|------------------------------------|-------------------------------------|
| IS            | a c is one of v                    | the text is one of v                |
| CONTAINS      | the same                           | one of v stands in the text         |
| CONTAINS_ALL  | every v is a c                     | every v stands in the text          |
| IS NOT        | IS does not hold                   | IS does not hold                    |
| CONTAINS_NONE | CONTAINS does not hold             | CONTAINS does not hold              |
| NONE          | IS does not hold; without v: UNSET | CONTAINS does not hold; UNSET       |
| SET           | there is a c                       | the text is not empty               |
| UNSET         | there is none                      | there is none                       |
| ANY           | no condition                       | no condition                        |

With `use_regexp`, "is" and "stands in" become "matches": each v is a pattern of RE2 that is looked
for anywhere in each c. One value have a status, a kind, a visibility, a source, an urgency and a
severity, which is known by several names. Many have labels, each `key:value` (or `key`, if its
value is empty), and what a JSONPath finds.

Rootly's documentation says: is, "matches exactly"; is one of, contains any of, contains all of,
contains none of, none of, is set, is unset; and that ALL, the preset, ANY and NONE join conditions.
Which of them its API means by `IS` and several values is not documented; published configurations
use `IS` with one label of many, so it holds when one of them is there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Any, Final

from pagersync.workflows.condition_fields import (
    Condition,
    Group,
    Shape,
    compared_values,
    read_conditions,
)
from pagersync.workflows.durations import INACTIVITY, duration_s
from pagersync.workflows.json_paths import STEPS_MAX, compile_query
from pagersync.workflows.patterns import compile_pattern
from pagersync.workflows.trigger_params import IncidentTriggerParams, TriggerParams

SHOWN_VALUES_MAX: Final = 5
SHOWN_CHARACTERS_MAX: Final = 60
WHOLE_MAX: Final = 10**18
"""Whole numbers beyond it are not compared."""

Holds = Callable[["Subject", datetime], bool]
"""Whether one condition holds of a subject, now."""


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


class Conditions:
    """The conditions of one workflow, ready to be looked at often."""

    __slots__ = ("_checks", "_guard", "_join", "_none_held")

    def __init__(
        self, join: str, checks: Sequence[tuple[Holds, str]], guard: tuple[Holds, str] | None
    ) -> None:
        self._join = join if checks else "ALL"
        self._guard = guard
        self._checks = tuple(checks)
        self._none_held = f"none of these holds: {'; '.join(text for _, text in checks)}"

    def first_failed(self, subject: Subject, now: datetime) -> str | None:
        """Return None when they hold, else the first that does not, in words.

        The words name what was asked for and not what was there: `Subject.seen` has that.
        """
        if self._guard is not None and not self._guard[0](subject, now):
            return self._guard[1]
        if self._join == "ALL":
            for holds, text in self._checks:
                if not holds(subject, now):
                    return text
            return None
        for holds, text in self._checks:
            if holds(subject, now):
                return None if self._join == "ANY" else f"must not hold: {text}"
        return self._none_held if self._join == "ANY" else None

    def hold(self, subject: Subject, now: datetime) -> bool:
        """Return whether they hold."""
        return self.first_failed(subject, now) is None

    def describe(self) -> list[str]:
        """Return every condition in words; joined by ANY or NONE, they are one line."""
        texts = [text for _, text in self._checks]
        if self._join != "ALL":
            texts = [f"{self._join} of: {'; '.join(texts)}"]
        return [self._guard[1], *texts] if self._guard else texts


def compile_conditions(params: TriggerParams) -> Conditions:
    """Return the conditions of parsed params, ready to be looked at."""
    guard, group = read_conditions(params)
    checks = [_check(member) for member in group.members]
    if isinstance(params, IncidentTriggerParams) and params.incident_conditional_inactivity:
        checks.append(_inactivity(params.incident_inactivity_duration or ""))
    return Conditions(group.join, checks, _check(guard) if guard else None)


def _check(member: Condition | Group) -> tuple[Holds, str]:
    if isinstance(member, Group):
        inner = Conditions(member.join, [_check(each) for each in member.members], None)
        return inner.hold, f"alert payload {member.join} of ({'; '.join(inner.describe())})"
    return _holds(member), _in_words(member)


def _inactivity(duration: str) -> tuple[Holds, str]:
    unchanged = timedelta(seconds=duration_s(duration, INACTIVITY))

    def holds(subject: Subject, now: datetime) -> bool:
        return subject.updated_at is not None and now - subject.updated_at >= unchanged

    return holds, f"incident unchanged for {duration}"


def _in_words(condition: Condition) -> str:
    words = [condition.field.words, *([condition.query] if condition.query else [])]
    words.append(condition.operator)
    if condition.values:
        shown = [value[:SHOWN_CHARACTERS_MAX] for value in condition.values[:SHOWN_VALUES_MAX]]
        more = len(condition.values) - len(shown)
        words.append(f"[{', '.join(shown)}{f' and {more} more' if more > 0 else ''}]")
    return " ".join(words) + (" (regular expression)" if condition.use_regexp else "")


_NEGATIONS: Final = {"IS NOT": "IS", "CONTAINS_NONE": "CONTAINS", "UNSET": "SET"}


def _holds(condition: Condition) -> Holds:
    operator = condition.operator
    if operator == "NONE":
        positive = "CONTAINS" if condition.values else "SET"
    else:
        positive = _NEGATIONS.get(operator, operator)
    test = _positive(condition, positive)
    if positive == operator:
        return test
    return lambda subject, now: not test(subject, now)


def _positive(condition: Condition, operator: str) -> Holds:
    attribute = condition.field.attribute
    if operator == "SET":
        return _is_set(_many(condition))
    if condition.use_regexp:
        return _matches(_many(condition), condition.values, all_of=operator == "CONTAINS_ALL")
    wanted = frozenset(compared_values(condition.field, condition.values))
    if condition.field.shape is Shape.TEXT and operator != "IS":
        return _stands_in(wanted, all_of=operator == "CONTAINS_ALL")
    if attribute in _ONE and operator != "CONTAINS_ALL":
        get = _ONE[attribute]
        return lambda subject, _now: get(subject) in wanted
    values = _many(condition)
    if operator == "CONTAINS_ALL":
        return lambda subject, _now: wanted <= values(subject)
    return lambda subject, _now: not wanted.isdisjoint(values(subject))


_ONE: Final[Mapping[str, Callable[[Subject], str | None]]] = {
    "status": attrgetter("status"),
    "incident_kind": attrgetter("incident_kind"),
    "source": attrgetter("source"),
    "urgency": attrgetter("urgency"),
    "summary": attrgetter("summary"),
    "private": lambda subject: "true" if subject.private else "false",
}


def _many(condition: Condition) -> Callable[[Subject], frozenset[str]]:
    """Return what gives every value that a field has."""
    attribute = condition.field.attribute
    if condition.query is not None:
        return _found(condition.query)
    if attribute in ("label_texts", "severity"):
        return attrgetter(attribute)
    if attribute not in _ONE:
        return lambda subject: frozenset({attribute} if subject.times.get(attribute) else ())
    get = _ONE[attribute]

    def values(subject: Subject) -> frozenset[str]:
        value = get(subject)
        return frozenset((value,)) if value else frozenset()

    return values


def _is_set(values: Callable[[Subject], frozenset[str]]) -> Holds:
    return lambda subject, _now: bool(values(subject))


def _matches(
    values: Callable[[Subject], frozenset[str]], patterns: Sequence[str], *, all_of: bool
) -> Holds:
    searches = [compile_pattern(pattern) for pattern in patterns]
    quantifier = all if all_of else any

    def holds(subject: Subject, _now: datetime) -> bool:
        there = values(subject)
        return quantifier(any(map(search, there)) for search in searches)

    return holds


def _stands_in(wanted: frozenset[str], *, all_of: bool) -> Holds:
    quantifier = all if all_of else any

    def holds(subject: Subject, _now: datetime) -> bool:
        text = subject.summary or ""
        return quantifier(value in text for value in wanted)

    return holds


def _found(query: str) -> Callable[[Subject], frozenset[str]]:
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
    kept = (value for value in islice(flat, STEPS_MAX) if value not in (None, "", {}, []))
    return frozenset(_text_of(value) for value in kept)


def _text_of(value: Any) -> str:
    """Return a text as it is, 5.0 as `5`, true as `true`; an object has none but `{}`."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE_MAX:
        return str(int(value))
    if isinstance(value, dict | list) or (isinstance(value, int) and abs(value) > WHOLE_MAX):
        return "{}"
    return json.dumps(value)
