"""What conditions can look at, by the names that Rootly's API gives them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from pydantic import BaseModel

from pagersync.alerts.models import AlertStatus
from pagersync.incidents.models import IncidentKind, IncidentStatus
from pagersync.pagertree.severity import AUTO, SEV, Severity, Urgency, read_severity
from pagersync.paging.models import PageStatus

NORMAL: Final = ("IS", [IncidentKind.NORMAL.value])
"""What Rootly presets on the kind of an incident, so that tests do not page anybody."""


class Shape(Enum):
    """How many values a field has."""

    ONE = auto()
    MANY = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """Something that a condition looks at.

    Attributes:
        words: what people call it.
        attribute: what `Subject` calls it; empty for the result of a query.
        operator, values, use_regexp, query: the parameters; None where Rootly has none.
        allowed: the only values it can have, where they are known.
        is_always_set: whether there is always a value.
    """

    words: str
    attribute: str
    shape: Shape
    operator: str
    values: str | None = None
    use_regexp: str | None = None
    query: str | None = None
    allowed: tuple[str, ...] | None = None
    is_always_set: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as somebody wrote it; `at` begins the path of its parameters."""

    field: Field
    operator: str
    values: tuple[str, ...] = ()
    use_regexp: bool = False
    query: str | None = None
    at: tuple[str | int, ...] = ()

    @property
    def looks(self) -> bool:
        """Whether it is a condition at all: `ANY` is none."""
        return self.operator != "ANY"


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by ALL, ANY or NONE."""

    join: str
    members: tuple["Condition | Group", ...]

    def conditions(self) -> Iterator[Condition]:
        """Yield every condition in it, those of inner groups too."""
        for member in self.members:
            if isinstance(member, Group):
                yield from member.conditions()
            else:
                yield member


def read_conditions(params: BaseModel) -> tuple[Condition | None, Group]:
    """Return what must hold in any case, if there is such a thing, and the joined conditions.

    The kind of an incident, as Rootly presets it, stands apart: joined by ANY it would make all
    conditions hold, and joined by NONE it would let none hold but those of tests.
    """
    given = params.model_dump()
    kind = given["trigger_type"]
    every = [_condition(given, field) for field in FIELDS[kind]]
    members: list[Condition | Group] = [condition for condition in every if condition.looks]
    guard = next((each for each in every if _is_preset(each)), None)
    if guard is not None:
        members.remove(guard)
    if kind == "alert":
        members += _payload_group(given["alert_payload_conditions"])
    return guard, Group(given.get(f"{kind}_condition", "ALL"), tuple(members))


def _condition(given: Mapping[str, Any], field: Field) -> Condition:
    values = given[field.values] if field.values else []
    return Condition(
        field,
        given[field.operator] or "ANY",
        tuple(str(value).lower() if isinstance(value, bool) else value for value in values),
        use_regexp=bool(field.use_regexp and given[field.use_regexp]),
        query=field.query and given[field.query],
    )


def _is_preset(condition: Condition) -> bool:
    preset = (condition.operator, list(condition.values)) == NORMAL
    return condition.field.attribute == "incident_kind" and preset


def _payload_group(given: Mapping[str, Any]) -> list[Group]:
    looking = tuple(condition for condition in _payload_conditions(given) if condition.looks)
    return [Group(given["logic"], looking)] if looking else []


def _payload_conditions(given: Mapping[str, Any]) -> list[Condition]:
    return [
        Condition(
            PAYLOAD,
            each["operator"],
            tuple(each["values"]),
            use_regexp=each["use_regexp"],
            query=each["query"],
            at=("alert_payload_conditions", "conditions", position),
        )
        for position, each in enumerate(given["conditions"])
    ]


def ignored_conditions(params: BaseModel) -> Iterator[Condition]:
    """Yield the conditions that are none, since their operator is ANY or missing."""
    given = params.model_dump()
    kind = given["trigger_type"]
    conditions = [_condition(given, field) for field in FIELDS[kind]]
    if kind == "alert":
        conditions += _payload_conditions(given["alert_payload_conditions"])
    yield from (condition for condition in conditions if not condition.looks)


def _one(words: str, attribute: str, values: str, allowed: Sequence[str] | None = None) -> Field:
    """Return a field with one value, whose parameters are named after the words."""
    kind, name = words.split()
    return Field(
        words,
        attribute,
        Shape.ONE,
        f"{kind}_condition_{name}",
        values,
        allowed=tuple(allowed) if allowed else None,
        is_always_set=name in ("status", "kind", "visibility"),
    )


def _with_regexp(kind: str, name: str, attribute: str, values: str, shape: Shape) -> Field:
    operator = f"{kind}_condition_{name}"
    return Field(f"{kind} {name}", attribute, shape, operator, values, f"{operator}_use_regexp")


SEVERITIES: Final = (*Severity, *(sev.lower() for sev in SEV.values()), "sev-5", "sev-unknown")
"""Of alerts and pages: our names and PagerTree's."""

