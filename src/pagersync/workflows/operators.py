"""Whether one condition holds. Pure.

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

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

from pagersync.workflows.condition_fields import Condition, Shape, compared_values
from pagersync.workflows.patterns import compile_pattern
from pagersync.workflows.subject import Subject, values_found

Holds = Callable[[Subject, datetime], bool]
"""Whether a condition holds of a subject, now."""

_NEGATIONS: Final = {"IS NOT": "IS", "CONTAINS_NONE": "CONTAINS", "UNSET": "SET"}


def compile_condition(condition: Condition) -> Holds:
    """Return what tells whether a condition holds, prepared so that it costs little."""
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
        return values_found(condition.query)
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
