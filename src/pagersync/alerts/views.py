"""How the API shows alerts and what happened to them: Rootly's attributes, and ours."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer

from pagersync.access.account_names import NAME, AccountNames, account_names
from pagersync.alerts.models import LOCAL_PREFIX, Alert, AlertEvent, AlertStatus
from pagersync.cut_columns import Columns, read_cut_pairs
from pagersync.incidents.models import Incident, IncidentAlert
from pagersync.incidents.views import WIDE as INCIDENT_WIDE
from pagersync.incidents.views import incident_resources
from pagersync.jsonapi import EMPTY_HERE, Empty, Resource, Timestamp
from pagersync.shape import Shape, read_related, related_max

WIDE: Final[Columns] = (Alert.data, Alert.description)
"""What can hold much, and is cut in lists."""


def _none() -> Any:
    return Field(default=[], description=EMPTY_HERE)


class Label(BaseModel):
    """A label of an alert."""

    key: str
    value: str | int | float | bool


class AlertAttributes(BaseModel):
    """What is known of an alert."""

    short_id: str
    source: str
    status: AlertStatus
    summary: str
    description: str | None
    external_id: str | None = Field(
        description="PagerTree's id; while it is not there, what its maker calls it."
    )
    external_url: str | None
    url: str | None = Field(description="Where people look at it: `external_url`.")
    labels: list[Label]
    data: dict[str, Any]
    deduplication_key: str | None
    alert_urgency_id: str | None = Field(
        description="PagerTree's urgency: critical, high, medium or low."
    )
    integration_id: UUID
    integration_name: str | None = Field(description=NAME)
    thirdparty_id: str | None
    started_at: Timestamp
    acknowledged_at: Timestamp | None
    ended_at: Timestamp | None
    resolved_at: Timestamp | None = Field(description="Another name of `ended_at`.")
    created_at: Timestamp
    updated_at: Timestamp
    noise: Empty = None
    services: list[Any] = _none()
    groups: list[Any] = _none()
    functionalities: list[Any] = _none()
    environments: list[Any] = _none()
    service_ids: list[str] = _none()
    group_ids: list[str] = _none()
    functionality_ids: list[str] = _none()
    environment_ids: list[str] = _none()
    group_leader_alert_id: Empty = None
    is_group_leader_alert: Literal[False] = Field(default=False, description=EMPTY_HERE)
    notification_target_type: Empty = None
    notification_target_id: Empty = None
    alert_field_values: list[Any] = _none()
    responders: list[Any] = _none()
    notified_users: list[Any] = _none()
    alerting_targets: list[Any] = _none()
    slack_notifications: list[Any] = _none()


class AlertEventAttributes(BaseModel):
    """One thing that happened to an alert; `event_type` is PagerTree's name for it."""

    alert_id: UUID
    kind: str = Field(description="Rootly's; people's notes are `note`.")
    action: str = Field(description="Rootly's.")
    source: str
    details: str
    event_type: str
    delivery_id: UUID | None
    occurred_at: Timestamp
    created_at: Timestamp
    updated_at: Timestamp
    user_id: Empty = None
    incident: Empty = None
    schedule: Empty = None
    escalation_level: Empty = None
    escalation_target_type: Empty = None
    escalation_target: Empty = None
    incident_ids: list[str] = _none()
    page_reason: Empty = None
    slack_message_ts: Empty = None
    slack_message_permalink: Empty = None


def alert_resource(row: Alert, accounts: AccountNames) -> Resource[AlertAttributes]:
    """Return an alert as the API shows it."""
    own = {
        name: getattr(row, name) for name in AlertAttributes.model_fields if hasattr(Alert, name)
    }
    attributes = AlertAttributes(
        **own
        | {
            "integration_name": accounts.get(row.integration_id),
            "external_id": row.client_id if is_local(row) else row.external_id,
            "resolved_at": row.ended_at,
            "external_url": row.external_url or None,
            "url": row.external_url or None,
            "labels": [Label(key=key, value=value) for key, value in row.labels.items()],
            "alert_urgency_id": row.labels.get("pagertree_urgency"),
        }
    )
    return Resource(id=str(row.id), type="alerts", attributes=attributes)


