"""What requests about alerts may say: Rootly's attributes, and ours."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from pagersync.alerts.claims import own_labels, own_source
from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.fits import Fits
from pagersync.incidents.requests import Moment, Text
from pagersync.integrations.target_params import TARGETS_MAX, Reference, Targets
from pagersync.jsonapi import Attributes, Ignored, Nothing
from pagersync.labels import Labels, fit_labels, labels_field
from pagersync.pagertree.payloads import storable_json
from pagersync.pagertree.severity import AUTO, Urgency, read_severity
from pagersync.paging import requests
from pagersync.texts import fit_key, fit_text

SNOOZE_MINUTES_MAX: Final = 10_080
"""A week, as at Rootly."""

SHORT_CHARACTERS_MAX: Final = 255
URL_CHARACTERS_MAX: Final = 2_000
KEY_FITS: Final = (
    f"Longer than {SHORT_CHARACTERS_MAX} characters it is cut and ends with a digest of the whole, "
    "so that it stays unique."
)

ShortText = Annotated[str, Fits(SHORT_CHARACTERS_MAX)]
UrgencyId = Annotated[
    Urgency | None,
    Field(strict=False, description="Rootly's name for `urgency`: the urgency is its own id."),
]


GivenLabels = Annotated[Labels, labels_field([{"key": "service", "value": "checkout"}])]


class NotificationTarget(Attributes):
    """Whom to page, as Rootly says it: a user, or a group, which is a team."""

    type: Literal["User", "Group", "EscalationPolicy", "Service", "Functionality"] = Field(
        description="`User` or `Group`: there are no others here."
    )
    id: str


class Acting(Attributes):
    """Base of what is done to alerts.

    As at Rootly where attribution is not switched on: what is done, the API key did.
    """

    actor: Ignored = None


class AlertAttributesOfRootly(Acting):
    """What Rootly's alerts have, and these do not, or by another name."""

    noise: Literal["not_noise"] | None = Field(default=None, description="Nothing is noise here.")
    service_ids: Nothing = None
    group_ids: Nothing = None
    functionality_ids: Nothing = None
    environment_ids: Nothing = None
    alert_field_values_attributes: Nothing = None
    alert_urgency_id: UrgencyId = None


class NewAlertAttributes(AlertAttributesOfRootly, Targets):
    """An alert to make here, and in PagerTree when targets are given."""

    summary: requests.Title
    description: requests.Description = None
    status: Literal["open", "triggered"] | None = Field(
        default=None,
        description="`open`: nobody is paged, so there are no targets. By default what it becomes.",
    )
    source: ShortText | None = Field(
        default=None, description="By default `api`. `pagertree` is for what PagerTree sent."
    )
    external_id: str | None = Field(
        default=None,
        description="What you call it; not `alt_...`, as PagerTree calls its own. In PagerTree it "
        f"gets PagerTree's id. {KEY_FITS}",
    )
    external_url: str | None = Field(
        default=None,
        description=f"Left out if it is longer than {URL_CHARACTERS_MAX} characters, or does not "
        "begin with `https://` or `http://`.",
    )
    deduplication_key: str | None = Field(
        default=None,
        description="While an alert with this key goes on, another request with it makes no "
        "alert: it answers with that alert, and `meta.notes` say who is not paged. "
        f"{KEY_FITS} A blank one is none.",
    )
    started_at: Moment | None = None
    ended_at: Nothing = None
    labels: GivenLabels = None
    data: dict[str, Any] | None = None
    urgency: requests.UrgencyText = AUTO
    severity: requests.SeverityText = None
    tags: requests.Tags = Field(default_factory=list)
    integration: str | None = Field(
        default=None,
        description="Its name or id; by default the default account. Without any account an alert "
        "without targets is possible, too.",
    )
    notification_target_type: (
        Literal["User", "Group", "EscalationPolicy", "Service", "Functionality"] | None
    ) = None
    notification_target_id: str | None = None
    notification_targets: (
        Annotated[list[NotificationTarget], Field(min_length=1, max_length=TARGETS_MAX)] | None
    ) = Field(default=None, description="Goes before `notification_target_type` and `_id`.")


class ChangedAlert(AlertAttributesOfRootly):
    """What to change; what is left out stays."""

    summary: requests.Title | None = None
    description: requests.Description = None
    source: ShortText | None = None
    external_id: Nothing = None
    external_url: Nothing = None
    started_at: Nothing = None
    ended_at: Nothing = None
    deduplication_key: str | None = Field(default=None, description=KEY_FITS)
    labels: GivenLabels = None
    data: dict[str, Any] | None = None
    urgency: requests.UrgencyText | None = None
    severity: requests.SeverityText = None


