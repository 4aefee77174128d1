"""Workflows, their tasks, and every run of them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text, Uuid

from pagersync.database.base import Base, CreatedAt, UpdatedAt, new_id
from pagersync.database.lanes import lane_sql
from pagersync.database.queue import QueueColumns, queue_indexes
from pagersync.database.requester import Requested
from pagersync.secrets.models import UNSEALED_CALL


class RunStatus(StrEnum):
    """Rootly's states of a workflow run."""

    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELED = "canceled"


class TaskRunStatus(StrEnum):
    """States of one task of a run; `skipped` was not tried, because an earlier one failed."""

    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


RUN_STATUS: Final = """
CASE
    WHEN state = ANY (ARRAY['queued'::text, 'running'::text]) THEN
        CASE WHEN started_at IS NULL THEN 'queued'::text ELSE 'started'::text END
    WHEN state = 'done'::text THEN 'completed'::text
    WHEN state = 'dead'::text THEN 'failed'::text
    ELSE state
END
"""
"""A run's status is its queue's state in Rootly's words: the two cannot disagree."""


class Workflow(UpdatedAt, Base):
    """A rule: when one of its triggers happens and its conditions hold, its tasks are executed.

    Attributes:
        integration_id: the account whose alerts and pages it is for, and that its tasks page
            through; null for any, and for the default account.
        off_reason: why it was made switched off, or was switched off by pagersync itself.
        off_by: what made pagersync switch it off, and lets pagersync switch it on again; null where
            a person decided.
        off_at: when it was last switched off; a trigger in the database sets it.
        lost_paging_at: when it last lost a task that pages or leads to a page, in the same way.
        trigger_params: triggers and conditions by Rootly's names.
        triggers: the triggers once more, so that publishing can ask who listens.
        wait, repeat_every_duration, repeat_condition_duration_since_first_run: durations in words,
            as `durations.py` reads them.
        default_key: which of the workflows it is that come with an integration.
        version: counts changes; an `If-Match` names it.
    """

    __tablename__ = "workflows"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID | None] = mapped_column(ForeignKey("integrations.id"))
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    off_reason: Mapped[str | None]
    off_by: Mapped[str | None]
    off_at: Mapped[datetime | None]
    lost_paging_at: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(server_default="0")
    trigger_params: Mapped[dict[str, Any]]
    triggers: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    wait: Mapped[str | None]
    repeat_every_duration: Mapped[str | None]
    repeat_condition_duration_since_first_run: Mapped[str | None]
    repeat_condition_number_of_repeats: Mapped[int | None]
    continuously_repeat: Mapped[bool] = mapped_column(server_default=text("false"))
    runs_per_minute_max: Mapped[int] = mapped_column(server_default="60")
    default_key: Mapped[str | None]
    created_by: Mapped[str]
    version: Mapped[int] = mapped_column(server_default="1")
    removed_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "workflows_slug_key", "slug", unique=True, postgresql_where=text("removed_at IS NULL")
        ),
        Index(
            "workflows_default_key",
            "default_key",
            unique=True,
            postgresql_where=text("default_key IS NOT NULL"),
        ),
    )


class WorkflowTask(UpdatedAt, Base):
    """One task of a workflow; `task_params` holds its `task_type` and parameters by Rootly's names.

    Tasks are executed in the order of their positions.

    Attributes:
        is_sealed: whether masks stand for the secrets in a call; an older version has none.
    """

    __tablename__ = "workflow_tasks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    workflow_id: Mapped[UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    position: Mapped[int]
    name: Mapped[str]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    skip_on_failure: Mapped[bool] = mapped_column(server_default=text("false"))
    task_params: Mapped[dict[str, Any]]
    is_sealed: Mapped[bool] = mapped_column(server_default=text("false"), default=True)

    __table_args__ = (
        UniqueConstraint("workflow_id", "position", deferrable=True, initially="DEFERRED"),
        Index("workflow_tasks_unsealed_idx", "id", postgresql_where=text(UNSEALED_CALL)),
    )


IS_NEEDED: Final = "pages"
"""SQL: which runs come before others."""


