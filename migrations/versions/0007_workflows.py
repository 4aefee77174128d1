"""workflows and their runs; domain events become a queue, with those of before done."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

RUN_STATUS = """
CASE
    WHEN state = ANY (ARRAY['queued'::text, 'running'::text]) THEN
        CASE WHEN started_at IS NULL THEN 'queued'::text ELSE 'started'::text END
    WHEN state = 'done'::text THEN 'completed'::text
    WHEN state = 'dead'::text THEN 'failed'::text
    ELSE state
END
"""

ADDED = (
    *("triggers", "workflow_run_id", "requested_by", "depth", "evaluations", "refused_id"),
    *("state", "run_at", "attempt", "lock_key", "lease_token", "leased_until"),
    *("last_error", "finished_at"),
)


def upgrade() -> None:
    op.create_table(
        "workflow_minutes",
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "minute", name=op.f("workflow_minutes_pkey")),
    )
    op.create_table(
        "workflow_task_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("skip_on_failure", sa.Boolean(), nullable=False),
        sa.Column("task_params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("rendered_params", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("page_id", sa.Uuid(), nullable=True),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column(
            "operation_ids",
            postgresql.ARRAY(sa.Uuid()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'started', 'completed', 'failed', 'skipped')",
            name=op.f("workflow_task_runs_status_check"),
        ),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("workflow_task_runs_pkey")),
        sa.UniqueConstraint(
            "integration_id",
            "run_id",
            "position",
            name=op.f("workflow_task_runs_integration_id_run_id_position_key"),
        ),
    )
    op.create_index(
        "workflow_task_runs_page_idx",
        "workflow_task_runs",
        ["page_id"],
        postgresql_where=sa.text("page_id IS NOT NULL"),
    )
    op.create_index(
        "workflow_task_runs_run_idx", "workflow_task_runs", ["run_id", "position"], unique=False
    )
    op.create_table(
        "workflows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("off_reason", sa.Text(), nullable=True),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("trigger_params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "triggers", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("wait", sa.Text(), nullable=True),
        sa.Column("repeat_every_duration", sa.Text(), nullable=True),
        sa.Column("repeat_condition_duration_since_first_run", sa.Text(), nullable=True),
        sa.Column("repeat_condition_number_of_repeats", sa.BigInteger(), nullable=True),
        sa.Column(
            "continuously_repeat", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("runs_per_minute_max", sa.BigInteger(), server_default="60", nullable=False),
        sa.Column("default_key", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integrations.id"], name=op.f("workflows_integration_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("workflows_pkey")),
    )
    op.create_index(
        "workflows_default_key",
        "workflows",
        ["default_key"],
        unique=True,
        postgresql_where=sa.text("default_key IS NOT NULL"),
    )
    op.create_index(
        "workflows_slug_key",
        "workflows",
        ["slug"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "workflow_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("domain_event_id", sa.Uuid(), nullable=True),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("page_id", sa.Uuid(), nullable=True),
        sa.Column("triggered_by", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("depth", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("repeat_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("first_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "checks_conditions", sa.Boolean(), server_default=sa.text("true"), nullable=False
        ),
        sa.Column(
            "context",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("status_message", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "status",
            sa.Text(),
            sa.Computed(RUN_STATUS, persisted=True),
            nullable=False,
        ),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column(
            "run_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("attempt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lock_key", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "triggered_by IN ('system', 'user', 'workflow')",
            name=op.f("workflow_runs_triggered_by_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name=op.f("workflow_runs_workflow_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("workflow_runs_pkey")),
        sa.UniqueConstraint(
            "integration_id",
            "workflow_id",
            "domain_event_id",
            "repeat_number",
            name="workflow_runs_once_key",
        ),
    )
    for name, column in (
        ("alert", "alert_id"),
        ("event", "domain_event_id"),
        ("incident", "incident_id"),
        ("page", "page_id"),
    ):
        op.create_index(
            f"workflow_runs_{name}_idx",
            "workflow_runs",
            [column],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index(
        "workflow_runs_leased_idx",
        "workflow_runs",
        ["leased_until"],
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "workflow_runs_one_at_a_time_idx",
        "workflow_runs",
        ["lock_key"],
        unique=True,
        postgresql_where=sa.text("state = 'running' AND lock_key IS NOT NULL"),
    )
    op.create_index(
        "workflow_runs_queued_idx",
        "workflow_runs",
        ["run_at", "id"],
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "workflow_runs_attention_idx",
        "workflow_runs",
        ["state", "id"],
        postgresql_where=sa.text("state IN ('failed', 'dead')"),
    )
    op.create_index("workflow_runs_status_idx", "workflow_runs", ["status", "id"], unique=False)
    op.create_index(
        "workflow_runs_waiting_idx",
        "workflow_runs",
        ["lock_key", "id"],
        postgresql_where=sa.text("state = 'queued' AND lock_key IS NOT NULL"),
    )
    op.create_index(
        "workflow_runs_workflow_idx", "workflow_runs", ["workflow_id", "id"], unique=False
    )
    op.create_table(
        "workflow_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("skip_on_failure", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("task_params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name=op.f("workflow_tasks_workflow_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("workflow_tasks_pkey")),
        sa.UniqueConstraint(
            "workflow_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("workflow_tasks_workflow_id_position_key"),
        ),
    )
    op.add_column(
        "domain_events",
        sa.Column(
            "triggers", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column("domain_events", sa.Column("workflow_run_id", sa.Uuid(), nullable=True))
    op.add_column("domain_events", sa.Column("requested_by", sa.Text(), nullable=True))
    op.add_column(
        "domain_events", sa.Column("depth", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column(
        "domain_events",
        sa.Column("evaluations", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )
    op.add_column("domain_events", sa.Column("refused_id", sa.Uuid(), nullable=True))
    op.create_table(
        "verdict_sets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("verdicts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("used_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("verdict_sets_pkey")),
    )
    op.add_column(
        "domain_events", sa.Column("state", sa.Text(), server_default="done", nullable=False)
    )
    op.add_column(
        "domain_events",
        sa.Column(
            "run_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
    )
    op.add_column(
        "domain_events", sa.Column("attempt", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("domain_events", sa.Column("lock_key", sa.Text(), nullable=True))
    op.add_column("domain_events", sa.Column("lease_token", sa.Uuid(), nullable=True))
    op.add_column(
        "domain_events", sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("domain_events", sa.Column("last_error", sa.Text(), nullable=True))
    op.add_column(
        "domain_events", sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.alter_column("domain_events", "state", server_default="queued")
    op.create_index(
        "domain_events_leased_idx",
        "domain_events",
        ["leased_until"],
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "domain_events_one_at_a_time_idx",
        "domain_events",
        ["lock_key"],
        unique=True,
        postgresql_where=sa.text("state = 'running' AND lock_key IS NOT NULL"),
    )
    op.create_index(
        "domain_events_queued_idx",
        "domain_events",
        ["run_at", "id"],
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "domain_events_run_idx",
        "domain_events",
        ["workflow_run_id"],
        postgresql_where=sa.text("workflow_run_id IS NOT NULL"),
    )
    op.create_index(
        "domain_events_dead_idx",
        "domain_events",
        ["id"],
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index("domain_events_type_idx", "domain_events", ["type", "id"], unique=False)
    op.create_index(
        "domain_events_waiting_idx",
        "domain_events",
        ["lock_key", "id"],
        postgresql_where=sa.text("state = 'queued' AND lock_key IS NOT NULL"),
    )
    op.create_index(
        "domain_events_delivery_idx",
        "domain_events",
        ["delivery_id"],
        postgresql_where=sa.text("delivery_id IS NOT NULL"),
    )
    for table in ("domain_events", "workflow_runs"):
        op.execute(
            f"CREATE TRIGGER {table}_notify AFTER INSERT ON {table} "
            "REFERENCING NEW TABLE AS new_rows "
            "FOR EACH STATEMENT EXECUTE FUNCTION pagersync_notify()"
        )


def downgrade() -> None:
    op.execute("DROP TRIGGER domain_events_notify ON domain_events")
    for name in ("dead", "delivery", "leased", "one_at_a_time", "queued", "run", "type", "waiting"):
        op.drop_index(f"domain_events_{name}_idx", table_name="domain_events")
    for column in ADDED:
        op.drop_column("domain_events", column)
    for table in (
        "verdict_sets",
        "workflow_task_runs",
        "workflow_minutes",
        "workflow_runs",
        "workflow_tasks",
        "workflows",
    ):
        op.drop_table(table)
