"""What templates may say of an incident, an alert and a page, by Rootly's names. Pure.

Facts about Rootly's names: its public pages "Incident Variables" and "Alert Variables". What
pagersync has nothing for is there and empty, so that a text written for Rootly renders. Values are
plain: text, numbers, lists, objects, and times in UTC, without fractions of a second.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pagersync.alerts.models import LOCAL_PREFIX, Alert
from pagersync.incidents.models import Incident, IncidentEvent, Severity
from pagersync.paging.models import Page
from pagersync.paging.page_targets import paged

Variables = dict[str, Any]

_NO_OBJECTS: Final = """
environments environment_slugs raw_environments types types_slugs type_slugs raw_types services
services_slug service_slugs raw_services functionalities functionality_slugs raw_functionalities
groups group_slugs raw_groups causes roles custom_fields action_items subscribers notify_emails
"""
_NO_VALUES: Final = """
postmortem_url scheduled_for scheduled_until zoom_meeting_id zoom_meeting_start_url
zoom_meeting_join_url webex_meeting_id webex_meeting_url shortcut_story_id shortcut_story_url
shortcut_task_id shortcut_task_url asana_task_id asana_task_url jira_issue_id jira_issue_key
jira_issue_url google_meeting_id google_meeting_url trello_card_id trello_card_url
linear_issue_id linear_issue_key linear_issue_url zendesk_ticket_id zendesk_ticket_url
slack_channel_name slack_channel_id slack_channel_url slack_channel_short_url
slack_channel_deep_link microsoft_teams_channel_id microsoft_teams_channel_name
microsoft_teams_channel_url microsoft_teams_chat_id microsoft_teams_chat_url
service_now_incident_id service_now_incident_url opsgenie_incident_id opsgenie_incident_url
opsgenie_alert_id opsgenie_alert_url victor_ops_incident_id victor_ops_incident_url
pagerduty_incident_id pagerduty_incident_number pagerduty_incident_url mattermost_channel_id
mattermost_channel_name mattermost_channel_url confluence_page_id confluence_page_url
airtable_base_key airtable_table_name airtable_record_id airtable_record_url google_drive_id
google_drive_url notion_page_id notion_page_url datadog_notebook_id datadog_notebook_url
freshservice_ticket_id freshservice_ticket_url freshservice_task_id freshservice_task_url
"""
_STATUSES: Final = (
    "in_triage",
    "started",
    "detected",
    "acknowledged",
    "mitigated",
    "resolved",
    "closed",
    "cancelled",
)
CELL_CHARACTERS_MAX: Final = 200


def incident_variables(
    incident: Incident,
    severity: Severity | None,
    *,
    url: str,
    events: Sequence[IncidentEvent] = (),
    alerts: Sequence[Variables] = (),
    pages: Sequence[Variables] = (),
) -> Variables:
    """Return what `{{ incident.… }}` stands for.

    `labels` is an object here, so that `incident.labels.team` works. `alerts`, `pages`, `number`,
    `kind`, `private` and `source` are ours. `events` come oldest first; `alerts` and `pages` are
    what `alert_variables` and `page_variables` return.
    """
    timeline = [event_variables(event) for event in events]
    return {
        **dict.fromkeys(_NO_VALUES.split()),
        **{name: [] for name in _NO_OBJECTS.split()},
        "id": str(incident.id),
        "sequential_id": incident.number,
        "number": incident.number,
        "slug": _slug(incident.title, incident.number),
        "title": incident.title,
        "summary": incident.summary,
        "status": incident.status,
        "kind": incident.kind,
        "private": incident.private,
        "source": incident.source,
        "labels": incident.labels,
        "severity": severity and severity.name,
        "severity_slug": severity and severity.slug,
        "severity_id": severity and str(severity.id),
        "raw_severity": severity and severity_variables(severity),
        "mitigation_message": incident.mitigation_message,
        "resolution_message": incident.resolution_message,
        "cancellation_message": incident.cancellation_message,
        "creator": _person(incident.created_by),
        "in_triage": _person(incident.in_triage_by),
        **_times(incident),
        "url": url,
        "short_url": url,
        "events": timeline,
        "timeline": timeline,
        "timeline_table": _table(timeline),
        "timeline_table_markdown": _markdown(timeline),
        "alerts": list(alerts),
        "pages": list(pages),
    }


def severity_variables(severity: Severity) -> Variables:
    """Return what `{{ incident.raw_severity.… }}` stands for."""
    return {
        "id": str(severity.id),
        "name": severity.name,
        "slug": severity.slug,
        "description": severity.description,
        "severity": severity.severity,
        "color": severity.color,
        "position": severity.position,
        "notify_emails": [],
    }


def event_variables(event: IncidentEvent) -> Variables:
    """Return what an entry of `incident.events` has."""
    return {
        "id": str(event.id),
        "event": event.event,
        "kind": event.kind,
        "source": event.source,
        "visibility": event.visibility,
        "user": _person(event.user_display_name),
        "user_display_name": event.user_display_name,
        "occurred_at": _utc(event.occurred_at),
        "created_at": _utc(event.created_at),
    }


def alert_variables(alert: Alert, *, url: str, data: Mapping[str, Any] | None) -> Variables:
    """Return what `{{ alert.… }}` stands for.

    `data` is PagerTree's alert as it was last seen, and None where it was not loaded.
    """
    seen = data or {}
    urgency = alert.labels.get("pagertree_urgency")
    is_local = alert.external_id.startswith(LOCAL_PREFIX)
    return {
        "id": str(alert.id),
        "short_id": alert.short_id,
        "summary": alert.summary,
        "title": alert.summary,
        "description": alert.description,
        "status": alert.status,
        "source": alert.source,
        "url": url,
        "external_id": None if is_local else alert.external_id,
        "external_url": None if is_local else alert.external_url,
        "labels": alert.labels,
        "data": seen,
        "alert_urgency": {"id": None, "name": urgency, "description": None},
        "urgency": urgency,
        "pagertree_status": alert.labels.get("pagertree_status"),
        "thirdparty_id": alert.thirdparty_id,
        "integration_id": str(alert.integration_id),
        "acknowledged_by": _person(seen.get("acknowledgedby")),
        "resolved_by": _person(seen.get("resolvedby")),
        "started_at": _utc(alert.started_at),
        "acknowledged_at": _utc(alert.acknowledged_at),
        "ended_at": _utc(alert.ended_at),
        "created_at": _utc(alert.created_at),
        "updated_at": _utc(alert.updated_at),
        **{name: [] for name in ("responders", "groups", "services", "environments")},
    }


def page_variables(page: Page) -> Variables:
    """Return what `{{ page.… }}` stands for; pages are ours, so are the names."""
    times = ("sent", "confirmed", "acknowledged", "resolved", "dropped", "stuck", "unknown")
    return {
        "id": str(page.id),
        "status": page.status,
        "title": page.title,
        "description": page.description,
        "urgency": page.urgency,
        "severity": page.severity,
        "tags": list(page.tags),
        "targets": [
            {"kind": target.get("kind"), "name": target.get("name")}
            for target in paged(page.targets)
        ],
        "requested_by": page.requested_by,
        "integration_id": str(page.integration_id),
        "incident_id": _text(page.incident_id),
        "alert_id": _text(page.alert_id),
        "pagertree_alert_id": page.pagertree_alert_id,
        "pagertree_id": page.pagertree_id,
        "pagertree_status": page.remote_status,
        "acknowledged_by": _person(page.acknowledged_by),
        **{f"{name}_at": _utc(getattr(page, f"{name}_at")) for name in times},
        "created_at": _utc(page.created_at),
        "updated_at": _utc(page.updated_at),
    }


def _times(incident: Incident) -> Variables:
    """Return when and by whom each status was reached, and how long it took, in seconds."""
    found: Variables = {"created_at": _utc(incident.created_at)}
    found["updated_at"] = _utc(incident.updated_at)
    for name in _STATUSES:
        found[f"{name}_at"] = _utc(getattr(incident, f"{name}_at"))
        found[f"{name}_by"] = _person(getattr(incident, f"{name}_by"))
    begun = incident.started_at or incident.created_at
    for name, status in (
        ("detection", "detected"),
        ("acknowledge", "acknowledged"),
        ("mitigation", "mitigated"),
        ("resolution", "resolved"),
    ):
        reached = getattr(incident, f"{status}_at")
        seconds = _seconds(begun, reached) if reached else None
        found[f"{name}_duration"] = seconds
        found[f"time_to_{name}"] = None if seconds is None else seconds // 3600
    ended = incident.resolved_at or incident.cancelled_at or datetime.now(UTC)
    return {**found, "duration": _seconds(begun, ended)}


def _seconds(begun: datetime, ended: datetime) -> int:
    return max(int((ended - begun).total_seconds()), 0)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(microsecond=0) if moment else None


def _person(name: object) -> Variables | None:
    """Return a person in the shape that Rootly gives one; only the name is known here."""
    if not isinstance(name, str):
        return None
    return {"id": None, "name": name, "full_name": name, "email": None}


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _slug(title: str, number: int) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    return "-".join(words)[:100].strip("-") or str(number)


def _table(timeline: Sequence[Variables]) -> str:
    rows = _rows(timeline)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = f"+{'+'.join('-' * (width + 2) for width in widths)}+"
    head, *lines = (
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in rows
    )
    return "\n".join([rule, head, rule, *lines, rule])


def _markdown(timeline: Sequence[Variables]) -> str:
    head, *lines = (f"| {' | '.join(row)} |" for row in _rows(timeline))
    return "\n".join([head, "|---|---|---|", *lines])


def _rows(timeline: Sequence[Variables]) -> list[list[str]]:
    """Return the cells of a table; what would break one out of its cell is replaced."""
    return [["Date", "User", "Event"]] + [
        [
            " ".join(str(value or "").replace("|", "/").split())[:CELL_CHARACTERS_MAX]
            for value in (entry["occurred_at"], entry["user_display_name"], entry["event"])
        ]
        for entry in timeline
    ]