class WorkflowRun(Requested, QueueColumns, CreatedAt, Base):
    """One execution of one workflow, for one event or by hand.

    Attributes:
        integration_id: of the event; zero where no account is concerned.
        domain_event_id: what triggered it; null for one that was started by hand.
        incident_id, alert_id, page_id: what it is about, at most one of them.
        depth: how many runs lie between it and what a person or PagerTree did, itself included.
        repeat_number: 0 for the first run, then 1, 2 and so on.
        checks_conditions: whether the conditions are looked at when it begins.
        context: what was given along when it was started by hand.
        is_over_limit: it was beyond its workflow's runs a minute: it begins later, or goes ahead
            with a page that names those that wait.
        pages: whether its workflow paged people, or led to that, when it was triggered: such runs
            come before others.
    """

    __tablename__ = "workflow_runs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    workflow_id: Mapped[UUID] = mapped_column(ForeignKey("workflows.id"))
    domain_event_id: Mapped[UUID | None]
    incident_id: Mapped[UUID | None]
    alert_id: Mapped[UUID | None]
    page_id: Mapped[UUID | None]
    triggered_by: Mapped[str]
    requested_by: Mapped[str]
    depth: Mapped[int] = mapped_column(server_default="1")
    repeat_number: Mapped[int] = mapped_column(server_default="0")
    first_run_at: Mapped[datetime | None]
    checks_conditions: Mapped[bool] = mapped_column(server_default=text("true"))
    context: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    is_over_limit: Mapped[bool] = mapped_column(server_default=text("false"))
    pages: Mapped[bool] = mapped_column(server_default=text("true"))
    status_message: Mapped[str | None]
    started_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(Text, Computed(RUN_STATUS, persisted=True))

    __table_args__ = (
        UniqueConstraint(
            "integration_id",
            "workflow_id",
            "domain_event_id",
            "repeat_number",
            name="workflow_runs_once_key",
        ),
        Index("workflow_runs_workflow_idx", "workflow_id", "id"),
        Index(
            "workflow_runs_lanes_idx",
            text(lane_sql(IS_NEEDED)),
            "run_at",
            "id",
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "workflow_runs_event_idx",
            "domain_event_id",
            postgresql_where=text("domain_event_id IS NOT NULL"),
        ),
        Index(
            "workflow_runs_incident_idx",
            "incident_id",
            postgresql_where=text("incident_id IS NOT NULL"),
        ),
        Index("workflow_runs_alert_idx", "alert_id", postgresql_where=text("alert_id IS NOT NULL")),
        Index("workflow_runs_page_idx", "page_id", postgresql_where=text("page_id IS NOT NULL")),
        Index("workflow_runs_status_idx", "status", "id"),
        Index(
            "workflow_runs_over_limit_idx",
            "workflow_id",
            "id",
            postgresql_where=text("is_over_limit AND state = 'queued'"),
        ),
        Index(
            "workflow_runs_attention_idx",
            "state",
            "id",
            postgresql_where=text("state IN ('failed', 'dead')"),
        ),
        CheckConstraint("triggered_by IN ('system', 'user', 'workflow')", name="triggered_by"),
        *queue_indexes("workflow_runs"),
    )


class WorkflowTaskRun(Base):
    """One task of one run, as the workflow had it when the run began.

    Attributes:
        task_params: before rendering.
        rendered_params: after rendering, as it was executed.
        result: what came of it, for people and for the trace.
        notes: what was cut, dropped, replaced or empty while it was executed, a sentence each.
        page_id, incident_id: what it made.
        operation_ids: calls to PagerTree that it asked for.
    """

    __tablename__ = "workflow_task_runs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID]
    task_id: Mapped[UUID]
    position: Mapped[int]
    name: Mapped[str]
    skip_on_failure: Mapped[bool]
    task_params: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default="queued")
    rendered_params: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    notes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    page_id: Mapped[UUID | None]
    incident_id: Mapped[UUID | None]
    operation_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    is_sealed: Mapped[bool] = mapped_column(server_default=text("false"), default=True)

    __table_args__ = (
        UniqueConstraint("integration_id", "run_id", "position"),
        Index("workflow_task_runs_unsealed_idx", "id", postgresql_where=text(UNSEALED_CALL)),
        Index("workflow_task_runs_run_idx", "run_id", "position"),
        Index(
            "workflow_task_runs_page_idx", "page_id", postgresql_where=text("page_id IS NOT NULL")
        ),
        CheckConstraint(
            "status IN ('queued', 'started', 'completed', 'failed', 'skipped')", name="status"
        ),
    )


class WorkflowMinute(Base):
    """Earlier versions count here; they may run beside this one during an upgrade."""

    __tablename__ = "workflow_minutes"

    workflow_id: Mapped[UUID] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    runs: Mapped[int]
    over_limit: Mapped[int] = mapped_column(server_default="0")


class RequesterMinute(Base):
    """Runs of one workflow that one requester caused in one minute, or that were put into it.

    Attributes:
        over_limit: how many of those that events started were too many.
    """

    __tablename__ = "requester_minutes"

    workflow_id: Mapped[UUID] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    requester: Mapped[str] = mapped_column(primary_key=True)
    runs: Mapped[int]
    over_limit: Mapped[int] = mapped_column(server_default="0")
