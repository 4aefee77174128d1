"""The variables of templates: every name of Rootly's is there, with plain values."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pagersync.alerts.models import Alert
from pagersync.database.base import new_id
from pagersync.database.engine import Sessions
from pagersync.incidents.models import Incident, IncidentAlert, IncidentEvent, Severity
from pagersync.integrations import service
from pagersync.paging.models import Page
from pagersync.workflows.templates import render
from pagersync.workflows.variables import (
    ALERTS_MAX,
    EVENTS_MAX,
    EXAMPLE_VARIABLES,
    PAGES_MAX,
    load_variables,
)

URL = "https://pagersync.example.com/"
NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)

INCIDENT_NAMES = """
id sequential_id slug title summary status labels timeline timeline_table timeline_table_markdown
severity severity_slug severity_id raw_severity environments environment_slugs raw_environments
types raw_types services service_slugs raw_services functionalities functionality_slugs
raw_functionalities groups group_slugs raw_groups created_at started_at detected_at acknowledged_at
mitigated_at resolved_at mitigation_message resolution_message duration url short_url creator
started_by mitigated_by resolved_by cancelled_by roles custom_fields events action_items
pagerduty_incident_id pagerduty_incident_number pagerduty_incident_url opsgenie_incident_id
opsgenie_incident_url victor_ops_incident_id victor_ops_incident_url jira_issue_url
slack_channel_name
"""
ALERT_NAMES = """
id short_id summary description status url created_at source external_id external_url data
alert_urgency responders acknowledged_by resolved_by groups
"""


@pytest.mark.parametrize(
    ("subject", "names"),
    [("incident", INCIDENT_NAMES), ("alert", ALERT_NAMES + "alert_urgency.name")],
)
def test_every_variable_of_rootlys_exists(subject: str, names: str) -> None:
    for name in names.split():
        render(f"{{{{ {subject}.{name} }}}}", EXAMPLE_VARIABLES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("#{{ incident.sequential_id }} {{ incident.severity }}", "#42 SEV1"),
        ("{{ incident.raw_severity | get: 'notify_emails' | join: ',' }}", ""),
        ("{{ incident.raw_types | map: 'notify_emails' | flatten | join: ',' }}", ""),
        ("{{ incident.raw_severity.severity }} {{ incident.severity_slug }}", "critical sev1"),
        (
            "incident-{{ incident.started_at | date: '%Y%m%d' }}-{{ incident.slug }}",
            "incident-20260115-checkout-is-failing",
        ),
        ("{{ incident.creator.name }}", "the API key 'example'"),
        ("{{ incident.duration }} {{ incident.acknowledge_duration }}", "1800 240"),
        ("{{ incident.labels.team }}", "payments"),
        (
            "{% for e in incident.events %}{{ e.event }}{% endfor %}",
            "Acknowledged in PagerTree by Jane Doe.",
        ),
        ("{{ incident.pages | map: 'pagertree_alert_id' | join: ',' }}", "alt_example"),
        ("{{ alert.alert_urgency.name }} {{ alert.acknowledged_by.name }}", "critical Jane Doe"),
        ("{{ page.targets | map: 'name' | join: ', ' }}", "Payments"),
    ],
)
def test_texts_written_for_rootly_render(source: str, expected: str) -> None:
    assert render(source, EXAMPLE_VARIABLES) == expected


def test_a_timeline_is_a_table_too() -> None:
    assert render("{{ incident.timeline_table_markdown }}", EXAMPLE_VARIABLES).splitlines() == [
        "| Date | User | Event |",
        "|---|---|---|",
        "| 2026-01-15 12:04:00+00:00 | Jane Doe | Acknowledged in PagerTree by Jane Doe. |",
    ]
    lines = render("{{ incident.timeline_table }}", EXAMPLE_VARIABLES).splitlines()
    assert len({len(line) for line in lines}) == 1


def is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(is_plain, value.values()))
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or type(value) in (str, int, bool, float, datetime)


def test_values_are_plain() -> None:
    assert all(is_plain(value) for value in EXAMPLE_VARIABLES.values())


async def add_incident(
    sessions: Sessions, entries: int = 1, alerts: int = 1, pages: int = 1
) -> tuple[UUID, UUID | None, UUID | None]:
    """Return the ids of an incident, its newest alert, and its newest page."""
    async with sessions.begin() as session:
        integration = (await service.add_integration(session, name="acme")).integration
        severity = Severity(name="SEV1", slug="sev1", severity="critical", position=1)
        session.add(severity)
        await session.flush()
        incident = Incident(
            number=7,
            title="Down",
            status="started",
            severity_id=severity.id,
            source="api",
            created_by="the API key 'ci'",
            started_at=NOON,
            labels={"team": "db"},
        )
        session.add(incident)
        await session.flush()
        for number in range(entries):
            session.add(
                IncidentEvent(
                    incident_id=incident.id,
                    event=f"entry {number}",
                    kind="event",
                    source="api",
                    occurred_at=NOON + timedelta(seconds=number),
                )
            )
        alert_id = page_id = None
        for number in range(alerts):
            alert_id = new_id()
            session.add(
                Alert(
                    id=alert_id,
                    integration_id=integration.id,
                    short_id=f"A{number:05}",
                    external_id=f"alt_{number}",
                    external_url="https://example.com",
                    status="open",
                    summary=f"alert {number}",
                    fold={},
                    data={"secret": "payload"},
                )
            )
            await session.flush()
            session.add(
                IncidentAlert(
                    incident_id=incident.id,
                    alert_id=alert_id,
                    integration_id=integration.id,
                    attached_by="ci",
                    attached_at=NOON + timedelta(seconds=number),
                )
            )
        for number in range(pages):
            page_id = new_id()
            session.add(
                Page(
                    id=page_id,
                    integration_id=integration.id,
                    incident_id=incident.id,
                    alert_id=alert_id,
                    title=f"page {number}",
                    urgency="high",
                    requested_by="ci",
                    targets=[{"kind": "team", "name": "DB", "pagertree_id": "1"}],
                )
            )
        return incident.id, alert_id, page_id


async def test_an_incident_brings_its_severity_timeline_alerts_and_pages(
    sessions: Sessions,
) -> None:
    incident_id, _, _ = await add_incident(sessions)
    async with sessions() as session:
        found = await load_variables(
            session, incident_id=incident_id, alert_id=None, page_id=None, public_url=URL
        )
    assert found.keys() == {"incident"}
    incident = found["incident"]
    assert is_plain(incident)
    assert (incident["severity"], incident["sequential_id"]) == ("SEV1", 7)
    assert incident["url"] == f"https://pagersync.example.com/v1/incidents/{incident_id}"
    assert [entry["event"] for entry in incident["events"]] == ["entry 0"]
    assert [alert["summary"] for alert in incident["alerts"]] == ["alert 0"]
    assert incident["alerts"][0]["data"] == {}
    assert [page["title"] for page in incident["pages"]] == ["page 0"]


async def test_a_page_brings_its_incident_and_its_alert(sessions: Sessions) -> None:
    incident_id, alert_id, page_id = await add_incident(sessions)
    async with sessions() as session:
        found = await load_variables(
            session, incident_id=None, alert_id=None, page_id=page_id, public_url=URL
        )
    assert found["page"]["id"] == str(page_id)
    assert found["incident"]["id"] == str(incident_id)
    assert found["alert"]["id"] == str(alert_id)
    assert found["alert"]["data"] == {"secret": "payload"}


async def test_what_does_not_exist_is_not_there(sessions: Sessions) -> None:
    async with sessions() as session:
        nothing = await load_variables(
            session, incident_id=new_id(), alert_id=new_id(), page_id=new_id(), public_url=URL
        )
    assert nothing == {}


async def test_of_a_large_incident_the_newest_are_loaded_oldest_first(sessions: Sessions) -> None:
    incident_id, _, _ = await add_incident(
        sessions, entries=EVENTS_MAX + 2, alerts=ALERTS_MAX + 2, pages=PAGES_MAX + 2
    )
    async with sessions() as session:
        found = await load_variables(
            session, incident_id=incident_id, alert_id=None, page_id=None, public_url=URL
        )
    incident = found["incident"]
    assert [entry["event"] for entry in incident["events"]] == [
        f"entry {number}" for number in range(2, EVENTS_MAX + 2)
    ]
    assert [alert["summary"] for alert in incident["alerts"]] == [
        f"alert {number}" for number in range(2, ALERTS_MAX + 2)
    ]
    assert [page["title"] for page in incident["pages"]] == [
        f"page {number}" for number in range(2, PAGES_MAX + 2)
    ]
    render("{{ incident.alerts | map: 'summary' | join: ', ' }}", found)
