"""What requests about incidents, their timelines and severities may say."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from pagersync.access.names import checked_name
from pagersync.fits import Fits
from pagersync.incidents.attach import ALERTS_MAX
from pagersync.incidents.lifecycle import TIMES
from pagersync.incidents.models import (
    MAINTENANCE_KINDS,
    MAINTENANCE_STATUSES,
    IncidentKind,
    IncidentStatus,
    SeverityLevel,
    Visibility,
)
from pagersync.incidents.rootly_attributes import UnknownOfIncident, UnknownOfNewIncident
from pagersync.incidents.service import NewIncident
from pagersync.jsonapi import Attributes, Ignored, Nothing
from pagersync.labels import Labels, fit_labels, labels_field
from pagersync.pagertree.payloads import YEARS

A = TypeVar("A", bound=Attributes)

TITLE_CHARACTERS_MAX: Final = 500
TEXT_CHARACTERS_MAX: Final = 20_000

NEVER_NULL: Final = ("title", "status", "kind", "private")
"""Attributes of an incident that may be left out of a change but not be null."""


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _not_maintenance(value: object) -> object:
    if value in (*MAINTENANCE_STATUSES, *MAINTENANCE_KINDS):
        raise ValueError("is for scheduled maintenance, which pagersync does not keep")
    return value


def _storable_time(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        moment = moment.replace(year=1, tzinfo=UTC)
    if moment.year not in YEARS:
        raise ValueError(f"must lie in the years {YEARS.start} to {YEARS.stop - 1}")
    return moment


Title = Annotated[
    str,
    Fits(TITLE_CHARACTERS_MAX),
    Field(examples=["Checkout is down"]),
    AfterValidator(_filled),
]
Text = Annotated[str, Fits(TEXT_CHARACTERS_MAX)]
Id = Annotated[UUID, Field(strict=False)]
Status = Annotated[IncidentStatus, Field(strict=False), BeforeValidator(_not_maintenance)]
Kind = Annotated[IncidentKind, Field(strict=False), BeforeValidator(_not_maintenance)]
Moment = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_storable_time)]
GivenLabels = Annotated[Labels, labels_field({"platform": "osx", "version": "1.29"})]
AlertIds = Annotated[list[Id], Field(max_length=ALERTS_MAX)]
ResolveOpen = Annotated[
    bool,
    Field(
        description="If the incident is over: resolve the attached alerts that are open. Without "
        "it they stay open, and `meta.notes` of the answer names them."
    ),
]


class IncidentTimes(Attributes):
    """When an incident became what, where that is not now."""

    in_triage_at: Moment | None = None
    started_at: Moment | None = None
    detected_at: Moment | None = None
    acknowledged_at: Moment | None = None
    mitigated_at: Moment | None = None
    resolved_at: Moment | None = None
    closed_at: Moment | None = None
    cancelled_at: Moment | None = None


class NewIncidentAttributes(UnknownOfNewIncident, IncidentTimes):
    """An incident to make."""

    title: Title | None = Field(default=None, description="Without one it gets one.")
    summary: Text | None = None
    status: Status = IncidentStatus.STARTED
    kind: Kind | None = None
    private: bool | None = Field(default=None, description="Once private, always private.")
    severity_id: Id | None = None
    labels: GivenLabels = None
    duplicate_incident_id: Id | None = None
    alert_ids: AlertIds | None = Field(default=None, description="Alerts to attach.")
    resolve_open_alerts: ResolveOpen = False


class ChangedIncident(UnknownOfIncident, IncidentTimes):
    """What to change; what is left out stays."""

    title: Title | None = None
    summary: Text | None = None
    status: Status | None = Field(
        default=None, description="As the lifecycle allows; its time is set."
    )
    kind: Kind | None = None
    private: bool | None = None
    severity_id: Id | None = None
    labels: GivenLabels = None
    duplicate_incident_id: Id | None = None
    alert_ids: AlertIds | None = Field(default=None, description="Alerts to attach, too.")
    resolve_open_alerts: ResolveOpen = False
    mitigation_message: Text | None = None
    resolution_message: Text | None = None
    cancellation_message: Text | None = None


class Mitigation(Attributes):
    """How an incident was mitigated."""

    mitigation_message: Text | None = None


class Resolution(Attributes):
    """How an incident was resolved."""

    resolution_message: Text | None = None


class Cancellation(Attributes):
    """Why an incident was cancelled."""

    cancellation_message: Text | None = None


class NoAttributes(Attributes):
    """No attributes."""


class Duplication(Attributes):
    """Which incident another one is the same as."""

    duplicate_incident_id: Id
    auto_cancel_incident: bool = Field(
        default=True, description="Cancel it, whatever its status, unless it is over."
    )
    reason_for_cancellation: Text | None = None
    resolution_message: Ignored = None


class ActionResource(BaseModel, Generic[A]):
    """What an action says about an incident; `id` is accepted and ignored, as clients send it."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["incidents"]
    id: str | None = None
    attributes: A | None = None


