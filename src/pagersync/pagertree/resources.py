"""What PagerTree's REST API v4 takes and gives: read leniently, written exactly. Pure.

Facts, from PagerTree's public API documentation, its open-source command line client and the
open-source part of its application: an object is not wrapped; `id` is a ULID and `prefix_id` the
id that webhooks name; tags are `tag_list` in the documentation and `tags` in the client; no
complete answer is public. So everything but `id` is optional here, and a value of the wrong kind
counts as absent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from pagersync.errors import Contract
from pagersync.pagertree.payloads import (
    ID_CHARACTERS_MAX,
    LABEL_CHARACTERS_MAX,
    parse_time,
    storable,
)
from pagersync.pagertree.severity import Severity, normalise_sev, to_meta

Row = TypeVar("Row")
_DESTINATIONS: Final = {
    "team_ids": "destination_team_ids",
    "router_ids": "destination_router_ids",
    "account_user_ids": "destination_account_user_ids",
}


@dataclass(frozen=True, slots=True)
class RemoteAlert:
    """An alert as PagerTree has it. Absent is None.

    Attributes:
        status: in lower case; any text, PagerTree may know more than its documentation names.
        urgency: in lower case, `silent` among others.
        tags: of `tags` and `tag_list` together.
        incident_severity: `SEV-1` to `SEV-5` or `SEV-UNKNOWN`. PagerTree may give one for an alert
            that is no incident: look at `incident` first.
    """

    id: str
    prefix_id: str | None = None
    title: str | None = None
    description: str | None = None
    status: str | None = None
    urgency: str | None = None
    thirdparty_id: str | None = None
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    incident: bool | None = None
    incident_severity: str | None = None


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to create. PagerTree demands at least one destination.

    Attributes:
        urgency: None leaves it out, so that PagerTree decides.
        severity: makes the alert an incident at PagerTree.
        is_incident: makes it one without a severity too.
        thirdparty_id: not among PagerTree's documented parameters, but its own client sends it.
    """

    title: str
    description: str | None = None
    urgency: str | None = None
    severity: Severity | None = None
    team_ids: tuple[str, ...] = ()
    router_ids: tuple[str, ...] = ()
    account_user_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    thirdparty_id: str | None = None
    is_incident: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the request body, without what is empty."""
        return {name: value for name, value in _written(self).items() if value not in (None, [])}


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """What to change about an alert. None leaves as it is; an empty tuple empties."""

    title: str | None = None
    description: str | None = None
    urgency: str | None = None
    severity: Severity | None = None
    team_ids: tuple[str, ...] | None = None
    router_ids: tuple[str, ...] | None = None
    account_user_ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the request body, with only what is set."""
        return {name: value for name, value in _written(self).items() if value is not None}


def _written(alert: NewAlert | AlertChanges) -> dict[str, Any]:
    body: dict[str, Any] = {
        "title": alert.title,
        "description": alert.description,
        "urgency": alert.urgency,
        "meta": to_meta(alert.severity) if alert.severity else None,
        "tags": _listed(alert.tags),
    }
    for field, name in _DESTINATIONS.items():
        body[name] = _listed(getattr(alert, field))
    if isinstance(alert, NewAlert):
        body["thirdparty_id"] = alert.thirdparty_id
        if alert.is_incident and alert.severity is None:
            body["meta"] = to_meta(None)
    return body


