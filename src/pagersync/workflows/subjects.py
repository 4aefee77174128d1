"""What conditions look at, read for a whole batch of events at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg

from pagersync.database.engine import Connection
from pagersync.incidents.lifecycle import TIMES
from pagersync.labels import label_text
from pagersync.pagertree.severity import normalise_sev, read_severity
from pagersync.workflows.conditions import Subject


async def load_subjects(
    connection: Connection,
    kind: str,
    ids: Sequence[UUID],
    *,
    with_payload: bool = True,
) -> dict[UUID, Subject]:
    """Return incidents, alerts or pages as conditions look at them, by id.

    Args:
        connection: to read from.
        kind: `incident`, `alert`, `page` or `integration`, of which there is nothing to look at.
        ids: of that kind; those that do not exist are missing in the answer.
        with_payload: whether alerts come with their data, which can be large.
    """
    if kind == "alert":
        rows = await connection.fetch(_ALERTS, list(ids), with_payload)
        return {row["id"]: _alert(row) for row in rows}
    if kind == "incident":
        rows = await connection.fetch(_INCIDENTS, list(ids))
        return {row["id"]: _incident(row) for row in rows}
    if kind == "integration":
        return {id_: Subject(kind=kind, status="connected") for id_ in ids}
    rows = await connection.fetch(_PAGES, list(ids))
    return {row["id"]: _page(row) for row in rows}


def as_of(subject: Subject, event_type: str, data: Mapping[str, Any]) -> Subject:
    """Return a subject as it was when an event happened, as far as the event says. Pure.

    Things move on before an event is looked at: an incident that was resolved may be closed by
    then, and whoever waits for `resolved` must not miss it.
    """
    if event_type.startswith("incident."):
        changes = data.get("changes", {})
        status = changes.get("status", {}).get("to") or data.get("status") or subject.status
        return replace(subject, status=status)
    if event_type == "alert.created":
        return replace(subject, status=data.get("status", subject.status))
    return replace(subject, status=data.get("to", subject.status))


def _alert(row: asyncpg.Record) -> Subject:
    labels = {key: label_text(value) for key, value in row["labels"].items()}
    severity = read_severity(row["severity"])
    return Subject(
        kind="alert",
        status=row["status"],
        severity=_names(severity.value if severity else normalise_sev(row["severity"])),
        labels=labels,
        source=row["source"],
        urgency=labels.get("pagertree_urgency"),
        summary=row["summary"],
        payload=row["data"],
    )


def _incident(row: asyncpg.Record) -> Subject:
    return Subject(
        kind="incident",
        status=row["status"],
        severity=_names(
            row["severity_id"] and str(row["severity_id"]),
            row["severity_slug"],
            row["severity_name"],
            row["severity"],
        ),
        labels={key: label_text(value) for key, value in row["labels"].items()},
        summary=row["summary"],
        incident_kind=row["kind"],
        private=row["private"],
        times={name: row[name] for name in TIMES},
        updated_at=row["updated_at"],
    )


def _page(row: asyncpg.Record) -> Subject:
    return Subject(
        kind="page",
        status=row["status"],
        severity=_names(row["severity"]),
        labels=dict.fromkeys(row["tags"], ""),
        urgency=row["urgency"],
        summary=row["title"],
    )


def _names(*names: str | None) -> frozenset[str]:
    return frozenset(name.lower() for name in names if name)


_ALERTS = """
SELECT id, status, labels, source, summary, data #>> '{meta,incident_severity}' AS severity,
    CASE WHEN $2 THEN data END AS data
FROM alerts WHERE id = ANY($1::uuid[])
"""

_INCIDENTS = """
SELECT i.*, s.slug AS severity_slug, s.name AS severity_name, s.severity
FROM incidents i LEFT JOIN severities s ON s.id = i.severity_id
WHERE i.id = ANY($1::uuid[])
"""

_PAGES = """
SELECT id, status, severity, tags, urgency, title FROM pages WHERE id = ANY($1::uuid[])
"""
