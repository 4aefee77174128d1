"""An incident, an alert and a page that conditions look at."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pagersync.workflows.conditions import Conditions, Subject, compile_conditions
from pagersync.workflows.trigger_params import parse_trigger_params

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)

INCIDENT = Subject(
    "incident",
    "started",
    severity=frozenset({"0198", "sev0", "sev 0", "critical"}),
    labels={"env": "prod", "team": "core"},
    summary="Checkout is down",
    incident_kind="normal",
    times={"started_at": NOW, "resolved_at": None},
    updated_at=NOW - timedelta(hours=1),
)
ALERT = Subject(
    "alert",
    "open",
    severity=frozenset({"critical"}),
    labels={"env": "prod", "team": "core"},
    source="pagertree",
    urgency="high",
    summary="Checkout is down",
    payload={"meta": {"teams": ["env:prod", "team:core"]}, "n": 5.0},
)
PAGE = Subject(
    "page",
    "dropped",
    severity=frozenset({"low"}),
    labels={"env:prod": "", "team:core": ""},
    urgency="auto",
    summary="Checkout is down",
)
BARE_INCIDENT = Subject("incident", "started", incident_kind="normal")
BARE_ALERT = Subject("alert", "open")


def compiled(kind: str, **given: Any) -> Conditions:
    return compile_conditions(parse_trigger_params({"trigger_type": kind, **given}))


def holds(subject: Subject, **given: Any) -> bool:
    return compiled(subject.kind, **given).first_failed(subject, NOW) is None
