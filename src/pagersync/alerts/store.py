"""Alerts in PostgreSQL, a batch at a time, by fixed SQL on a raw connection."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

import asyncpg

from pagersync.alerts.fold import AlertState, AlertView, from_json, to_json, view
from pagersync.alerts.models import LOCAL_PREFIX, AlertStatus
from pagersync.alerts.short_id import short_id
from pagersync.database.base import new_id
from pagersync.database.engine import Connection


class AlertKey(NamedTuple):
    """What an alert is known by: the account and PagerTree's id in it."""

    integration_id: UUID
    external_id: str


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as its row has it."""

    id: UUID
    status: AlertStatus
    state: AlertState


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A line of an alert's history; the same `content_sha256` stands there once."""

    key: AlertKey
    alert_id: UUID
    delivery_id: UUID | None
    content_sha256: bytes
    kind: str
    action: str
    event_type: str
    details: str
    occurred_at: datetime


async def lock_alerts(
    connection: Connection, keys: Iterable[AlertKey]
) -> dict[AlertKey, StoredAlert]:
    """Keep other workers off `keys` until the transaction ends; return those that exist.

    The locks are on the names, so they cover alerts that do not exist yet, and all are taken at
    once, in one order: workers whose batches share alerts wait for each other, never in a circle.
    """
    ordered = sorted(keys)
    await connection.execute(_LOCK_NAMES, sorted(_lock_number(key) for key in ordered))
    rows = await connection.fetch(
        _LOCK, [key.integration_id for key in ordered], [key.external_id for key in ordered]
    )
    return {
        AlertKey(row["integration_id"], row["external_id"]): StoredAlert(
            id=row["id"],
            status=AlertStatus(row["status"]),
            state=from_json(row["fold"]),
        )
        for row in rows
    }


async def lock_snoozes(connection: Connection, alert_id: UUID) -> None:
    """Let those who snooze an alert do so one after another, until the transaction ends.

    Else one of them could hold the page that another, who holds the alert, looks for anew.
    """
    await connection.execute(_LOCK_SNOOZES, f"snooze {alert_id}")


