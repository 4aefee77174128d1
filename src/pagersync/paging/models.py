"""Pages, the operations that carry them out, and every HTTP exchange of those."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from pagersync.database.base import Base, CreatedAt, UpdatedAt, new_id
from pagersync.database.lanes import lane_sql
from pagersync.database.queue import QueueColumns, queue_indexes
from pagersync.database.requester import Requested

MARKER_PREFIX: Final = "pagersync:"


class PageStatus(StrEnum):
    """Where a page stands; docs/paging.md draws which may follow which.

    `sent` means that PagerTree has it, `confirmed` that PagerTree is paging people. `unknown`
    means that nobody can tell yet whether PagerTree has it.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    CONFIRMED = "confirmed"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    DROPPED = "dropped"
    STUCK = "stuck"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELED = "canceled"
    EXPIRED = "expired"


class OperationKind(StrEnum):
    """What PagerTree is to do."""

    CREATE_ALERT = "create_alert"
    UPDATE_ALERT = "update_alert"
    ACKNOWLEDGE_ALERT = "acknowledge_alert"
    RESOLVE_ALERT = "resolve_alert"
    ADD_COMMENT = "add_comment"


class OperationState(StrEnum):
    """Where an operation stands.

    `queued` and `running` are on their way to `done`. The others can be redriven: `failed`
    (PagerTree refused), `dead` (every attempt failed, and none of them acted), `unknown` (every
    attempt ended without knowing whether one acted), `canceled`, `expired` (too old to be sent).
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DEAD = "dead"
    UNKNOWN = "unknown"
    CANCELED = "canceled"
    EXPIRED = "expired"


def _is_one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(
        f"{column} IN ({', '.join(repr(value.value) for value in values)})", name=column
    )


ENDED: Final = (
    OperationState.FAILED,
    OperationState.DEAD,
    OperationState.UNKNOWN,
    OperationState.CANCELED,
    OperationState.EXPIRED,
)
"""States of operations that nobody works any more, and that did not do what was asked."""


class Page(Requested, UpdatedAt, Base):
    """What somebody asked for: these targets are to be paged, with this text.

    Attributes:
        alert_id: the alert here that it became, or that it is about.
        is_incident: whether it is an incident in PagerTree although it has no severity.
        fallback_targets: whom to page when this page is dropped, once.
        standby_for: the alert that pages the same people already: it is sent only if nobody
            acknowledges that.
        fallback_of: the dropped page that this one is for.
        repeat_of: the page that reached nobody, as far as anybody knows, and for which this one is.
        is_elsewhere: whether that page is one of another account.
        notes: what was cut, dropped or replaced so that the page could go out, one sentence each.
        resolve_wanted_by: who wants its alert resolved, should PagerTree turn out to have it.
        workflow_run_id: the run that asked for it, if one did.
        depth: how many runs lie between it and what a person or PagerTree did.
        send_at: not before then, and only if its alert is not resolved by then; null: at once.
        targets: as `page_targets.py` has them: those that were skipped stand there with the reason.
        urgency: one of PagerTree's, or `auto`.
        pagertree_alert_id: PagerTree's id of the alert as its webhooks name it.
        pagertree_id: the id of the same alert in PagerTree's API.
        remote_status: PagerTree's newest known status of it, as of `remote_updated_ms`.
        check_at: when PagerTree is asked next how it stands; null when it no longer is.
        wait_told_at: when the incident's timeline was told that the page waits, and why.
    """

    __tablename__ = "pages"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    alert_id: Mapped[UUID | None]
    incident_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(server_default="queued")
    title: Mapped[str]
    description: Mapped[str | None]
    urgency: Mapped[str]
    severity: Mapped[str | None]
    is_incident: Mapped[bool] = mapped_column(server_default=text("false"))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    targets: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    fallback_targets: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    fallback_of: Mapped[UUID | None]
    standby_for: Mapped[UUID | None]
    repeat_of: Mapped[UUID | None]
    is_elsewhere: Mapped[bool] = mapped_column(server_default=text("false"))
    notes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    resolve_wanted_by: Mapped[str | None]
    requested_by: Mapped[str]
    workflow_run_id: Mapped[UUID | None]
    depth: Mapped[int] = mapped_column(server_default="0")
    send_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    pagertree_alert_id: Mapped[str | None]
    pagertree_id: Mapped[str | None]
    remote_status: Mapped[str | None]
    remote_updated_ms: Mapped[int | None]
    sent_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    dropped_at: Mapped[datetime | None]
    stuck_at: Mapped[datetime | None]
    unknown_at: Mapped[datetime | None]
    check_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(server_default="0")
    wait_told_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "pages_pagertree_alert_idx",
            "integration_id",
            "pagertree_alert_id",
            unique=True,
            postgresql_where=text("pagertree_alert_id IS NOT NULL"),
        ),
        Index(
            "pages_pagertree_id_idx",
            "integration_id",
            "pagertree_id",
            unique=True,
            postgresql_where=text("pagertree_id IS NOT NULL"),
        ),
        Index("pages_alert_idx", "alert_id", postgresql_where=text("alert_id IS NOT NULL")),
        Index(
            "pages_incident_idx", "incident_id", postgresql_where=text("incident_id IS NOT NULL")
        ),
        Index(
            "pages_fallback_key",
            "fallback_of",
            unique=True,
            postgresql_where=text("fallback_of IS NOT NULL"),
        ),
        Index(
            "pages_repeat_key",
            "repeat_of",
            "is_elsewhere",
            unique=True,
            postgresql_where=text("repeat_of IS NOT NULL"),
        ),
        Index(
            "pages_workflow_run_idx",
            "workflow_run_id",
            postgresql_where=text("workflow_run_id IS NOT NULL"),
        ),
        Index("pages_standby_idx", "standby_for", postgresql_where=text("standby_for IS NOT NULL")),
        Index("pages_status_idx", "status", "id"),
        Index(
            "pages_untold_idx",
            "integration_id",
            "created_at",
            postgresql_where=text(
                "status = 'queued' AND incident_id IS NOT NULL AND wait_told_at IS NULL"
            ),
        ),
        Index(
            "pages_expires_idx",
            "expires_at",
            postgresql_where=text("status = 'queued' AND expires_at IS NOT NULL"),
        ),
        Index("pages_check_idx", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        _is_one_of("status", PageStatus),
    )


IS_PAGE: Final = "kind = 'create_alert'"
"""SQL: which operations come before others."""


class Operation(Requested, QueueColumns, CreatedAt, Base):
    """One call that PagerTree must see: exactly once if it creates, at least once otherwise.

    Attributes:
        page_id: the page it belongs to; null for an alert that PagerTree made by itself.
        pagertree_alert_id: the alert that it is about, where there is no page.
        params: what is sent, as far as the page does not say it.
        may_have_been_sent: true from the moment before a creating call goes out until it is known
            what became of it. While it is true, nothing is sent before PagerTree was searched.
        lookups: searches that found nothing since the last creating call; of an acknowledge or a
            resolve, refusals in a row although the alert's status allows it.
        failures: how often it ended without having done what was asked.
        retry_at: when a failed call about an alert is made again; null for never.
    """

    __tablename__ = "operations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    page_id: Mapped[UUID | None]
    alert_id: Mapped[UUID | None]
    pagertree_alert_id: Mapped[str | None]
    kind: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    requested_by: Mapped[str]
    workflow_run_id: Mapped[UUID | None]
    may_have_been_sent: Mapped[bool] = mapped_column(server_default=text("false"))
    last_sent_at: Mapped[datetime | None]
    first_sent_at: Mapped[datetime | None]
    lookups: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    retry_at: Mapped[datetime | None]

    __table_args__ = (
        Index("operations_retry_idx", "retry_at", postgresql_where=text("retry_at IS NOT NULL")),
        Index("operations_page_idx", "page_id", "id", postgresql_where=text("page_id IS NOT NULL")),
        Index("operations_alert_idx", "alert_id", postgresql_where=text("alert_id IS NOT NULL")),
        Index(
            "operations_workflow_run_idx",
            "workflow_run_id",
            postgresql_where=text("workflow_run_id IS NOT NULL"),
        ),
        Index(
            "operations_one_create_idx",
            "page_id",
            unique=True,
            postgresql_where=text("kind = 'create_alert'"),
        ),
        Index(
            "operations_attention_idx",
            "state",
            "id",
            postgresql_where=text("state NOT IN ('queued', 'running', 'done')"),
        ),
        Index(
            "operations_done_create_idx",
            "integration_id",
            "id",
            postgresql_where=text("kind = 'create_alert' AND state = 'done'"),
        ),
        Index(
            "operations_ended_create_idx",
            "finished_at",
            postgresql_where=text(
                "kind = 'create_alert' AND state IN ('failed', 'dead', 'canceled')"
            ),
        ),
        Index(
            "operations_lanes_idx",
            "integration_id",
            text(lane_sql(IS_PAGE)),
            "id",
            postgresql_where=text("state = 'queued'"),
        ),
        _is_one_of("state", OperationState),
        _is_one_of("kind", OperationKind),
        *queue_indexes("operations"),
    )


class Attempt(Base):
    """One HTTP exchange with PagerTree, without secrets."""

    __tablename__ = "attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation_id: Mapped[UUID]
    number: Mapped[int]
    method: Mapped[str]
    path: Mapped[str]
    http_status: Mapped[int | None]
    error: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    duration_ms: Mapped[int]

    __table_args__ = (Index("attempts_operation_idx", "operation_id", "id"),)


def marker_of(operation_id: UUID) -> str:
    """Return the mark that a created alert carries, by which it can be found again."""
    return f"{MARKER_PREFIX}{operation_id}"


def operation_of(marker: str) -> UUID | None:
    """Return the operation that a mark names, or None when it is none of ours."""
    if not marker.startswith(MARKER_PREFIX):
        return None
    try:
        return UUID(marker.removeprefix(MARKER_PREFIX))
    except ValueError:
        return None


def marks_of(thirdparty_id: str | None, tags: Sequence[str]) -> list[str]:
    """Return the marks of ours that an alert carries.

    A mark that is its `thirdparty_id` was given when it was created, so it is the only one: tags
    can be copied from another alert.
    """
    if thirdparty_id is not None and operation_of(thirdparty_id):
        return [thirdparty_id]
    return [tag for tag in tags if operation_of(tag)]
