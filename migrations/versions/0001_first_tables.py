"""first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


NOTIFY = """
CREATE FUNCTION pagersync_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM new_rows WHERE state = 'queued') THEN
        PERFORM pg_notify('pagersync', TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$
"""
"""Wakes workers when a statement queued rows: once for each statement, whatever inserted them."""

NOTIFY_DELIVERIES = """
CREATE TRIGGER deliveries_notify AFTER INSERT ON deliveries
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION pagersync_notify()
"""


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("alert_numbers")))
    op.create_table(
        "alerts",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("short_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("external_url", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default="pagertree", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "labels",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "data",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("thirdparty_id", sa.Text(), nullable=True),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fold", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
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
            "status IN ('open', 'triggered', 'acknowledged', 'resolved')",
            name=op.f("alerts_status_check"),
        ),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("alerts_pkey")),
        sa.UniqueConstraint(
            "integration_id", "external_id", name=op.f("alerts_integration_id_external_id_key")
        ),
    )
    op.create_index("alerts_labels_idx", "alerts", ["labels"], unique=False, postgresql_using="gin")
    op.create_index("alerts_short_id_idx", "alerts", ["short_id"], unique=True)
    op.create_index("alerts_started_at_idx", "alerts", ["started_at"], unique=False)
    op.create_index("alerts_status_idx", "alerts", ["status", "id"], unique=False)
    op.create_table(
        "alerts_per_day",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("alerts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("integration_id", "day", name=op.f("alerts_per_day_pkey")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
        sa.UniqueConstraint("token_sha256", name=op.f("api_keys_token_sha256_key")),
    )
    op.create_table(
        "deliveries",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=True),
        sa.Column("pagertree_alert_id", sa.Text(), nullable=True),
        sa.Column("times_received", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "last_received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
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
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'ignored', 'invalid', 'limited', 'dead')",
            name=op.f("deliveries_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("deliveries_pkey")),
        sa.UniqueConstraint(
            "integration_id", "body_sha256", name=op.f("deliveries_integration_id_body_sha256_key")
        ),
    )
    op.create_index(
        "deliveries_alert_idx",
        "deliveries",
        ["integration_id", "pagertree_alert_id"],
        unique=False,
        postgresql_where=sa.text("pagertree_alert_id IS NOT NULL"),
    )
    op.create_index(
        "deliveries_attention_idx",
        "deliveries",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('queued', 'running', 'done')"),
    )
    op.create_index(
        "deliveries_leased_idx",
        "deliveries",
        ["leased_until"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "deliveries_one_at_a_time_idx",
        "deliveries",
        ["lock_key"],
        unique=True,
        postgresql_where=sa.text("state = 'running' AND lock_key IS NOT NULL"),
    )
    op.create_index(
        "deliveries_queued_idx",
        "deliveries",
        ["run_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "deliveries_waiting_idx",
        "deliveries",
        ["lock_key", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued' AND lock_key IS NOT NULL"),
    )
    op.create_table(
        "domain_events",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("domain_events_pkey")),
    )
    op.create_index(
        "domain_events_subject_idx", "domain_events", ["subject_id", "id"], unique=False
    )
    op.create_table(
        "integrations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "pagertree_url",
            sa.Text(),
            server_default="https://api.pagertree.com/api/v4",
            nullable=False,
        ),
        sa.Column("api_key_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column(
            "alert_url_template",
            sa.Text(),
            server_default="https://app.pagertree.com/#/alert/{id}",
            nullable=False,
        ),
        sa.Column("alerts_per_day_max", sa.BigInteger(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.PrimaryKeyConstraint("id", name=op.f("integrations_pkey")),
    )
    op.create_index(
        "integrations_name_key",
        "integrations",
        ["name"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "webhook_refusals",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("integration_id", "reason", name=op.f("webhook_refusals_pkey")),
    )
    op.create_table(
        "alert_events",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("content_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default="pagertree", nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["alert_id", "integration_id"],
            ["alerts.id", "alerts.integration_id"],
            name=op.f("alert_events_alert_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("alert_events_pkey")),
        sa.UniqueConstraint(
            "integration_id",
            "alert_id",
            "content_sha256",
            name=op.f("alert_events_integration_id_alert_id_content_sha256_key"),
        ),
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
            name=op.f("webhook_secrets_integration_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_secrets_pkey")),
    )
    op.create_index(
        op.f("webhook_secrets_integration_id_idx"),
        "webhook_secrets",
        ["integration_id"],
        unique=False,
    )
    op.execute(NOTIFY)
    op.execute(NOTIFY_DELIVERIES)


def downgrade() -> None:
    op.drop_index(op.f("webhook_secrets_integration_id_idx"), table_name="webhook_secrets")
    op.drop_table("webhook_secrets")
    op.drop_table("alert_events")
    op.drop_table("webhook_refusals")
    op.drop_index(
        "integrations_name_key",
        table_name="integrations",
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.drop_table("integrations")
    op.drop_index("domain_events_subject_idx", table_name="domain_events")
    op.drop_table("domain_events")
    op.drop_index(
        "deliveries_waiting_idx",
        table_name="deliveries",
        postgresql_where=sa.text("state = 'queued' AND lock_key IS NOT NULL"),
    )
    op.drop_index(
        "deliveries_queued_idx",
        table_name="deliveries",
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_index(
        "deliveries_one_at_a_time_idx",
        table_name="deliveries",
        postgresql_where=sa.text("state = 'running' AND lock_key IS NOT NULL"),
    )
    op.drop_index(
        "deliveries_leased_idx",
        table_name="deliveries",
        postgresql_where=sa.text("state = 'running'"),
    )
    op.drop_index(
        "deliveries_attention_idx",
        table_name="deliveries",
        postgresql_where=sa.text("state NOT IN ('queued', 'running', 'done')"),
    )
    op.drop_index(
        "deliveries_alert_idx",
        table_name="deliveries",
        postgresql_where=sa.text("pagertree_alert_id IS NOT NULL"),
    )
    op.drop_table("deliveries")
    op.drop_table("api_keys")
    op.drop_table("alerts_per_day")
    op.drop_index("alerts_status_idx", table_name="alerts")
    op.drop_index("alerts_started_at_idx", table_name="alerts")
    op.drop_index("alerts_short_id_idx", table_name="alerts")
    op.drop_index("alerts_labels_idx", table_name="alerts", postgresql_using="gin")
    op.drop_table("alerts")
    op.execute(sa.schema.DropSequence(sa.Sequence("alert_numbers")))
    op.execute("DROP FUNCTION pagersync_notify()")
