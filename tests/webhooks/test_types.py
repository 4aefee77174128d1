"""Which event types there are, what is sent as which, and who has subscribed."""

import re
from pathlib import Path

import pytest

from pagersync.events.webhook_types import (
    BY_NAME,
    EVENT_TYPES,
    NEVER_SENT,
    selectors_of,
    types_of,
    unknown_selectors,
)
from pagersync.paging.models import PageStatus
from pagersync.paging.status import _SILENT
from pagersync.workflows.models import RunStatus

ROOT = Path(__file__).parents[2]

ROOTLYS = {
    "incident": "created updated in_triage mitigated resolved cancelled deleted",
    "incident.scheduled": "created updated in_progress completed deleted",
    "incident_post_mortem": "created updated published deleted",
    "incident_status_page_event": "created updated deleted",
    "incident_event": "created updated deleted",
    "alert": "created updated",
    "pulse": "created",
    "shift": "started",
    "genius_workflow_run": "queued started completed failed canceled",
    "audit_log": "created",
}


def test_each_of_rootlys_event_types_is_sent_or_refused() -> None:
    names = {f"{group}.{verb}" for group, verbs in ROOTLYS.items() for verb in verbs.split()}
    assert names <= BY_NAME.keys() | set(NEVER_SENT)
    assert set(NEVER_SENT) <= names
    assert not BY_NAME.keys() & set(NEVER_SENT)


@pytest.mark.parametrize(
    ("event_type", "data", "names"),
    [
        ("alert.created", {"status": "open"}, ["alert.created"]),
        ("alert.status_updated", {"to": "resolved"}, ["alert.updated", "alert.status_updated"]),
        ("incident.created", {"status": "started"}, ["incident.created"]),
        ("incident.created", {"status": "in_triage"}, ["incident.created", "incident.in_triage"]),
        ("incident.updated", {"changes": {"title": {}}}, ["incident.updated"]),
        (
            "incident.updated",
            {"changes": {"status": {"from": "started", "to": "resolved"}}},
            ["incident.updated", "incident.resolved"],
        ),
        ("incident.updated", {"changes": {"status": {"to": "closed"}}}, ["incident.updated"]),
        (
            "incident.timeline_updated",
            {"action": "updated"},
            ["incident_event.updated", "incident.timeline_updated"],
        ),
        (
            "incident.timeline_updated",
            {},  # of before there were webhooks
            ["incident_event.created", "incident.timeline_updated"],
        ),
        ("incident_event.deleted", {}, ["incident_event.deleted"]),
        ("page.dropped", {}, ["page.dropped"]),
        (
            "workflow_run.completed_with_errors",
            {},
            ["workflow_run.completed_with_errors", "genius_workflow_run.completed"],
        ),
        ("workflow_run.failed", {}, ["workflow_run.failed", "genius_workflow_run.failed"]),
        ("webhooks_endpoint.disabled", {}, []),
    ],
)
def test_a_domain_event_is_sent_as_these(
    event_type: str, data: dict[str, object], names: list[str]
) -> None:
    assert types_of(event_type, data) == names
    assert set(names) <= BY_NAME.keys()


def test_every_end_of_a_page_and_of_a_run_has_its_event_type() -> None:
    pages = {f"page.{status}" for status in PageStatus if status not in _SILENT}
    ends = {f"workflow_run.{status}" for status in RunStatus}
    ends -= {"workflow_run.queued", "workflow_run.started"}
    assert pages | ends | {"page.confirmed", "page.unknown"} <= BY_NAME.keys()


def test_an_alias_is_sent_to_those_only_who_name_it() -> None:
    assert selectors_of("alert.updated") == ["alert.updated", "alert.*", "*"]
    assert selectors_of("alert.status_updated") == ["alert.status_updated"]
    assert selectors_of("genius_workflow_run.failed") == [
        "genius_workflow_run.failed",
        "genius_workflow_run.*",
    ]


def test_what_is_never_sent_cannot_be_subscribed_to() -> None:
    given = ["incident.*", "page.dropped", "pulse.created", "pulse.*", "*", "incident.resolve"]
    unknown = unknown_selectors(given)
    assert unknown.keys() == {"pulse.created", "pulse.*", "incident.resolve"}
    assert "never sends" in unknown["pulse.created"]


def test_the_documentation_lists_every_event_type() -> None:
    text = (ROOT / "docs" / "webhooks.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, flags=re.MULTILINE))
    described = {each.name: each.description for each in EVENT_TYPES}
    assert {name: rows.get(name) for name in described} == described
