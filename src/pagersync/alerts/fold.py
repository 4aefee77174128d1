"""An alert's state as a fold over the set of its events. Pure.

PagerTree's events are independent jobs: they come late, twice and out of order. So the state is
built by `join`, which is associative, commutative and idempotent: every order and every repetition
of the same events gives the same state, and a row can be folded further at any time.

* Each field holds the value of the newest snapshot that has it, by (`updatedAt`, rank of the
  status, digest of the content). The digest breaks ties, so that arrival never does.
* First times are minima.
* `resolved` absorbs: nothing in PagerTree's documentation reopens a resolved alert.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self, TypeVar

from pagersync.alerts.models import AlertStatus
from pagersync.pagertree.payloads import LABEL_CHARACTERS_MAX, AlertSnapshot
from pagersync.pagertree.statuses import rank

T = TypeVar("T")

ALERT_STATUSES: Final[Mapping[str, AlertStatus]] = MappingProxyType(
    {
        "queued": AlertStatus.OPEN,  # nobody was paged yet
        "open": AlertStatus.TRIGGERED,
        "acknowledged": AlertStatus.ACKNOWLEDGED,
        "resolved": AlertStatus.RESOLVED,
        "dropped": AlertStatus.OPEN,  # nobody is being paged any more; the label says why
    }
)
"""PagerTree's alert states (its documentation, "Alert States") and what they are here."""


class Version(NamedTuple):
    """What makes one snapshot newer than another."""

    updated_ms: int
    rank: int
    digest: str


class Field(NamedTuple):
    """A value and the version of the snapshot that it came from."""

    version: Version
    value: Any


@dataclass(frozen=True, slots=True)
class AlertState:
    """What is known of an alert so far.

    Attributes:
        fields: by name: `title`, `description`, `urgency`, `thirdparty_id`, `pagertree_status`
            (any text), `status` (an `AlertStatus`), `labels` (those that people gave it), and
            `data`: JSON text, or None for what the row holds already.
        times: earliest known `started_at`, `acknowledged_at`, `ended_at`.
        is_resolved: whether any event said so.
    """

    fields: Mapping[str, Field]
    times: Mapping[str, datetime]
    is_resolved: bool = False

    @classmethod
    def of(cls, snapshot: AlertSnapshot, implied_status: str | None) -> Self:
        """Return what one event says.

        Args:
            snapshot: the event.
            implied_status: the PagerTree status that the event's type stands for, if any; used
                where the body names none.
        """
        status = snapshot.status or implied_status
        version = _version(snapshot, status)
        values: dict[str, Any] = dict(snapshot.fields)
        if snapshot.data is not None:
            values["data"] = snapshot.data
        if status is not None:
            values["pagertree_status"] = status
            if status in ALERT_STATUSES:
                values["status"] = ALERT_STATUSES[status]
        return cls(
            fields={name: Field(version, value) for name, value in values.items()},
            times=_times(snapshot, implied_status),
            is_resolved="resolved" in (status, implied_status),
        )

    def join(self, other: Self) -> Self:
        """Return what both know together."""
        return type(self)(
            fields=_merge(self.fields, other.fields, _newer),
            times=_merge(self.times, other.times, min),
            is_resolved=self.is_resolved or other.is_resolved,
        )


EMPTY: Final = AlertState(fields={}, times={})


def fold(states: Iterable[AlertState]) -> AlertState:
    """Join any number of states, in any order."""
    several = iter(states)
    return reduce(AlertState.join, several, next(several, EMPTY))


def _version(snapshot: AlertSnapshot, status: str | None) -> Version:
    moment = snapshot.updated_at
    return Version(
        updated_ms=-1 if moment is None else round(moment.timestamp() * 1000),
        rank=rank(status),
        digest=snapshot.content_sha256.hex()[:16],
    )


