"""What the demo says of its incident, and the checks that it makes."""

from copy import deepcopy
from typing import Any

import pytest

from pagersync.simulator.demo_incident_checks import IncidentStory, compare_incident
from pagersync.simulator.demo_text import timeline

AT = "2026-05-04T12:00:00+00:00"


@pytest.fixture
def story() -> IncidentStory:
    """Return what a service without mistakes and its PagerTree show."""
    entries = (
        "Incident 1 created as Started by Ada.",
        "Paged team Platform by the workflow 'Page': Customers cannot pay",
        "Acknowledged in PagerTree by Ana (page 'Customers cannot pay').",
        "Resolved in PagerTree by Ana (page 'Customers cannot pay').",
        "Resolved in PagerTree by Ana (alert ABC123).",
    )
    own = {"id": "1", "prefix_id": "alt_1", "thirdparty_id": "pagersync:1", "status": "resolved"}
    other = {"id": "2", "prefix_id": "alt_2", "thirdparty_id": "x", "status": "resolved"}
    return IncidentStory(
        incident={"sequential_id": 1, "title": "Customers cannot pay", "status": "resolved"},
        pages=[{"pagertree_id": "1", "status": "resolved"}],
        alerts=[{"external_id": "alt_2", "status": "resolved"}],
        timeline=[{"event": event, "occurred_at": AT} for event in entries],
        there=[{**own, "incident_severity": "sev_1"}, {**other, "incident_severity": None}],
        notifications=[{"target_name": "Platform", "thirdparty_id": "pagersync:1"}],
        team="Platform",
    )


def failed(story: IncidentStory) -> list[str]:
    return [check.name for check in compare_incident(story) if not check.passed]


def test_an_incident_without_a_mistake_passes_every_check(story: IncidentStory) -> None:
    assert failed(story) == []
    assert story.is_over


@pytest.mark.parametrize(
    ("mistake", "name"),
    [
        ("paged twice", "one alert in PagerTree"),
        ("another severity", "one alert in PagerTree"),
        ("its alert stays open", "resolved in PagerTree"),
        ("the attached one stays open", "resolved in PagerTree"),
        ("nothing on the timeline", "its timeline"),
        ("a line twice", "its timeline"),
    ],
)
def test_each_mistake_fails_the_check_that_is_about_it(
    story: IncidentStory, mistake: str, name: str
) -> None:
    mistaken = deepcopy(story)
    _make(mistaken, mistake)
    assert any(name in failure for failure in failed(mistaken))


def _make(story: Any, mistake: str) -> None:
    match mistake:
        case "paged twice":
            story.notifications.append(story.notifications[0])
        case "another severity":
            story.there[0]["incident_severity"] = "sev_4"
        case "its alert stays open":
            story.there[0]["status"] = "open"
        case "the attached one stays open":
            story.there[1]["status"] = "open"
        case "nothing on the timeline":
            story.timeline.clear()
        case "a line twice":
            story.timeline.append(story.timeline[2])


def test_the_timeline_is_told_in_ninety_columns(story: IncidentStory) -> None:
    long = {"event": "word " * 60, "occurred_at": AT}
    lines = list(timeline(deepcopy(story)))
    assert lines[0] == "INCIDENT 1  Customers cannot pay, resolved"
    assert lines[1] == "  12:00:00  Incident 1 created as Started by Ada."
    story.timeline.append(long)  # type: ignore[attr-defined]
    assert max(map(len, timeline(story))) <= 90
