"""What is removed when: one table of all kinds of rows. Pure.

A row goes when it is done with, is older than its setting says, and no floor holds it.
In the SQL, `t` is the row and `$cutoff` the moment before which it must have been done with.
"""

from dataclasses import dataclass
from typing import Final

OVER: Final = "('resolved', 'closed', 'cancelled')"
"""The statuses of incidents that need nobody any more; a test compares them with `lifecycle`."""

PAGE_ENDED: Final = "('resolved', 'dropped', 'failed', 'canceled', 'expired')"
OPERATION_OPEN: Final = "('queued', 'running')"


@dataclass(frozen=True, slots=True)
class Floor:
    """What keeps a row however old it is.

    Attributes:
        words: for people: "an open incident".
        holds: SQL about `t`.
    """

    words: str
    holds: str


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of another table that go along with the row they belong to.

    Attributes:
        belongs: SQL about `c`; `{ids}` stands for the ids of the rows that go.
    """

    table: str
    belongs: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows that are removed by one setting.

    Attributes:
        name: for people.
        setting: how many days they are kept.
        since: SQL: the moment from which the days are counted.
        counted: the same in words.
        done: SQL: whether the row is done with.
        floors: what keeps it all the same.
        parts: what goes along with it, in this order, before it.
        rows_max: rows of one batch.
    """

    name: str
    table: str
    setting: str
    since: str
    counted: str
    done: str
    floors: tuple[Floor, ...] = ()
    parts: tuple[Part, ...] = ()
    rows_max: int = 1000

    @property
    def held(self) -> str:
        """SQL: whether a floor holds the row."""
        return " OR ".join(f"({floor.holds})" for floor in self.floors) or "false"


def _connected(row: str) -> str:
    """SQL: the account is not removed. Nothing of a removed one can end, so nothing is open."""
    return (
        "NOT EXISTS (SELECT FROM integrations g "
        f"WHERE g.id = {row}.integration_id AND g.removed_at IS NOT NULL)"
    )


def _incident_open(row: str) -> str:
    return f"({row}.removed_at IS NULL AND {row}.status NOT IN {OVER})"


def _alert_open(row: str) -> str:
    return f"({row}.status <> 'resolved' AND {_connected(row)})"


def _page_open(row: str) -> str:
    return f"({row}.status NOT IN {PAGE_ENDED} AND {_connected(row)})"


def _operation_waits(row: str) -> str:
    waits = f"({row}.state IN {OPERATION_OPEN} OR {row}.retry_at IS NOT NULL)"
    return f"({waits} AND {_connected(row)})"


def _of_open_incident(incident: str) -> Floor:
    holds = f"EXISTS (SELECT FROM incidents i WHERE i.id = {incident} AND {_incident_open('i')})"
    return Floor("an incident that is open", holds)


def _of_open_alert(alert: str) -> Floor:
    holds = f"EXISTS (SELECT FROM alerts a WHERE a.id = {alert} AND {_alert_open('a')})"
    return Floor("an alert that is open", holds)


def _of_attached_alert(alert: str) -> Floor:
    holds = (
        "EXISTS (SELECT FROM incident_alerts ia JOIN incidents i ON i.id = ia.incident_id "
        f"WHERE ia.alert_id = {alert} AND {_incident_open('i')})"
    )
    return Floor("an alert that is attached to an open incident", holds)


def _page_needed(row: str) -> str:
    return f"({_page_open(row)} OR {_of_open_incident(f'{row}.incident_id').holds})"


def _of_needed_page(page: str) -> Floor:
    holds = f"EXISTS (SELECT FROM pages p WHERE p.id = {page} AND {_page_needed('p')})"
    return Floor("a page that has not ended, or whose incident is open", holds)


def _of_waiting_operation(which: str) -> Floor:
    """Return the floor of an operation `o` that is not done."""
    holds = f"EXISTS (SELECT FROM operations o WHERE {which} AND {_operation_waits('o')})"
    return Floor("an operation that is not done", holds)


def _webhook_deliveries(name: str, setting: str, states: str) -> Kind:
    return Kind(
        name,
        "webhook_deliveries",
        setting,
        "t.updated_at",
        "last change",
        f"t.state IN {states}",
        parts=(Part("webhook_attempts", "c.delivery_id IN ({ids})"),),
        rows_max=500,
    )


_ALERT_OF_DELIVERY: Final = (
    "(SELECT a.id FROM alerts a WHERE a.integration_id = t.integration_id "
    "AND a.external_id = t.pagertree_alert_id)"
)

_SUBJECT: Final = (
    _of_open_incident("t.subject_id"),
    _of_open_alert("t.subject_id"),
    _of_attached_alert("t.subject_id"),
    _of_needed_page("t.subject_id"),
)

_OF_UNSENT_WEBHOOK: Final = Floor(
    "a webhook delivery that is held or dead, and has no body yet",
    "t.id IN (SELECT d.domain_event_id FROM webhook_deliveries d "
    "WHERE d.state IN ('held', 'dead') AND d.payload IS NULL)",
)
"""Its body is made of the event when it is sent. They are few, and looked up once a batch."""

_UNPAGED: Final = Part("unpaged", "c.subject_id IN ({ids})")

_DELIVERY_FLOORS: Final = (
    _of_open_alert(_ALERT_OF_DELIVERY),
    _of_attached_alert(_ALERT_OF_DELIVERY),
)
_RUN_FLOORS: Final = (
    _of_open_incident("t.incident_id"),
    _of_open_alert("t.alert_id"),
    _of_attached_alert("t.alert_id"),
    _of_needed_page("t.page_id"),
)