def _lock_number(key: AlertKey) -> int:
    digest = hashlib.sha256(key.integration_id.bytes + key.external_id.encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


async def insert_alerts(
    connection: Connection, states: Mapping[AlertKey, AlertState], url_templates: Mapping[UUID, str]
) -> dict[AlertKey, UUID]:
    """Insert new alerts, whose names are locked; return their ids.

    An alert that was made here before any account was connected is of none, and has no link.
    """
    if not states:
        return {}
    keys = list(states)
    numbers = await connection.fetch(_NUMBERS, len(keys))
    rows = await connection.fetch(
        _INSERT,
        *_columns(keys, states),
        [new_id() for _ in keys],
        [short_id(row["number"]) for row in numbers],
        [external_url(url_templates.get(key.integration_id, ""), key.external_id) for key in keys],
    )
    return {AlertKey(row["integration_id"], row["external_id"]): row["id"] for row in rows}


async def update_alerts(connection: Connection, states: Mapping[AlertKey, AlertState]) -> None:
    """Write new states of alerts that this transaction has locked."""
    if states:
        await connection.execute(_UPDATE, *_columns(list(states), states))


async def lock_names(
    connection: Connection, keys: Iterable[AlertKey], alert_ids: Iterable[UUID]
) -> None:
    """Lock `keys`, and the names of alerts that are about to get one of them, before any row.

    Whoever waits for a row by its old name would otherwise be left with the row locked, and
    without its new name's lock: a deadlock with whoever has that.
    """
    rows = await connection.fetch(_NAMES, list(alert_ids))
    names = {*keys, *(AlertKey(row["integration_id"], row["external_id"]) for row in rows)}
    await connection.execute(_LOCK_NAMES, sorted(_lock_number(key) for key in names))


async def adopt_alerts(
    connection: Connection,
    homes: Mapping[AlertKey, UUID],
    url_templates: Mapping[UUID, str],
) -> None:
    """Give alerts that were made here the names that PagerTree has for them.

    An alert that has such a name already keeps it. So does one whose name is taken: PagerTree's
    events were not recognised in time, and stand as an alert of their own.
    """
    keys = list(homes)
    await connection.execute(
        _ADOPT,
        list(homes.values()),
        [key.integration_id for key in keys],
        [key.external_id for key in keys],
        [external_url(url_templates[key.integration_id], key.external_id) for key in keys],
    )


async def link_pages(connection: Connection, alerts: Mapping[UUID, UUID]) -> None:
    """Note which alert a page has become, by the page's id."""
    await connection.execute(_LINK_PAGES, list(alerts), list(alerts.values()))


async def insert_events(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Add events to the alerts' histories; one that stands there already is left alone."""
    await connection.execute(
        _INSERT_EVENTS,
        [new_id() for _ in events],
        [event.key.integration_id for event in events],
        [event.alert_id for event in events],
        [event.delivery_id for event in events],
        [event.content_sha256 for event in events],
        [event.kind for event in events],
        [event.action for event in events],
        [event.event_type for event in events],
        [event.details for event in events],
        [event.occurred_at for event in events],
    )


async def load_attached(
    connection: Connection, alert_ids: Sequence[UUID]
) -> Sequence[asyncpg.Record]:
    """Return the `incident_id`, `alert_id` and `short_id` of those that incidents have."""
    return await connection.fetch(_ATTACHED, alert_ids)


def external_url(template: str, external_id: str) -> str:
    """Return the link to the alert in PagerTree: `{id}` in the template becomes its id.

    An alert that is not there has none.
    """
    if external_id.startswith(LOCAL_PREFIX):
        return ""
    return template.replace("{id}", quote(external_id, safe=""))


def _columns(
    keys: Sequence[AlertKey], states: Mapping[AlertKey, AlertState]
) -> tuple[list[object], ...]:
    """Return the parameters $1 to $12 of `_INSERT` and `_UPDATE`, one list a column."""
    views: list[AlertView] = [view(states[key], external_id=key.external_id) for key in keys]
    return (
        [key.integration_id for key in keys],
        [key.external_id for key in keys],
        [alert.status.value for alert in views],
        [alert.summary for alert in views],
        [alert.description for alert in views],
        [json.dumps(alert.labels) for alert in views],
        [alert.data for alert in views],
        [alert.thirdparty_id for alert in views],
        [alert.started_at for alert in views],
        [alert.acknowledged_at for alert in views],
        [alert.ended_at for alert in views],
        [json.dumps(to_json(states[key])) for key in keys],
    )


_LOCK_SNOOZES = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

_LOCK_NAMES = "SELECT pg_advisory_xact_lock(n) FROM unnest($1::bigint[]) AS k (n)"

_LOCK = """
SELECT a.integration_id, a.external_id, a.id, a.status, a.fold
FROM alerts a
JOIN unnest($1::uuid[], $2::text[]) AS k (integration_id, external_id)
  USING (integration_id, external_id)
FOR NO KEY UPDATE OF a
"""

_NAMES = "SELECT integration_id, external_id FROM alerts WHERE id = ANY ($1::uuid[])"

_NUMBERS = "SELECT nextval('alert_numbers') AS number FROM generate_series(1, $1)"

_FOLDED = """
unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
       $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[]{more})
    AS n (integration_id, external_id, status, summary, description, labels, data, thirdparty_id,
          started_at, acknowledged_at, ended_at, fold{names})
"""

_INSERT = f"""
INSERT INTO alerts (integration_id, external_id, status, summary, description, labels, data,
    thirdparty_id, started_at, acknowledged_at, ended_at, fold, id, short_id, external_url)
SELECT n.integration_id, n.external_id, n.status, n.summary, n.description, n.labels::jsonb,
    coalesce(n.data::jsonb, '{{}}'), n.thirdparty_id, coalesce(n.started_at, now()),
    n.acknowledged_at, n.ended_at, n.fold::jsonb, n.id, n.short_id, n.external_url
FROM {
    _FOLDED.format(
        more=", $13::uuid[], $14::text[], $15::text[]", names=", id, short_id, external_url"
    )
}
RETURNING integration_id, external_id, id
"""  # noqa: S608 - built from constants of this module

_UPDATE = f"""
UPDATE alerts a
SET status = n.status, summary = n.summary, description = n.description,
    labels = n.labels::jsonb, data = coalesce(n.data::jsonb, a.data),
    thirdparty_id = n.thirdparty_id,
    started_at = coalesce(n.started_at, a.created_at), acknowledged_at = n.acknowledged_at,
    ended_at = n.ended_at, fold = n.fold::jsonb, updated_at = now()
FROM {_FOLDED.format(more="", names="")}
WHERE a.integration_id = n.integration_id AND a.external_id = n.external_id
"""  # noqa: S608 - built from constants of this module

_ADOPT = """
UPDATE alerts a SET external_id = k.external_id, external_url = k.external_url, updated_at = now()
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
    AS k (id, integration_id, external_id, external_url)
WHERE a.id = k.id AND a.integration_id = k.integration_id
  AND a.external_id LIKE 'local:%'
  AND NOT EXISTS (SELECT FROM alerts b WHERE b.integration_id = k.integration_id
                  AND b.external_id = k.external_id)
"""

_LINK_PAGES = """
UPDATE pages p SET alert_id = k.alert_id
FROM unnest($1::uuid[], $2::uuid[]) AS k (id, alert_id)
WHERE p.id = k.id AND p.alert_id IS NULL
"""

_INSERT_EVENTS = """
INSERT INTO alert_events (id, integration_id, alert_id, delivery_id, content_sha256, kind, action,
    event_type, details, occurred_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bytea[], $6::text[],
    $7::text[], $8::text[], $9::text[], $10::timestamptz[])
ON CONFLICT (integration_id, alert_id, content_sha256) DO NOTHING
"""

_ATTACHED = """
SELECT l.incident_id, l.alert_id, a.short_id
FROM incident_alerts l JOIN alerts a ON a.id = l.alert_id AND a.integration_id = l.integration_id
WHERE l.alert_id = ANY ($1::uuid[])
"""
