"""Whether the conditions of a workflow hold; what an operator means: `operators.py`. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pagersync.workflows.condition_fields import Condition, Group, read_conditions
from pagersync.workflows.durations import INACTIVITY, duration_s
from pagersync.workflows.operators import Holds, compile_condition
from pagersync.workflows.subject import Subject
from pagersync.workflows.trigger_params import (
    IncidentTriggerParams,
    TriggerParams,
    parse_trigger_params,
)

__all__ = ["Conditions", "Subject", "compile_conditions", "conditions_of"]

SHOWN_VALUES_MAX: Final = 5
SHOWN_CHARACTERS_MAX: Final = 60


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


def conditions_of(trigger_params: Mapping[str, Any]) -> Conditions:
    """Return the conditions of a workflow, by its params as they are stored.

    Raises:
        ManyInvalidError: they cannot be right.
    """
    return compile_conditions(parse_trigger_params(trigger_params))


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
    return compile_condition(member), _in_words(member)


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
