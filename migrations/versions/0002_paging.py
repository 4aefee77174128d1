"""pages, operations, attempts and gates."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


CHECK_TRANSITION = """
CREATE FUNCTION pagersync_check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text := to_jsonb(OLD) ->> TG_ARGV[0];
    is_now text := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    IF was <> is_now AND NOT (TG_ARGV[1]::jsonb -> was) ? is_now THEN
        RAISE check_violation USING MESSAGE =
            format('%s cannot go from %s to %s', TG_TABLE_NAME, was, is_now);
    END IF;
    RETURN NEW;
END $$
"""
"""Refuses what the state machine in the trigger's second argument does not allow."""

_SHOWN = ["sent", "confirmed", "acknowledged", "dropped", "stuck", "resolved"]
_ENDED = ["failed", "dead", "unknown", "canceled", "expired"]

PAGE_TRANSITIONS = {
    "queued": [*_SHOWN, "sending", "unknown", "failed", "canceled", "expired"],
    "sending": [*_SHOWN, "queued", "unknown", "failed", "canceled"],
    "unknown": [*_SHOWN, "queued", "failed", "sending"],
    "failed": [*_SHOWN, "queued", "unknown"],
    "canceled": [*_SHOWN, "queued"],
    "expired": [*_SHOWN, "queued"],
    **dict.fromkeys(_SHOWN, _SHOWN),
    "resolved": [],
}
OPERATION_TRANSITIONS = {
    "queued": ["running", "canceled"],
    "running": [*_ENDED, "queued", "done"],
    **{state: ["queued", "done"] for state in _ENDED},
    "done": [],
}


def _check_transitions(table: str, column: str, transitions: dict[str, list[str]]) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_transitions BEFORE UPDATE OF {column} ON {table} "
        f"FOR EACH ROW WHEN (OLD.{column} <> NEW.{column}) "
        f"EXECUTE FUNCTION pagersync_check_transition('{column}', '{json.dumps(transitions)}')"
    )


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("http_status", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("attempts_pkey")),
    )
    op.create_index("attempts_operation_idx", "attempts", ["operation_id", "id"], unique=False)
    op.create_table(
        "integration_gates",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column(
            "refilled_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probing_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("names_urgency", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("integration_id", name=op.f("integration_gates_pkey")),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=True),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("pagertree_alert_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "params",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column(
            "may_have_been_sent", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lookups", sa.BigInteger(), server_default="0", nullable=False),
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
            "kind IN ('create_alert', 'update_alert', 'acknowledge_alert', 'resolve_alert', "
            "'add_comment')",
            name=op.f("operations_kind_check"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'dead', 'unknown', 'canceled', "
            "'expired')",
            name=op.f("operations_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("operations_pkey")),
    )
    op.create_index(
        "operations_alert_idx",
        "operations",
        ["alert_id"],
        unique=False,
        postgresql_where=sa.text("alert_id IS NOT NULL"),
    )
    op.create_index(
        "operations_attention_idx",
        "operations",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('queued', 'running', 'done')"),
    )
    op.create_index(
        "operations_leased_idx",
        "operations",
        ["leased_until"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "operations_oldest_idx",
        "operations",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "operations_one_at_a_time_idx",
        "operations",
        ["lock_key"],
        unique=True,
        postgresql_where=sa.text("state = 'running' AND lock_key IS NOT NULL"),
    )
    op.create_index(
        "operations_one_create_idx",
        "operations",
        ["page_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'create_alert'"),
    )
    op.create_index(
        "operations_page_idx",
        "operations",
        ["page_id", "id"],
        unique=False,
        postgresql_where=sa.text("page_id IS NOT NULL"),
    )
    op.create_index(
        "operations_queued_idx",
        "operations",
        ["run_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "operations_waiting_idx",
        "operations",
        ["lock_key", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued' AND lock_key IS NOT NULL"),
    )
    op.create_table(
        "pages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column(
            "tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("targets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pagertree_alert_id", sa.Text(), nullable=True),
        sa.Column("pagertree_id", sa.Text(), nullable=True),
        sa.Column("remote_status", sa.Text(), nullable=True),
        sa.Column("remote_updated_ms", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stuck_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unknown_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.BigInteger(), server_default="0", nullable=False),
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
        sa.CheckConstraint(
            "status IN ('queued', 'sending', 'sent', 'confirmed', 'acknowledged', 'resolved', "
            "'dropped', 'stuck', 'failed', 'unknown', 'canceled', 'expired')",
            name=op.f("pages_status_check"),
        ),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("pages_pkey")),
    )
    op.create_index(
        "pages_alert_idx",
        "pages",
        ["alert_id"],
        unique=False,
        postgresql_where=sa.text("alert_id IS NOT NULL"),
    )
    op.create_index(
        "pages_check_idx",
        "pages",
        ["check_at"],
        unique=False,
        postgresql_where=sa.text("check_at IS NOT NULL"),
    )
    op.create_index(
        "pages_incident_idx",
        "pages",
        ["incident_id"],
        unique=False,
        postgresql_where=sa.text("incident_id IS NOT NULL"),
    )
    op.create_index(
        "pages_pagertree_alert_idx",
        "pages",
        ["integration_id", "pagertree_alert_id"],
        unique=True,
        postgresql_where=sa.text("pagertree_alert_id IS NOT NULL"),
    )
    op.create_index(
        "pages_pagertree_id_idx",
        "pages",
        ["integration_id", "pagertree_id"],
        unique=True,
        postgresql_where=sa.text("pagertree_id IS NOT NULL"),
    )
    op.create_index("pages_status_idx", "pages", ["status", "id"], unique=False)
    op.execute(
        "CREATE TRIGGER operations_notify AFTER INSERT ON operations "
        "REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION pagersync_notify()"
    )
    op.execute(CHECK_TRANSITION)
    _check_transitions("pages", "status", PAGE_TRANSITIONS)
    _check_transitions("operations", "state", OPERATION_TRANSITIONS)


def downgrade() -> None:
    for table in ("pages", "operations", "integration_gates", "attempts"):
        op.drop_table(table)
    op.execute("DROP FUNCTION pagersync_check_transition()")