def _times(snapshot: AlertSnapshot, implied_status: str | None) -> dict[str, datetime]:
    """Return the first times that one event knows of; its own time where the body has no better."""
    own = snapshot.updated_at
    times = {
        "started_at": snapshot.created_at,
        "acknowledged_at": snapshot.acknowledged_at
        or (own if implied_status == "acknowledged" else None),
        "ended_at": snapshot.resolved_at or (own if implied_status == "resolved" else None),
    }
    return {name: moment for name, moment in times.items() if moment is not None}


def _newer(one: Field, other: Field) -> Field:
    return other if other.version > one.version else one


def _merge(
    mine: Mapping[str, T], theirs: Mapping[str, T], pick: Callable[[T, T], T]
) -> dict[str, T]:
    merged = dict(mine)
    for name, value in theirs.items():
        merged[name] = pick(merged[name], value) if name in merged else value
    return merged


@dataclass(frozen=True, slots=True)
class AlertView:
    """The columns of an alert row that follow from its state.

    Attributes:
        data: JSON text; None means that the row's own is the newest.
    """

    status: AlertStatus
    summary: str
    description: str | None
    labels: dict[str, str]
    data: str | None
    thirdparty_id: str | None
    started_at: datetime | None
    acknowledged_at: datetime | None
    ended_at: datetime | None


def view(state: AlertState, *, external_id: str) -> AlertView:
    """Return the row that people read."""
    description = _value(state, "description")
    return AlertView(
        status=status_of(state),
        summary=(_value(state, "title") or "").strip() or _first_line(description) or external_id,
        description=description,
        labels=_labels(state),
        data=_value(state, "data"),
        thirdparty_id=_value(state, "thirdparty_id"),
        started_at=state.times.get("started_at"),
        acknowledged_at=state.times.get("acknowledged_at"),
        ended_at=state.times.get("ended_at"),
    )


def status_of(state: AlertState) -> AlertStatus:
    """Return the alert's status: `resolved` absorbs, `open` is where every alert begins."""
    if state.is_resolved:
        return AlertStatus.RESOLVED
    return _value(state, "status") or AlertStatus.OPEN


def has_settled(state: AlertState) -> bool:
    """Tell whether somebody has an alert, or nobody is paged for it any more."""
    settled = (AlertStatus.ACKNOWLEDGED, AlertStatus.RESOLVED)
    return status_of(state) in settled or _value(state, "pagertree_status") == "dropped"


def _value(state: AlertState, name: str) -> Any:
    field = state.fields.get(name)
    return field.value if field else None


def _first_line(text: str | None) -> str | None:
    lines = (line.strip() for line in (text or "").splitlines())
    return next((line for line in lines if line), None)


def _labels(state: AlertState) -> dict[str, str]:
    status = _value(state, "pagertree_status")
    if state.is_resolved and status in ALERT_STATUSES:
        status = "resolved"
    labels = {"pagertree_status": status, "pagertree_urgency": _value(state, "urgency")}
    known = {name: text[:LABEL_CHARACTERS_MAX] for name, text in labels.items() if text}
    return {**(_value(state, "labels") or {}), **known}


def to_json(state: AlertState) -> dict[str, Any]:
    """Return the state as it is kept beside the row; `data` itself stands in its own column.

    A snapshot stands there once with all the fields that it gave: one usually gave all of them.
    """
    snapshots: dict[Version, dict[str, Any]] = {}
    for name, field in state.fields.items():
        value = None if name == "data" else field.value
        snapshots.setdefault(field.version, {})[name] = value
    return {
        "snapshots": [[*version, values] for version, values in snapshots.items()],
        "times": {name: moment.isoformat() for name, moment in state.times.items()},
        "is_resolved": state.is_resolved,
    }


def from_json(kept: Mapping[str, Any]) -> AlertState:
    """Return the state that `to_json` kept."""
    fields = {
        name: Field(version, value)
        for version, values in ((Version(*of), values) for *of, values in kept["snapshots"])
        for name, value in values.items()
    }
    if "status" in fields:
        fields["status"] = fields["status"]._replace(value=AlertStatus(fields["status"].value))
    return AlertState(
        fields=fields,
        times={name: datetime.fromisoformat(moment) for name, moment in kept["times"].items()},
        is_resolved=kept["is_resolved"],
    )
