"""What is wrong with triggers and conditions beyond their types. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from pagersync.events.triggers import TRIGGERS
from pagersync.pagertree.payloads import storable
from pagersync.workflows.condition_fields import (
    Condition,
    Field,
    Shape,
    compared_values,
    ignored_conditions,
    read_conditions,
)
from pagersync.workflows.durations import INACTIVITY, duration_s
from pagersync.workflows.json_paths import compile_query
from pagersync.workflows.patterns import PATTERN_CHARACTERS_MAX, compile_pattern

Path = tuple[str | int, ...]

VALUES_MAX: Final = 100
PATTERNS_MAX: Final = 20
VALUE_CHARACTERS_MAX: Final = 500
PAYLOAD_CONDITIONS_MAX: Final = 20
NEEDS_VALUES: Final = ("IS", "IS NOT", "CONTAINS", "CONTAINS_ALL", "CONTAINS_NONE")

_ROOTLYS: Final = re.compile(
    r"custom_fields\..+\.updated"
    r"|(environments|incident_types|services|functionalities|teams|causes|role_assignments"
    r"|subscribers)_(added|removed|updated)"
    r"|visibility_updated|status_page_timeline_updated|meeting_summary_created"
    r"|slack_.+|microsoft_teams_.+|google_chat_.+|user_(joined|left)_slack_channel|pulse_created"
)
"""Triggers of Rootly's specification for which nothing happens in pagersync."""


def problems_of(params: BaseModel) -> Iterator[tuple[Path, str]]:
    """Yield everything that is wrong: where, and what."""
    given = params.model_dump()
    yield from _trigger_problems(given)
    guard, group = read_conditions(params)
    for condition in (*([guard] if guard else []), *group.conditions()):
        yield from _condition_problems(condition)
    for condition in ignored_conditions(params):
        yield from _ignored_problems(condition)
    if given["trigger_type"] == "incident":
        yield from _inactivity_problems(given)
    if given["trigger_type"] == "alert":
        yield from _payload_problems(given["alert_payload_conditions"]["conditions"])


def _trigger_problems(given: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    kind = given["trigger_type"]
    for position, trigger in enumerate(given["triggers"]):
        if trigger not in TRIGGERS[kind]:
            yield ("triggers", position), _why_not(kind, trigger)


def _why_not(kind: str, trigger: str) -> str:
    other = next((each for each, names in TRIGGERS.items() if trigger in names), None)
    if other is not None:
        return f"{trigger!r} is a trigger of the trigger_type {other!r}, and this is {kind!r}"
    if _ROOTLYS.fullmatch(trigger):
        return f"{trigger!r} is a trigger of Rootly's that never happens in pagersync"
    if kind == "simple":
        return "a simple workflow is started by hand only, and has no triggers"
    return f"{trigger!r} is none of {', '.join(TRIGGERS[kind])}"


def _condition_problems(condition: Condition) -> Iterator[tuple[Path, str]]:
    field, operator = condition.field, condition.operator
    values_at = (*condition.at, field.values or field.operator)
    if field.query is not None:
        yield from _query_problems(condition, field.query)
    if operator in NEEDS_VALUES and not condition.values:
        yield values_at, f"{operator} needs at least one value"
    if operator in ("SET", "UNSET"):
        yield from _ignored_problems(condition)
    if field.is_always_set and (
        operator == "UNSET" or (operator, condition.values) == ("NONE", ())
    ):
        yield (*condition.at, field.operator), f"never holds: the {field.words} is always set"
    values_max = PATTERNS_MAX if condition.use_regexp else VALUES_MAX
    if len(condition.values) > values_max:
        yield values_at, f"has {len(condition.values)} values: at most {values_max}"
        return
    for position, value in enumerate(condition.values):
        reason = _why_never(condition, value)
        if reason:
            yield (*values_at, position), reason
    if operator == "CONTAINS_ALL" and _has_too_many(condition):
        yield values_at, f"never hold together: the {field.words} has one value"


def _has_too_many(condition: Condition) -> bool:
    is_one = condition.field.shape is Shape.ONE and not condition.use_regexp
    has_names = condition.field.attribute == "severity" and condition.field.allowed is None
    return is_one and not has_names and len(set(_compared(condition))) > 1


def _compared(condition: Condition) -> tuple[str, ...]:
    return compared_values(condition.field, condition.values)


def _why_never(condition: Condition, value: str) -> str | None:
    if not value.strip():
        return "must not be empty"
    if condition.use_regexp:
        return _why_no_pattern(condition.field, value)
    if len(value) > VALUE_CHARACTERS_MAX:
        return f"has {len(value)} characters: at most {VALUE_CHARACTERS_MAX}"
    if value != storable(value):
        return "holds a NUL character or half a surrogate pair"
    allowed = condition.field.allowed
    if allowed and compared_values(condition.field, [value])[0] not in allowed:
        return f"{value!r} is none of {', '.join(allowed)}"
    return None


def _why_no_pattern(field: Field, pattern: str) -> str | None:
    if len(pattern) <= PATTERN_CHARACTERS_MAX and pattern != storable(pattern):
        return "holds a NUL character or half a surrogate pair"
    try:
        matches = compile_pattern(pattern)
    except ValueError as error:
        return str(error)
    if field.allowed and not any(map(matches, field.allowed)):
        return f"{pattern!r} matches none of {', '.join(field.allowed)}"
    return None


def _ignored_problems(condition: Condition) -> Iterator[tuple[Path, str]]:
    """Yield the values that an operator does not look at; the kind's are Rootly's preset."""
    field, operator = condition.field, condition.operator
    instead = "" if operator != "ANY" else ", which is no condition: IS looks at them"
    if field.values and condition.values and field.attribute != "incident_kind":
        yield (*condition.at, field.values), f"would be ignored by {operator}{instead}"
    if operator == "ANY" and field.query and condition.query and not condition.at:
        yield (*condition.at, field.query), f"would be ignored by {operator}{instead}"


def _query_problems(condition: Condition, name: str) -> Iterator[tuple[Path, str]]:
    at = (*condition.at, name)
    if not condition.query:
        yield at, "is needed: a JSONPath such as $.tags[*]"
        return
    try:
        compile_query(condition.query)
    except ValueError as error:
        yield at, str(error)
    else:
        if condition.query != storable(condition.query):
            yield at, "holds a NUL character or half a surrogate pair"


def _inactivity_problems(given: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    duration = given["incident_inactivity_duration"]
    if given["incident_conditional_inactivity"] is None:
        if duration is not None:
            at = ("incident_inactivity_duration",)
            yield at, "is looked at only if incident_conditional_inactivity is IS"
        return
    if duration is None:
        yield ("incident_inactivity_duration",), "IS needs a duration, such as '10 min'"
        return
    try:
        duration_s(duration, INACTIVITY)
    except ValueError as error:
        yield ("incident_inactivity_duration",), str(error)


def _payload_problems(conditions: list[dict[str, Any]]) -> Iterator[tuple[Path, str]]:
    if len(conditions) > PAYLOAD_CONDITIONS_MAX:
        at = ("alert_payload_conditions", "conditions")
        yield at, f"has {len(conditions)} conditions: at most {PAYLOAD_CONDITIONS_MAX}"
