"""What PagerTree's outgoing webhook says, read leniently.

Facts, from PagerTree's public documentation ("Outgoing Webhook") and the open-source part of its
application: the body is `{"type": ..., "data": <alert>}`; rules may add any key beside these two,
templates may drop or reshape anything; `data` is in the v3 format (camelCase, prefixed ids, unix
seconds), or the v4 one (snake_case) where that fails. So everything but `type` and `data.id` is
optional here, and a value of the wrong kind counts as absent.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from pydantic_core import from_json

ID_CHARACTERS_MAX: Final = 255
LABEL_CHARACTERS_MAX: Final = 255
DEPTH_MAX: Final = 100
YEARS: Final = range(1970, 9999)
TIME_PATTERN: Final = (
    "^(19[7-9][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
    "-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""How a time of these years is written."""

NEVER: Final = datetime.min.replace(tzinfo=UTC)
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


class EventType(StrEnum):
    """The eight alert events of PagerTree's outgoing webhook."""

    CREATED = "alert.created"
    OPEN = "alert.open"
    ACKNOWLEDGED = "alert.acknowledged"
    REJECTED = "alert.rejected"
    TIMEOUT = "alert.timeout"
    RESOLVED = "alert.resolved"
    DROPPED = "alert.dropped"
    HANDOFF = "alert.handoff"


EVENT_TYPES: Final = frozenset(event_type.value for event_type in EventType)


class UnreadableError(ValueError):
    """A webhook body without what is needed; the message says what is missing."""

    def __init__(self, reason: str, *, event_type: str | None = None) -> None:
        super().__init__(reason)
        self.event_type = event_type


