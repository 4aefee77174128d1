"""What has to be true of the demo's incident, told by the simulated PagerTree. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pagersync.simulator.demo_checks import Check, Row
from pagersync.simulator.demo_paging_checks import MARKER_PREFIX


@dataclass(frozen=True, slots=True)
class IncidentStory:
    """An incident at its end, and all that belongs to it, here and in PagerTree.

    Attributes:
        pages: Those for the incident.
        alerts: Those attached to it.
        timeline: In the order in which things happened.
        there: Every alert that the simulated PagerTree has.
        notifications: Whom it paged.
        team: Who was to be paged.
    """

    incident: Row
    pages: Sequence[Row]
    alerts: Sequence[Row]
    timeline: Sequence[Row]
    there: Sequence[Row]
    notifications: Sequence[Row]
    team: str

    @property
    def is_over(self) -> bool:
        """Whether everything that the end of an incident leads to has happened."""
        return all(
            row["status"] == "resolved" for row in (self.incident, *self.pages, *self.alerts)
        )

    @property
    def own(self) -> Sequence[Row]:
        """The alerts in PagerTree that pages of the incident made."""
        names = {page["pagertree_id"] for page in self.pages}
        return [alert for alert in self.there if alert["id"] in names]


def compare_incident(story: IncidentStory) -> Iterator[Check]:
    """Hold an incident against what the simulated PagerTree knows."""
    marks = [str(alert["thirdparty_id"]) for alert in story.own]
    yield Check(
        f"the incident has one alert in PagerTree, which paged {story.team} once, as SEV-1",
        expected={"alerts": 1, "with a mark": 1, "paged": 1, "severity": "sev_1"},
        seen={
            "alerts": len(story.own),
            "with a mark": sum(mark.startswith(MARKER_PREFIX) for mark in marks),
            "paged": sum(
                each["target_name"] == story.team
                for each in story.notifications
                if each["thirdparty_id"] in marks
            ),
            "severity": "".join(str(alert["incident_severity"]) for alert in story.own),
        },
    )
    attached = {alert["external_id"] for alert in story.alerts}
    linked = [alert for alert in story.there if alert["prefix_id"] in attached]
    yield Check(
        "with the incident its alert and the attached one are resolved in PagerTree",
        expected={"here": "resolved", "its alert": "resolved", "the attached one": "resolved"},
        seen={
            "here": story.incident["status"],
            "its alert": " ".join(str(alert["status"]) for alert in story.own),
            "the attached one": " ".join(str(alert["status"]) for alert in linked),
        },
    )
    happened = Counter(
        word
        for entry in story.timeline
        for word in ("Paged", "Acknowledged in PagerTree", "Resolved in PagerTree")
        if entry["event"].startswith(word)
    )
    yield Check(
        "its timeline tells of the page, who took it, and that both were resolved",
        expected={"Paged": 1, "Acknowledged in PagerTree": 1, "Resolved in PagerTree": 2},
        seen=happened,
    )
