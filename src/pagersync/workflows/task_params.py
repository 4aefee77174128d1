"""What tasks can be told: Rootly's parameters where Rootly has the task, ours in the same manner.

The same models check a task when it is saved, its texts still Liquid templates, and when it is
executed, its texts rendered.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from pagersync.errors import InvalidError, ManyInvalidError, wording
from pagersync.integrations.target_params import References, Targets
from pagersync.jsonapi import Attributes, Nothing
from pagersync.secrets.references import mark
from pagersync.workflows.http_secrets import is_call, reference_problems
from pagersync.workflows.http_task import HttpClientParams
from pagersync.workflows.template_context import OUTPUT_BYTES_MAX
from pagersync.workflows.templates import check_params

PARAMS_POINTER: Final = "/data/attributes/task_params"


Urgency = Literal["auto", "critical", "high", "medium", "low"]
Severity = Literal["auto", "SEV-1", "SEV-2", "SEV-3", "SEV-4"]
Text = Annotated[str, Field(max_length=20_000)]
ShortText = Annotated[str, Field(max_length=2_000)]
CutText = Annotated[str, Field(max_length=OUTPUT_BYTES_MAX)]
"""A text that is cut to what fits: nobody goes unpaged because somebody wrote much."""


Skip = Annotated[
    bool,
    Field(
        description="For an incident that was made of an alert: the page waits while the alert "
        "pages the same people in PagerTree, at least as urgently. It goes out if nobody "
        "acknowledges the alert."
    ),
]
Minutes = Annotated[
    int, Field(ge=1, le=1440, description="How long `skip_if_alert_pages` waits at most.")
]


class PagerTreeAlertParams(Attributes):
    """What an alert in PagerTree is to say, and to whom.

    `auto` leaves the urgency to PagerTree and takes the severity of the incident.
    """

    title: CutText | None = Field(
        default=None, description="By default the title of what the workflow is about."
    )
    description: CutText | None = None
    urgency: Urgency = "auto"
    severity: Severity = "auto"
    teams: References = Field(default_factory=list)
    users: References = Field(default_factory=list)
    incident: bool | None = Field(
        default=None,
        description="Whether it is an incident in PagerTree; by default, if it has a severity.",
    )


class CreatePagerTreeAlertParams(PagerTreeAlertParams):
    """Create an alert in PagerTree, which pages its targets.

    Without teams and users it goes to the integration's default targets.
    """

    task_type: Literal["create_pagertree_alert"]
    skip_if_alert_pages: Skip = False
    unacknowledged_minutes_max: Minutes = 15


class UpdatePagerTreeAlertParams(PagerTreeAlertParams):
    """Change alerts in PagerTree: the named one, or all that are linked."""

    task_type: Literal["update_pagertree_alert"]
    urgency: Urgency | None = None  # type: ignore[assignment] # left out: it stays as it is
    severity: Severity | None = None  # type: ignore[assignment]
    pagertree_alert_id: ShortText | None = None


class PagePagerTreeParams(PagerTreeAlertParams):
    """Page teams, users and routers."""

    task_type: Literal["page_pagertree"]
    skip_if_alert_pages: Skip = False
    unacknowledged_minutes_max: Minutes = 15
    routers: References = Field(default_factory=list)
    tags: list[ShortText] = Field(default_factory=list, max_length=20)
    integration: ShortText | None = Field(default=None, description="Its name or id.")
    fallback: Targets | None = Field(
        default=None,
        description="Whom to page when the page is dropped: nobody was on call, or answered.",
    )


class LinkedAlertsParams(Attributes):
    """Which alerts: the named one, or all that are linked."""

    pagertree_alert_id: ShortText | None = None


class AcknowledgePagerTreeAlertParams(LinkedAlertsParams):
    """Acknowledge alerts in PagerTree."""

    task_type: Literal["acknowledge_pagertree_alert"]


class ResolvePagerTreeAlertParams(LinkedAlertsParams):
    """Resolve alerts in PagerTree; pages that were not sent yet are not sent any more."""

    task_type: Literal["resolve_pagertree_alert"]


class UpdateStatusParams(Attributes):
    """Move the incident to another status."""

    task_type: Literal["update_status"]
    status: Literal["in_triage", "started", "mitigated", "resolved", "closed", "cancelled"]
    message: Text | None = None
    inactivity_timeout: Nothing = None


class AddToTimelineParams(Attributes):
    """Add an entry to the incident's timeline."""

    task_type: Literal["add_to_timeline"]
    event: Text
    url: ShortText | None = None
    post_to_slack_channels: Nothing = None