class ActionDocument(BaseModel, Generic[A]):
    """The body of an action, which may be left out."""

    model_config = ConfigDict(extra="forbid")

    data: ActionResource[A]

    @property
    def message(self) -> str | None:
        """The one thing that it says, if it says anything."""
        said = self.data.attributes
        return next(iter(said.model_dump().values()), None) if said else None

    @property
    def notes(self) -> list[str]:
        """What was cut of it."""
        return self.data.attributes.notes if self.data.attributes else []


class NewEntry(Attributes):
    """Something to put on a timeline."""

    event: Annotated[Text, AfterValidator(_filled)]
    visibility: Annotated[Visibility, Field(strict=False)] = Visibility.INTERNAL
    occurred_at: Moment | None = Field(default=None, description="When it happened, if not now.")


class ChangedEntry(Attributes):
    """What to change of an entry; what is left out stays."""

    event: Annotated[Text, AfterValidator(_filled)] | None = None
    visibility: Annotated[Visibility, Field(strict=False)] | None = None


Name = Annotated[str, AfterValidator(checked_name)]
Level = Annotated[SeverityLevel, Field(strict=False)]
Color = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$", examples=["#B71C1C"])]
Position = Annotated[int, Field(ge=0, le=1_000_000)]


class NewSeverity(Attributes):
    """A severity to add."""

    name: Name
    severity: Level = Field(description="What it means: PagerTree's SEV-1 to SEV-4 follow it.")
    description: Text | None = None
    color: Color | None = None
    position: Position | None = Field(default=None, description="Without one it stands last.")
    slug: Ignored = None
    notify_emails: Nothing = None
    slack_channels: Nothing = None
    slack_aliases: Nothing = None


class ChangedSeverity(Attributes):
    """What to change of a severity; what is left out stays."""

    name: Name | None = None
    severity: Level | None = None
    description: Text | None = None
    color: Color | None = None
    position: Position | None = None
    slug: Ignored = None
    notify_emails: Nothing = None
    slack_channels: Nothing = None
    slack_aliases: Nothing = None


class AlertAttachment(Attributes):
    """Alerts to attach to an incident."""

    alert_ids: AlertIds
    resolve_open_alerts: ResolveOpen = False


def to_new_incident(attributes: NewIncidentAttributes) -> NewIncident:
    """Return the incident that a request asks for; a null is as good as nothing."""
    given = attributes.kept(exclude_none=True)
    times = {name: given.pop(name) for name in TIMES if name in given}
    labels = fit_labels(attributes.labels, attributes.notes)
    return NewIncident(**given | {"labels": labels}, times=times, notes=attributes.notes)


def changed_values(attributes: ChangedIncident) -> dict[str, Any]:
    """Return what a change sets.

    Raises:
        ManyInvalidError: a null where none can be.
    """
    values = attributes.changes(never_null=NEVER_NULL)
    if "labels" in values:
        values["labels"] = fit_labels(attributes.labels, attributes.notes)
    return values
