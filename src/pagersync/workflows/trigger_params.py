"""When a workflow runs: its triggers and conditions, as Rootly's API has them. Pure.

Names and defaults are those of Rootly's specification (`incident_trigger_params`,
`alert_trigger_params`, `simple_trigger_params`), so that its clients can be pointed here; what it
lacks is named in the same manner. Conditions on what pagersync does not have (environments,
services, teams and so on) are accepted only as long as they ask for nothing: otherwise they would
silently always hold, or never.

Rootly filters severities and urgencies by ids of its own; here `incident_severities` are ids,
slugs, names or levels, and `alert_urgencies` are PagerTree's words.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from pagersync.errors import InvalidError, ManyInvalidError, wording
from pagersync.events.triggers import OURS_ONLY, TRIGGERS
from pagersync.jsonapi import Attributes
from pagersync.workflows.trigger_checks import problems_of

POINTER: Final = "/data/attributes/trigger_params"

Operator = Literal[
    "IS", "IS NOT", "ANY", "CONTAINS", "CONTAINS_ALL", "CONTAINS_NONE", "NONE", "SET", "UNSET"
]
Join = Literal["ALL", "ANY", "NONE"]
Presence = Literal["SET", "UNSET"]


def _without_repetitions(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _asks_nothing(value: object) -> object:
    if value not in ("ANY", None, []):
        raise ValueError("pagersync has no such thing: leave it out")
    return value


Texts = Annotated[list[str], AfterValidator(_without_repetitions)]
NoCondition = Annotated[
    Literal["ANY"],
    BeforeValidator(_asks_nothing),
    Field(description="pagersync has no such thing: `ANY` only."),
]
NoValues = Annotated[
    list[Any],
    BeforeValidator(_asks_nothing),
    Field(description="pagersync has no such thing: empty only."),
]
NoPresence = Annotated[
    None,
    BeforeValidator(_asks_nothing),
    Field(description="pagersync has no such thing: null only."),
]


def _texts() -> Any:
    return Field(default_factory=list)


class Params(Attributes):
    """Base of all: null stands for the default, as Rootly's clients send it."""

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {
            name: value
            for name, value in given.items()
            if value is not None or name not in cls.model_fields
        }


class IncidentTriggerParams(Params):
    """Triggers and conditions of a workflow for incidents.

    `incident_visibilities` has true for private incidents; Rootly does not say what it means there.
    """

    trigger_type: Literal["incident"]
    triggers: Texts = _texts()
    incident_condition: Join = "ALL"
    incident_condition_kind: Operator = "IS"
    incident_kinds: Texts = Field(default_factory=lambda: ["normal"])
    incident_condition_status: Operator = "ANY"
    incident_statuses: Texts = _texts()
    incident_condition_severity: Operator = "ANY"
    incident_severities: Texts = _texts()
    incident_condition_visibility: Operator = "ANY"
    incident_visibilities: list[bool] = Field(default_factory=list)
    incident_condition_label: Operator = "ANY"
    incident_condition_label_use_regexp: bool = False
    incident_labels: Texts = _texts()
    incident_condition_summary: Operator | None = None
    incident_condition_summary_use_regexp: bool = False
    incident_summaries: Texts = _texts()
    incident_condition_started_at: Presence | None = None
    incident_condition_detected_at: Presence | None = None
    incident_condition_acknowledged_at: Presence | None = None
    incident_condition_mitigated_at: Presence | None = None
    incident_condition_resolved_at: Presence | None = None
    incident_condition_scheduled_for: NoPresence = None
    incident_condition_scheduled_until: NoPresence = None
    incident_conditional_inactivity: Literal["IS"] | None = None
    incident_inactivity_duration: str | None = Field(
        default=None, examples=["10 min", "1h", "3 days", "2 weeks"]
    )
    incident_condition_sub_status: NoCondition = "ANY"
    incident_condition_environment: NoCondition = "ANY"
    incident_condition_incident_type: NoCondition = "ANY"
    incident_condition_incident_roles: NoCondition = "ANY"
    incident_condition_service: NoCondition = "ANY"
    incident_condition_functionality: NoCondition = "ANY"
    incident_condition_group: NoCondition = "ANY"
    incident_condition_cause: NoCondition = "ANY"
    incident_post_mortem_condition_cause: NoCondition = "ANY"


class PayloadCondition(Params):
    """A condition on what a JSONPath finds in an alert's data."""

    query: str = Field(examples=["$.meta.environment"])
    operator: Operator
    values: Texts = _texts()
    use_regexp: bool = False


class PayloadConditions(Params):
    """Conditions on an alert's data, joined on their own."""

    logic: Join = "ALL"
    conditions: list[PayloadCondition] = Field(default_factory=list)