class OtherEventError(UnreadableError):
    """A readable webhook whose event is none of the eight."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """The part of a webhook body that decides what becomes of it.

    Attributes:
        event_type: `type` as sent, made storable and cut to 255 characters.
        alert_id: `data.id`; None for an event that is none of the eight.
        data: `data` as decoded; empty for an event that is none of the eight.
    """

    event_type: str
    alert_id: str | None
    data: dict[str, Any]


def read_webhook(body: bytes) -> Webhook:
    """Decode a webhook body.

    Raises:
        UnreadableError: it is not JSON, no object, has no `type`, or is one of the eight events
            without a usable `data.id`.
    """
    envelope = _decode(body)
    sent_type = envelope.get("type")
    if not isinstance(sent_type, str) or not sent_type:
        raise UnreadableError('"type" is missing: it must be a text such as "alert.created"')
    event_type = storable(sent_type)[:LABEL_CHARACTERS_MAX]
    if sent_type not in EVENT_TYPES:
        return Webhook(event_type, None, {})
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise UnreadableError(
            '"data" is missing: it must be the alert, as a JSON object', event_type=event_type
        )
    return Webhook(event_type, _alert_id(data.get("id"), event_type), data)


def _decode(body: bytes) -> dict[str, Any]:
    envelope = decode_json(body)
    if not isinstance(envelope, dict):
        raise UnreadableError("the body is not a JSON object")
    return envelope


def decode_json(body: bytes) -> Any:
    """Return what `json.loads` makes of UTF-8 text, in half the time.

    The fast parser refuses a few legal texts (a lone surrogate, say), and accepts none that
    `json.loads` refuses; so what it refuses is read again, and errors are those of `json.loads`.

    Raises:
        UnreadableError: it is not JSON.
    """
    try:
        return from_json(body)
    except ValueError:
        return _decode_slowly(body)


def _decode_slowly(body: bytes) -> Any:
    try:
        return json.loads(body.decode())
    except RecursionError:
        raise UnreadableError("the body is nested too deeply") from None
    except UnicodeDecodeError:
        raise UnreadableError("the body is not JSON: it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise UnreadableError(f"the body is not JSON: {error}") from None
    except ValueError:
        raise UnreadableError("the body holds a number of more than 4,300 digits") from None


def _alert_id(value: Any, event_type: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnreadableError(
            '"data.id" is missing: it must be the alert\'s id, as a text', event_type=event_type
        )
    if len(value) > ID_CHARACTERS_MAX or value != storable(value):
        raise UnreadableError(
            f'"data.id" is no id: at most {ID_CHARACTERS_MAX} characters, and no NUL or surrogate',
            event_type=event_type,
        )
    return value


@dataclass(frozen=True, slots=True)
class AlertSnapshot:
    """One webhook event: the alert as it was at that moment. Absent is None.

    Attributes:
        content_sha256: digest of type and data, whatever their order of keys and whatever
            stood beside them; the same for every copy of one event.
        event_type: one of the eight, or a name of ours for what PagerTree's API showed.
        data: `data` as JSON text, made storable as `jsonb`; None for what is no webhook.
        acknowledged_by: whom PagerTree names as the one who acknowledged.
        resolved_by: whom it names as the one who resolved.
        handed_off_to: the team or router that an alert went to by its newest hand-off.
        fields: the texts among title, description, urgency and thirdparty_id that `data` has;
            a null is a value, an absent key is not.
        tags: the texts among its tags.
    """

    event_type: str
    alert_id: str
    content_sha256: bytes
    data: str | None
    updated_at: datetime | None
    created_at: datetime | None
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    acknowledged_by: str | None
    resolved_by: str | None
    status: str | None
    fields: dict[str, str | None]
    tags: tuple[str, ...] = ()
    handed_off_to: str | None = None


def read_snapshot(body: bytes) -> AlertSnapshot:
    """Decode one of the eight events in full.

    Raises:
        OtherEventError: the event is none of the eight.
        UnreadableError: as `read_webhook`.
    """
    webhook = read_webhook(body)
    if webhook.alert_id is None:
        raise OtherEventError(f"{webhook.event_type} is none of the eight alert events")
    data, as_json = _storable_data(webhook.data, body)
    return AlertSnapshot(
        event_type=EventType(webhook.event_type),
        alert_id=webhook.alert_id,
        content_sha256=hashlib.sha256(f"{webhook.event_type}\n{as_json}".encode()).digest(),
        data=as_json,
        updated_at=_time(data, "updatedAt", "updated_at"),
        created_at=_time(data, "createdAt", "created_at", "created"),
        acknowledged_at=_time(data, "acknowledged", "acknowledged_at"),
        resolved_at=_time(data, "resolved", "resolved_at"),
        acknowledged_by=_name(data.get("acknowledgedby")),
        resolved_by=_name(data.get("resolvedby")),
        status=_status(data),
        fields=_fields(data),
        tags=_tags(data),
        handed_off_to=_handed_off_to(data),
    )


def _storable_data(data: dict[str, Any], body: bytes) -> tuple[dict[str, Any], str]:
    """Return `data` made storable, and its canonical JSON text.

    Nearly every body is storable as it is: only escapes can hide NUL or a surrogate, only
    brackets nest. So the walk through all of it is for the few that might not be.
    """
    if b"\\u" in body or body.count(b"{") + body.count(b"[") > DEPTH_MAX:
        data = storable_json(data)
    try:
        return data, _canonical(data)
    except ValueError:  # an infinity or NaN
        data = storable_json(data)
        return data, _canonical(data)


def _canonical(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _name(value: Any) -> str | None:
    return value.strip()[:LABEL_CHARACTERS_MAX] or None if isinstance(value, str) else None


def _status(data: dict[str, Any]) -> str | None:
    status = data.get("status")
    return (
        status.strip().lower()[:LABEL_CHARACTERS_MAX] or None if isinstance(status, str) else None
    )


def _fields(data: dict[str, Any]) -> dict[str, str | None]:
    """Return the text fields that `data` has; a null is a value, an absent key is not."""
    fields: dict[str, str | None] = {}
    for name in ("title", "description", "urgency", "thirdparty_id"):
        value = data.get(name, ...)
        if value is None or isinstance(value, str):
            fields[name] = value
    return fields


def _tags(data: dict[str, Any]) -> tuple[str, ...]:
    tags = data.get("tags")
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()


def _handed_off_to(data: dict[str, Any]) -> str | None:
    """Return where the newest of `handoffs` went: `[{"to", "from", "time", "acknowledged"}]`."""
    handoffs = data.get("handoffs")
    listed = handoffs if isinstance(handoffs, list) else []
    known = [each for each in listed if isinstance(each, dict)]
    if not known:
        return None
    newest = max(known[::-1], key=lambda each: parse_time(each.get("time")) or NEVER)
    return _name(newest.get("to"))


def _time(data: dict[str, Any], *names: str) -> datetime | None:
    """Return the first of `names` that holds a time: ISO 8601, or unix seconds."""
    for name in names:
        value = data.get(name)
        if value is not None and (moment := parse_time(value)) is not None:
            return moment
    return None


def parse_time(value: Any) -> datetime | None:
    """Return an aware UTC time from ISO 8601 text or unix seconds; None when it is neither.

    Years outside 1970 to 9998 are nonsense, and the last ones would be stored as infinity.
    """
    try:
        moment = _to_moment(value)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment is not None and moment.year in YEARS else None


def _to_moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is UTC:
            return moment
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return datetime.fromtimestamp(value, UTC)
    return None


def storable(text: str) -> str:
    """Return `text` without what PostgreSQL cannot store: NUL and lone surrogates."""
    if "\x00" in text:
        text = text.replace("\x00", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass").decode(errors="replace")
    return text


def storable_json(value: Any, depth: int = 0) -> Any:
    """Return decoded JSON with everything replaced that `jsonb` refuses.

    NUL and lone surrogates become U+FFFD, infinities and NaN become null, and what lies deeper
    than 100 levels is cut to null. The delivery keeps the bytes as they came.
    """
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= DEPTH_MAX and isinstance(value, dict | list):
        return None
    if isinstance(value, dict):
        return {storable(key): storable_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [storable_json(item, depth + 1) for item in value]
    return value