PAYLOAD: Final = Field("alert payload", "", Shape.MANY, "operator", "values", "use_regexp", "query")

FIELDS: Final[Mapping[str, tuple[Field, ...]]] = {
    "incident": (
        _one("incident status", "status", "incident_statuses", list(IncidentStatus)),
        _one("incident kind", "incident_kind", "incident_kinds", list(IncidentKind)),
        _one("incident visibility", "private", "incident_visibilities"),
        _one("incident severity", "severity", "incident_severities"),
        _with_regexp("incident", "label", "label_texts", "incident_labels", Shape.MANY),
        _with_regexp("incident", "summary", "summary", "incident_summaries", Shape.TEXT),
        *(
            Field(f"incident {name}", name, Shape.ONE, f"incident_condition_{name}")
            for name in (
                "started_at",
                "detected_at",
                "acknowledged_at",
                "mitigated_at",
                "resolved_at",
            )
        ),
    ),
    "alert": (
        Field(
            "alert status",
            "status",
            Shape.ONE,
            "alert_condition_status",
            "alert_statuses",
            "alert_condition_status_use_regexp",
            allowed=tuple(AlertStatus),
            is_always_set=True,
        ),
        _with_regexp("alert", "source", "source", "alert_sources", Shape.ONE),
        _one("alert urgency", "urgency", "alert_urgencies", [*Urgency, "silent"]),
        _one("alert severity", "severity", "alert_severities", SEVERITIES),
        _with_regexp("alert", "label", "label_texts", "alert_labels", Shape.MANY),
        _with_regexp("alert", "summary", "summary", "alert_summaries", Shape.TEXT),
        Field(
            "alert payload",
            "",
            Shape.MANY,
            "alert_condition_payload",
            "alert_payload",
            "alert_condition_payload_use_regexp",
            "alert_query_payload",
        ),
    ),
    "page": (
        _one("page status", "status", "page_statuses", list(PageStatus)),
        _one("page urgency", "urgency", "page_urgencies", [*Urgency, AUTO]),
        _one("page severity", "severity", "page_severities", SEVERITIES),
        _with_regexp("page", "label", "label_texts", "page_labels", Shape.MANY),
        _with_regexp("page", "summary", "summary", "page_summaries", Shape.TEXT),
    ),
    "account": (),
    "simple": (),
}
"""Of each kind of workflow, the cheapest first: a failed condition is the first that failed."""


def compared_values(field: Field, values: Sequence[str]) -> tuple[str, ...]:
    """Return the values of a condition as they are compared.

    Severities have no case, and `SEV-1` is critical.
    """
    if field.attribute != "severity":
        return tuple(values)
    if field.allowed is None:
        return tuple(value.strip().lower() for value in values)
    levels = [(read_severity(value), value) for value in values]
    return tuple(level.value if level else value.strip().lower() for level, value in levels)