class Escalation(Targets, Acting):
    """Whom to page about an alert, and how urgently."""

    urgency: requests.UrgencyText = AUTO
    severity: requests.SeverityText = None
    escalation_policy_id: str | None = Field(
        default=None, description="A team's id: in PagerTree, teams have the escalation policies."
    )
    escalation_policy_level: Annotated[int, Field(ge=1, le=1)] | None = Field(
        default=None, description="PagerTree begins with a team's first layer."
    )


class Snooze(Targets, Acting):
    """For how long, and whom to page then if not whoever was paged."""

    delay_minutes: Annotated[int, Field(ge=1, le=SNOOZE_MINUTES_MAX)]


class AlertResolution(Acting):
    """How an alert was resolved."""

    resolution_message: Text | None = None
    resolve_related_incidents: bool | None = Field(
        default=None, description="Resolve the incidents too that it is attached to."
    )


class NewNote(Attributes):
    """A note to add to an alert's history."""

    kind: Literal["note"]
    details: Annotated[Text, Field(min_length=1)]
    user_id: Nothing = None


class ChangedNote(Attributes):
    """What a note says instead."""

    details: Annotated[Text, Field(min_length=1)]
    user_id: Nothing = None


def urgency_of(urgency: str, urgency_id: Urgency | None) -> str:
    """Return the urgency that a request names, by either name."""
    return urgency_id.value if urgency_id is not None and urgency == AUTO else urgency


def targets_of(new: NewAlertAttributes) -> Targets:
    """Return whom a request means, by either way of saying it.

    Raises:
        InvalidError: a kind of target that does not exist here, half a target, or a contradiction.
    """
    said = [
        (f"notification_targets/{number}", target.type, target.id)
        for number, target in enumerate(new.notification_targets or ())
    ]
    if not said and (new.notification_target_type or new.notification_target_id):
        if not (new.notification_target_type and new.notification_target_id):
            raise _invalid("notification_target_id", "needs its type, and the type needs it")
        kind, target_id = new.notification_target_type, new.notification_target_id
        said = [("notification_target_type", kind, target_id)]
    for name, kind, _ in said:
        if kind not in ("User", "Group"):
            raise _invalid(name, f"there is no {kind} here that could be paged: User or Group")
    teams = [Reference(id=target_id) for _, kind, target_id in said if kind == "Group"]
    users = [Reference(id=target_id) for _, kind, target_id in said if kind == "User"]
    targets = Targets.model_construct(
        teams=[*new.teams, *teams], users=[*new.users, *users], routers=new.routers
    )
    if new.status == "open" and any(targets.model_dump().values()):
        raise _invalid("status", "an alert that is open pages nobody: leave it out, or the targets")
    return targets


def labels_of(given: Labels, notes: list[str]) -> dict[str, Any] | None:
    """Return labels by their keys; numbers, true and false stay what they are, as at Rootly."""
    kept = None if given is None else fit_labels(given, notes, as_text=False)
    return own_labels(kept, notes)


def key_of(name: str, key: str | None, notes: list[str]) -> str | None:
    """Return what an alert is called by somebody else, no longer than it may be."""
    return fit_key(name, key, SHORT_CHARACTERS_MAX, notes)


def data_of(data: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what PostgreSQL can keep of an alert's data."""
    kept: dict[str, Any] | None = None if data is None else storable_json(data)
    return kept


def changed_values(changed: ChangedAlert) -> dict[str, Any]:
    """Return what a request changes, by the names of an alert's state and of an operation.

    What had to be cut is noted on the request.

    Raises:
        ManyInvalidError: values that cannot be right, every one of them.
    """
    urgency = urgency_of(changed.urgency or AUTO, changed.alert_urgency_id)
    problems = [
        *requests.title_problems(changed.summary, "summary"),
        *requests.severity_problems(urgency, changed.severity),
    ]
    if problems:
        raise ManyInvalidError(problems)
    severity = read_severity(changed.severity)
    notes = changed.notes
    values: dict[str, Any] = {
        "title": fit_text("summary", changed.summary, requests.TITLE_CHARACTERS_MAX, notes),
        "description": requests.fit_description(changed.description, notes),
        "urgency": urgency if changed.urgency or changed.alert_urgency_id else None,
        "severity": severity.value if severity else None,
        "labels": labels_of(changed.labels, notes),
        "data": data_of(changed.data),
        "source": own_source(changed.source, notes),
        "deduplication_key": key_of("deduplication_key", changed.deduplication_key, notes),
    }
    return {name: value for name, value in values.items() if value is not None}


def _invalid(name: str, detail: str) -> InvalidError:
    return InvalidError(f"{name}: {detail}", pointer=f"/data/attributes/{name}")