class CreateIncidentParams(Attributes):
    """Declare an incident; of one alert at most one is made."""

    task_type: Literal["create_incident"]
    title: CutText
    summary: CutText | None = None
    severity_id: ShortText | None = None
    severity: ShortText | None = Field(
        default="auto",
        description="A level, `SEV-1` to `SEV-4`, or a severity's id, slug or name. `auto`: that "
        "of the alert, or its urgency where it has none. One that does not exist is noted.",
    )
    private: bool = False
    incident_type_ids: Nothing = None
    service_ids: Nothing = None
    functionality_ids: Nothing = None
    environment_ids: Nothing = None
    group_ids: Nothing = None
    custom_fields_mapping: Nothing = None


class PrintParams(Attributes):
    """Keep a text on the run."""

    task_type: Literal["print"]
    message: Text


PARAMS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(
    {
        "create_pagertree_alert": CreatePagerTreeAlertParams,
        "update_pagertree_alert": UpdatePagerTreeAlertParams,
        "page_pagertree": PagePagerTreeParams,
        "acknowledge_pagertree_alert": AcknowledgePagerTreeAlertParams,
        "resolve_pagertree_alert": ResolvePagerTreeAlertParams,
        "update_status": UpdateStatusParams,
        "add_to_timeline": AddToTimelineParams,
        "create_incident": CreateIncidentParams,
        "http_client": HttpClientParams,
        "print": PrintParams,
    }
)

OURS_ONLY: Final = frozenset(
    {"page_pagertree", "acknowledge_pagertree_alert", "resolve_pagertree_alert"}
)
"""Tasks that Rootly does not have: its clients refuse an answer whose `task_type` is one."""


def parse_task_params(raw: Mapping[str, Any], pointer: str = PARAMS_POINTER) -> BaseModel:
    """Return what a task is told, if it can be right.

    Raises:
        ManyInvalidError: an unknown task type, or parameters that cannot be right, every one.
    """
    task_type = raw.get("task_type")
    if not isinstance(task_type, str) or task_type not in PARAMS:
        known = ", ".join(PARAMS)
        raise InvalidError(
            f"there is no task {task_type!r}: there are {known}", pointer=f"{pointer}/task_type"
        )
    try:
        return PARAMS[task_type].model_validate(raw)
    except ValidationError as error:
        raise ManyInvalidError(list(_problems(error, pointer))) from None


def check_task_params(raw: Mapping[str, Any], pointer: str = PARAMS_POINTER) -> BaseModel:
    """As `parse_task_params`, for a task that is saved: its texts must be templates that can be.

    Raises:
        ManyInvalidError: as there, or a template that cannot be rendered.
    """
    params = parse_task_params(raw, pointer)
    problems = reference_problems(raw, pointer)
    for name, value in (mark(raw) if is_call(raw) else raw).items():
        try:
            check_params(value, f"{pointer}/{name}")
        except InvalidError as error:
            problems.append(error)
    if problems:
        raise ManyInvalidError(problems)
    return params


def _problems(error: ValidationError, pointer: str) -> Iterator[InvalidError]:
    for problem in error.errors(include_url=False, include_input=False):
        where = "".join(f"/{step}" for step in problem["loc"])
        name = problem["loc"][-1] if problem["loc"] else "task_params"
        yield InvalidError(f"{name}: {wording(problem)}", pointer=f"{pointer}{where}")