class AlertTriggerParams(Params):
    """Triggers and conditions of a workflow for alerts."""

    trigger_type: Literal["alert"]
    triggers: Texts = _texts()
    alert_condition: Join = "ALL"
    alert_condition_source: Operator = "ANY"
    alert_condition_source_use_regexp: bool = False
    alert_sources: Texts = _texts()
    alert_condition_label: Operator = "ANY"
    alert_condition_label_use_regexp: bool = False
    alert_labels: Texts = _texts()
    alert_condition_status: Operator = "ANY"
    alert_condition_status_use_regexp: bool = False
    alert_statuses: Texts = _texts()
    alert_condition_urgency: Operator = "ANY"
    alert_urgencies: Texts = _texts()
    alert_urgency_ids: NoValues = Field(default_factory=list)
    alert_condition_severity: Operator = "ANY"
    alert_severities: Texts = _texts()
    alert_condition_summary: Operator = "ANY"
    alert_condition_summary_use_regexp: bool = False
    alert_summaries: Texts = _texts()
    alert_condition_payload: Operator = "ANY"
    alert_condition_payload_use_regexp: bool = False
    alert_payload: Texts = _texts()
    alert_query_payload: str | None = Field(default=None, examples=["$.tags[*]"])
    alert_payload_conditions: PayloadConditions = Field(default_factory=PayloadConditions)
    alert_field_conditions: NoValues = Field(default_factory=list)


class PageTriggerParams(Params):
    """Triggers and conditions of a workflow for pages, which Rootly does not have."""

    trigger_type: Literal["page"]
    triggers: Texts = _texts()
    page_condition: Join = "ALL"
    page_condition_status: Operator = "ANY"
    page_statuses: Texts = _texts()
    page_condition_urgency: Operator = "ANY"
    page_urgencies: Texts = _texts()
    page_condition_severity: Operator = "ANY"
    page_severities: Texts = _texts()
    page_condition_label: Operator = "ANY"
    page_condition_label_use_regexp: bool = False
    page_labels: Texts = Field(default_factory=list, description="The tags of a page.")
    page_condition_summary: Operator = "ANY"
    page_condition_summary_use_regexp: bool = False
    page_summaries: Texts = Field(default_factory=list, description="The title of a page.")


class AccountTriggerParams(Params):
    """Triggers of a workflow for what happens to an account, which Rootly does not have."""

    trigger_type: Literal["account"]
    triggers: Texts = _texts()


class SimpleTriggerParams(Params):
    """Of a workflow that is started by hand only."""

    trigger_type: Literal["simple"]
    triggers: Texts = _texts()


TriggerParams = Annotated[
    IncidentTriggerParams
    | AlertTriggerParams
    | PageTriggerParams
    | AccountTriggerParams
    | SimpleTriggerParams,
    Field(discriminator="trigger_type"),
]
_ADAPTER: Final[TypeAdapter[TriggerParams]] = TypeAdapter(TriggerParams)


def parse_trigger_params(raw: Mapping[str, Any], pointer: str = POINTER) -> TriggerParams:
    """Return the triggers and conditions that a request names.

    Args:
        raw: decoded JSON, as sent or as `to_json` gave it.
        pointer: where it stands in the request.

    Raises:
        ManyInvalidError: what cannot be right, every bit of it, each with its own pointer.
    """
    try:
        params = _ADAPTER.validate_python(raw)
    except ValidationError as error:
        raise ManyInvalidError([_problem(each, pointer) for each in error.errors()]) from None
    problems = [_invalid(path, detail, pointer) for path, detail in problems_of(params)]
    if problems:
        raise ManyInvalidError(problems)
    return params


def to_json(params: TriggerParams) -> dict[str, Any]:
    """Return what is stored and shown: every parameter, those left out with their defaults."""
    return params.model_dump(mode="json")


def fits_rootly(params: Mapping[str, Any]) -> bool:
    """Return whether Rootly's API could say these parameters, as `to_json` gave them.

    Its clients refuse a whole answer over a kind, a trigger or an operator that it does not have.
    """
    is_presence = params.get("incident_condition_summary") in (None, *get_args(Presence))
    has_ours = not OURS_ONLY.isdisjoint(params.get("triggers") or ())
    return params["trigger_type"] not in ("page", "account") and is_presence and not has_ours


def _problem(error: Any, pointer: str) -> InvalidError:
    if error["type"].startswith("union_tag"):
        return _invalid(("trigger_type",), f"must be one of {', '.join(TRIGGERS)}", pointer)
    reason = error.get("ctx", {}).get("error", wording(error))
    return _invalid(error["loc"][1:], str(reason), pointer)


def _invalid(path: tuple[str | int, ...], detail: str, pointer: str) -> InvalidError:
    name = next((step for step in reversed(path) if isinstance(step, str)), "trigger_params")
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return InvalidError(f"{name}: {detail}", pointer="/".join((pointer, *steps)))
