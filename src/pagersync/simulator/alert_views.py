"""How PagerTree shows alerts: in its REST API v4, and in the v3 format of webhooks. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pagersync.simulator.directory import AccountUser, Directory, Router, Team
from pagersync.simulator.pagertree_state import Alert, Notification
from pagersync.simulator.snapshot import iso_millis
from pagersync.simulator.unknowns import Unknowns


def alert_view(alert: Alert, directory: Directory, unknowns: Unknowns) -> dict[str, Any]:
    """Show an alert as the API does, its tags in both of the places where they may be."""
    fields, meta = alert.fields, _meta_view(alert.fields["meta"], unknowns)
    return {
        "id": alert.id,
        "account_id": directory.account.ulid,
        "prefix_id": alert.prefix_id,
        "tiny_id": alert.tiny_id,
        "created_at": iso_millis(alert.created_at),
        "updated_at": iso_millis(alert.updated_at),
        "title": fields["title"],
        "description": fields["description"],
        "urgency": fields["urgency"],
        "status": alert.status,
        "tags": list(fields["tags"]),
        "tag_list": list(fields["tags"]),
        "thirdparty_id": fields["thirdparty_id"],
        "dedup_keys": [],
        "meta": meta,
        "incident": bool(meta.get("incident")),
        "incident_severity": meta.get("incident_severity"),
        "incident_message": meta.get("incident_message"),
        "acknowledged_at": _time(alert.acknowledged_at),
        "resolved_at": _time(alert.resolved_at),
        "source_id": alert.source.id if alert.source else directory.account.integration_id,
        "source_type": "AccountUser" if alert.source else "Integration",
        "source_log_id": alert.log_id,
        "source": {"name": _source_name(alert, directory)},
        "destination_team_ids": _ids(alert, Team),
        "destination_router_ids": _ids(alert, Router),
        "destination_account_user_ids": _ids(alert, AccountUser),
        "alert_destinations": [{"destination": {"name": to.name}} for to in alert.destinations],
    }


def shown(view: Mapping[str, Any], unknowns: Unknowns) -> dict[str, Any]:
    """Leave out the place of the tags that the API is not to have."""
    hidden = {"tags": "tag_list", "tag_list": "tags", "both": ""}[unknowns.tags_key]
    return {key: value for key, value in view.items() if key != hidden}


def _meta_view(meta: Mapping[str, Any], unknowns: Unknowns) -> dict[str, Any]:
    severity = meta.get("incident_severity")
    if not severity:
        return dict(meta)
    form = severity.lower().replace("-", "_")
    if unknowns.severity_form == "SEV-1":
        form = form.upper().replace("_", "-")
    return {**meta, "incident_severity": form}


def _source_name(alert: Alert, directory: Directory) -> str:
    return alert.source.name if alert.source else directory.account.integration_name


def _ids(alert: Alert, kind: type) -> list[str]:
    return [to.id for to in alert.destinations if isinstance(to, kind)]


def _time(at: datetime | None) -> str | None:
    return iso_millis(at) if at else None


def _seconds(at: datetime | None) -> int | None:
    return int(at.timestamp()) if at else None


def _prefix_id(thing: Team | AccountUser | None) -> str | None:
    return thing.prefix_id if thing else None


def webhook_view(alert: Alert, directory: Directory) -> dict[str, Any]:
    """Show an alert in the v3 format: all 34 documented keys, with prefixed ids."""
    fields, source = alert.fields, alert.source
    return {
        "sid": directory.account.id,
        "id": alert.prefix_id,
        "createdAt": iso_millis(alert.created_at),
        "updatedAt": iso_millis(alert.updated_at),
        "meta": dict(fields["meta"]),
        "tinyId": alert.tiny_id,
        "parent_id": None,
        "thirdparty_id": fields["thirdparty_id"],
        "destination_ids": [to.prefix_id for to in alert.destinations],
        "title": fields["title"],
        "description": fields["description"],
        "type": "alert",
        "subtype": "alert",
        "status": alert.status,
        "urgency": fields["urgency"],
        "d_team_id": _prefix_id(alert.d_team),
        "d_user_id": _prefix_id(alert.d_user),
        "s_log_id": alert.log_id,
        "created": _seconds(alert.created_at),
        "acknowledged": _seconds(alert.acknowledged_at),
        "acknowledgedby": _prefix_id(alert.acknowledged_by),
        "resolved": _seconds(alert.resolved_at),
        "resolvedby": _prefix_id(alert.resolved_by),
        "archived": None,
        "archivedby": None,
        "livecall": None,
        "source_id": source.prefix_id if source else directory.account.integration_id,
        "response_requested": False,
        "responses": [],
        "responses_recorded": {},
        "tags": list(fields["tags"]),
        "additional_data": [],
        "stakeholder_ids": [],
        "handoffs": [dict(handoff) for handoff in alert.handoffs],
    }


def comment_view(comment: Mapping[str, Any]) -> dict[str, Any]:
    """Show a comment as the API does."""
    times = {key: iso_millis(comment[key]) for key in ("created_at", "updated_at")}
    return {**comment, **times}


def notification_view(notification: Notification) -> dict[str, Any]:
    """Show who was paged, and for which alert."""
    target = notification.target
    return {
        "at": iso_millis(notification.at),
        "alert_id": notification.alert.id,
        "alert_prefix_id": notification.alert.prefix_id,
        "thirdparty_id": notification.alert.fields["thirdparty_id"],
        "tags": list(notification.alert.fields["tags"]),
        "target_type": type(target).__name__,
        "target_id": target.id,
        "target_prefix_id": target.prefix_id,
        "target_name": target.name,
        "account_user_ids": [person.id for person in target.on_call],
    }