def _listed(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


@dataclass(frozen=True, slots=True)
class RemoteTeam:
    """A team.

    Attributes:
        member_ids: the ids of its account users.
    """

    id: str
    prefix_id: str | None = None
    name: str | None = None
    member_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteUser:
    """An account user: a person in this account, whom an alert can go to.

    Attributes:
        email: the primary one, else the first.
    """

    id: str
    prefix_id: str | None = None
    name: str | None = None
    email: str | None = None
    emails: tuple[str, ...] = ()
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteRouter:
    """A router."""

    id: str
    prefix_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class OnCall:
    """One account user who is on call now, in one layer of a team's schedule."""

    layer: int | None
    user_id: str
    start_at: datetime | None = None
    end_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on an alert."""

    body: str
    created_at: datetime | None = None
    created_by_name: str | None = None


def read_alert(payload: Any) -> RemoteAlert:
    """Read an alert.

    Raises:
        Contract: it is no object, or has no `id`.
    """
    alert = _object(payload, "an alert")
    meta = _dict(alert.get("meta"))
    incident = alert.get("incident", meta.get("incident"))
    return RemoteAlert(
        id=_id(alert, "an alert"),
        prefix_id=_label(alert.get("prefix_id")),
        title=_text(alert.get("title")),
        description=_text(alert.get("description")),
        status=_lower(alert.get("status")),
        urgency=_lower(alert.get("urgency")),
        thirdparty_id=_text(alert.get("thirdparty_id")),
        tags=_tags(alert),
        created_at=parse_time(alert.get("created_at")),
        updated_at=parse_time(alert.get("updated_at")),
        acknowledged_at=parse_time(alert.get("acknowledged_at")),
        resolved_at=parse_time(alert.get("resolved_at")),
        incident=incident if isinstance(incident, bool) else None,
        incident_severity=normalise_sev(alert.get("incident_severity"))
        or normalise_sev(meta.get("incident_severity")),
    )


def read_team(payload: Any) -> RemoteTeam:
    """Read a team.

    Raises:
        Contract: it is no object, or has no `id`.
    """
    named = _named(payload, "a team")
    members = map(_label, _list(payload.get("member_account_user_ids")))
    return RemoteTeam(*named, member_ids=tuple(filter(None, members)))


def read_router(payload: Any) -> RemoteRouter:
    """Read a router.

    Raises:
        Contract: it is no object, or has no `id`.
    """
    return RemoteRouter(*_named(payload, "a router"))


def read_user(payload: Any) -> RemoteUser:
    """Read an account user. Its `user` has the name, the e-mail addresses and the time zone.

    Raises:
        Contract: it is no object, or has no `id`.
    """
    account_user = _object(payload, "an account user")
    user = _dict(account_user.get("user"))
    entries = [_dict(entry) for entry in _list(user.get("emails"))]
    named = [(entry, email) for entry in entries if (email := _label(entry.get("email")))]
    primary = [email for entry, email in named if entry.get("primary") is True]
    emails = tuple(email for _, email in named)
    return RemoteUser(
        id=_id(account_user, "an account user"),
        prefix_id=_label(account_user.get("prefix_id")),
        name=_label(user.get("name")),
        email=next(iter((*primary, *emails)), None),
        emails=emails,
        time_zone=_label(user.get("time_zone")),
    )


def read_oncall(payload: Any) -> list[OnCall]:
    """Read who is on call in a team: a bare array, with the attendees of each layer.

    Raises:
        Contract: it is no array.
    """
    if not isinstance(payload, list):
        raise Contract("PagerTree's answer is no array of who is on call")
    return [
        OnCall(
            layer=layer if type(layer := entry.get("layer")) is int else None,
            user_id=user_id,
            start_at=parse_time(entry.get("start_time")),
            end_at=parse_time(entry.get("end_time")),
        )
        for entry in map(_dict, payload)
        for attendee in map(_dict, _list(entry.get("attendees")))
        if (user_id := _label(attendee.get("attendee_id")))
    ]


def read_comment(payload: Any) -> Comment:
    """Read a comment.

    Raises:
        Contract: it is no object.
    """
    comment = _object(payload, "a comment")
    return Comment(
        body=_text(comment.get("body")) or "",
        created_at=parse_time(comment.get("created_at")),
        created_by_name=_label(comment.get("created_by_name")),
    )


def read_page(payload: Any, read: Callable[[Any], Row]) -> tuple[list[Row], bool]:
    """Return what a page of a list holds, and whether another may follow.

    The documented form is `{"data": [...], "has_more": bool, "total_count": n}`. Only a plain false
    ends a list: what says nothing may have more.

    Raises:
        Contract: it has not this form, or `read` refuses what is in it.
    """
    page = _object(payload, "a list")
    items = page.get("data")
    if not isinstance(items, list):
        raise Contract('PagerTree\'s answer is no list: it has no array in "data"')
    return [read(item) for item in items], page.get("has_more") is not False


def _named(payload: Any, what: str) -> tuple[str, str | None, str | None]:
    entry = _object(payload, what)
    return _id(entry, what), _label(entry.get("prefix_id")), _label(entry.get("name"))


def _object(payload: Any, what: str) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise Contract(f"PagerTree's answer holds no object where {what} belongs")
    return payload


def _id(entry: dict[str, Any], what: str) -> str:
    value = entry.get("id")
    if not isinstance(value, str) or not value.strip() or value != storable(value):
        raise Contract(f'PagerTree\'s answer holds {what} without a usable "id"')
    if len(value) > ID_CHARACTERS_MAX:
        raise Contract(f'The "id" of {what} is over {ID_CHARACTERS_MAX} characters')
    return value


def _text(value: Any) -> str | None:
    return storable(value) if isinstance(value, str) else None


def _label(value: Any) -> str | None:
    text = _text(value)
    return text.strip()[:LABEL_CHARACTERS_MAX] or None if text else None


def _lower(value: Any) -> str | None:
    return _label(value.lower()) if isinstance(value, str) else None


def _tags(alert: dict[str, Any]) -> tuple[str, ...]:
    both = [*_list(alert.get("tags")), *_list(alert.get("tag_list"))]
    return tuple(dict.fromkeys(storable(tag) for tag in both if isinstance(tag, str)))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