KINDS: Final = (
    Kind(
        "incidents, with timelines and attachments",
        "incidents",
        "incidents_days",
        "t.updated_at",
        "last change",
        f"NOT {_incident_open('t')} AND NOT EXISTS (SELECT FROM incident_events e "
        "WHERE e.incident_id = t.id AND e.updated_at >= $cutoff)",
        (
            Floor(
                "a page of it that has not ended",
                f"EXISTS (SELECT FROM pages p WHERE p.incident_id = t.id AND {_page_open('p')})",
            ),
            Floor(
                "a duplicate of it that is kept",
                "EXISTS (SELECT FROM incidents d WHERE d.duplicate_incident_id = t.id)",
            ),
        ),
        (
            Part("incident_events", "c.incident_id IN ({ids})"),
            Part("incident_alerts", "c.incident_id IN ({ids})"),
            _UNPAGED,
        ),
        rows_max=100,
    ),
    Kind(
        "pages, with their operations and attempts",
        "pages",
        "pages_days",
        "t.updated_at",
        "last change",
        f"NOT {_page_open('t')}",
        (
            Floor(
                "an incident that is kept",
                "EXISTS (SELECT FROM incidents i WHERE i.id = t.incident_id)",
            ),
            _of_waiting_operation("o.page_id = t.id"),
            Floor(
                "a page that is kept and follows it",
                "EXISTS (SELECT FROM pages n WHERE n.fallback_of = t.id OR n.repeat_of = t.id)",
            ),
        ),
        (
            Part(
                "attempts",
                "c.operation_id IN (SELECT o.id FROM operations o WHERE o.page_id IN ({ids}))",
            ),
            Part("operations", "c.page_id IN ({ids})"),
        ),
        rows_max=200,
    ),
    Kind(
        "operations on PagerTree's own alerts, with their attempts",
        "operations",
        "pages_days",
        "coalesce(t.finished_at, t.created_at)",
        "end",
        f"t.page_id IS NULL AND NOT {_operation_waits('t')}",
        (_of_open_alert("t.alert_id"), _of_attached_alert("t.alert_id")),
        (Part("attempts", "c.operation_id IN ({ids})"),),
        rows_max=500,
    ),
    Kind(
        "alerts, with what happened to them",
        "alerts",
        "alerts_days",
        "t.updated_at",
        "last change",
        f"NOT {_alert_open('t')}",
        (
            Floor(
                "an incident that is kept",
                "EXISTS (SELECT FROM incident_alerts ia WHERE ia.alert_id = t.id) "
                "OR EXISTS (SELECT FROM incidents i "
                "WHERE i.source_alert_id = t.id AND i.removed_at IS NULL)",
            ),
            Floor(
                "a page that is kept",
                "EXISTS (SELECT FROM pages p WHERE p.alert_id = t.id OR p.standby_for = t.id)",
            ),
            Floor(
                "an operation that is kept",
                "EXISTS (SELECT FROM operations o WHERE o.alert_id = t.id)",
            ),
        ),
        (
            Part(
                "alert_events",
                "(c.integration_id, c.alert_id) IN "
                "(SELECT a.integration_id, a.id FROM alerts a WHERE a.id IN ({ids}))",
            ),
            _UNPAGED,
        ),
        rows_max=200,
    ),
    Kind(
        "deliveries that were applied or ignored",
        "deliveries",
        "deliveries_days",
        "t.last_received_at",
        "last arrival",
        "t.state IN ('done', 'ignored')",
        _DELIVERY_FLOORS,
    ),
    Kind(
        "deliveries that are invalid, limited or dead",
        "deliveries",
        "attention_days",
        "t.last_received_at",
        "last arrival",
        "t.state IN ('invalid', 'limited', 'dead')",
        _DELIVERY_FLOORS,
    ),
    Kind(
        "domain events",
        "domain_events",
        "retention_days",
        "t.created_at",
        "creation",
        "t.state = 'done'",
        (*_SUBJECT, _OF_UNSENT_WEBHOOK),
    ),
    Kind(
        "domain events that are dead",
        "domain_events",
        "attention_days",
        "t.created_at",
        "creation",
        "t.state = 'dead'",
        _SUBJECT,
    ),
    Kind(
        "workflow runs, with their tasks",
        "workflow_runs",
        "retention_days",
        "coalesce(t.finished_at, t.created_at)",
        "end",
        "t.state NOT IN ('queued', 'running')",
        _RUN_FLOORS,
        (Part("workflow_task_runs", "c.run_id IN ({ids})"),),
        rows_max=500,
    ),
    _webhook_deliveries(
        "webhook deliveries, with their attempts", "retention_days", "('done', 'canceled')"
    ),
    _webhook_deliveries(
        "webhook deliveries that are held or dead", "attention_days", "('held', 'dead')"
    ),
    Kind(
        "attempts of operations",
        "attempts",
        "retention_days",
        "t.started_at",
        "start",
        "true",
        (
            _of_waiting_operation("o.id = t.operation_id"),
            _of_needed_page("(SELECT o.page_id FROM operations o WHERE o.id = t.operation_id)"),
        ),
    ),
)
"""In this order: what holds others back goes before them."""

OTHERS: Final = (
    ("audit log", "audit_log", "audit_days", "creation"),
    ("answers to `Idempotency-Key`s", "idempotency_keys", "idempotency_days", "creation"),
)
"""Kinds without floors: name, table, setting, from when the days are counted."""