def is_local(alert: Alert) -> bool:
    """Tell whether an alert has no counterpart in PagerTree, or none that is known yet."""
    return alert.external_id.startswith(LOCAL_PREFIX)


def event_resource(row: AlertEvent) -> Resource[AlertEventAttributes]:
    """Return what happened to an alert as the API shows it."""
    own = {
        name: getattr(row, name)
        for name in AlertEventAttributes.model_fields
        if hasattr(AlertEvent, name)
    }
    attributes = AlertEventAttributes(**own | {"updated_at": row.updated_at or row.created_at})
    return Resource(id=str(row.id), type="alert_events", attributes=attributes)


async def events_of(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Resource[Any]]]:
    """Return the newest events of alerts, by alert."""
    number = func.row_number().over(partition_by=AlertEvent.alert_id, order_by=AlertEvent.id.desc())
    newest = select(AlertEvent, number.label("number")).where(AlertEvent.alert_id.in_(ids))
    numbered = newest.subquery()
    row = aliased(AlertEvent, numbered)
    statement = (
        select(row).where(numbered.c.number <= related_max(len(ids))).order_by(row.id.desc())
    )
    events: dict[UUID, list[Resource[Any]]] = {}
    for event in await read_related(session, statement, [row.details], len(ids)):
        events.setdefault(event.alert_id, []).append(event_resource(event))
    return events


async def incidents_of(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Resource[Any]]]:
    """Return the incidents that alerts are attached to, by alert."""
    most = related_max(len(ids)) * len(ids)
    pairs = (
        select(IncidentAlert.alert_id, Incident)
        .join(Incident, Incident.id == IncidentAlert.incident_id)
        .where(IncidentAlert.alert_id.in_(ids), Incident.removed_at.is_(None))
        .order_by(Incident.id.desc())
        .limit(most)
    )
    found = await read_cut_pairs(session, pairs, INCIDENT_WIDE, most)
    shown = await incident_resources(session, [incident for _, incident in found])
    incidents: dict[UUID, list[Resource[Any]]] = {}
    for (alert_id, _), resource in zip(found, shown, strict=True):
        incidents.setdefault(alert_id, []).append(resource)
    return incidents


async def alerts_of(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Resource[Any]]]:
    """Return the newest of the alerts that are attached to incidents, by incident."""
    newest = IncidentAlert.alert_id.desc()
    number = func.row_number().over(partition_by=IncidentAlert.incident_id, order_by=newest)
    own = select(IncidentAlert, number.label("number"))
    numbered = own.where(IncidentAlert.incident_id.in_(ids)).subquery()
    is_shown = (numbered.c.alert_id == Alert.id) & (numbered.c.number <= related_max(len(ids)))
    statement = select(numbered.c.incident_id, Alert).join(numbered, is_shown)
    statement = statement.options(defer(Alert.fold)).order_by(Alert.id.desc())
    most = related_max(len(ids)) * len(ids)
    rows = await read_cut_pairs(session, statement, WIDE, most)
    accounts = await account_names(session, [alert for _, alert in rows])
    alerts: dict[UUID, list[Resource[Any]]] = {}
    for incident_id, alert in rows:
        alerts.setdefault(incident_id, []).append(alert_resource(alert, accounts))
    return alerts


SHAPE = Shape(
    "alerts",
    loaders={"events": events_of, "incidents": incidents_of},
    nothing=(
        *("environments", "services", "groups", "functionalities", "responders"),
        *("notified_users", "alert_urgency", "heartbeat", "live_call_router", "alert_group"),
        *("group_leader_alert", "group_member_alerts", "alert_field_values", "alerting_targets"),
        *("escalation_policies", "alert_call_recording"),
    ),
)
EVENT_SHAPE = Shape("alert_events", nothing=("user", "alert", "incident", "schedule"))
