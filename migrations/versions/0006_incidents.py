"""incidents, their timelines, severities and attached alerts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SEVERITIES = """
INSERT INTO severities (id, name, slug, description, severity, color, position)
SELECT gen_random_uuid(), initcap(level), level, text, level, color, position
FROM (VALUES ('critical', 'Everybody is affected.', '#B71C1C', 1),
             ('high', 'Many are affected, or a few badly.', '#E65100', 2),
             ('medium', 'Something is worse than it should be.', '#F9A825', 3),
             ('low', 'Hardly anybody notices.', '#1565C0', 4))
     AS s (level, text, color, position)
"""


def upgrade() -> None:
    op.create_table(
        "incident_numbers",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("incident_numbers_pkey")),
    )
    op.create_table(
        "severities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
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
            "severity IN ('critical', 'high', 'medium', 'low')",
            name=op.f("severities_severity_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("severities_pkey")),
    )
    op.create_index(
        "severities_name_key", "severities", [sa.literal_column("lower(name)")], unique=True
    )
    op.create_index("severities_slug_key", "severities", ["slug"], unique=True)
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="normal", nullable=False),
        sa.Column("private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("severity_id", sa.Uuid(), nullable=True),
        sa.Column(
            "labels",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("source_alert_id", sa.Uuid(), nullable=True),
        sa.Column("duplicate_incident_id", sa.Uuid(), nullable=True),
        sa.Column("workflow_run_id", sa.Uuid(), nullable=True),
        sa.Column("depth", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("in_triage_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_triage_by", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_by", sa.Text(), nullable=True),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detected_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("mitigated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mitigated_by", sa.Text(), nullable=True),
        sa.Column("mitigation_message", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolution_message", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=True),
        sa.Column("cancellation_message", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('simple', title || ' ' || coalesce(summary, ''))", persisted=True
            ),
            nullable=False,
        ),
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
            "kind IN ('normal', 'normal_sub', 'test', 'test_sub', 'example', 'example_sub', "
            "'backfilled')",
            name=op.f("incidents_kind_check"),
        ),
        sa.CheckConstraint(
            "status IN ('in_triage', 'started', 'detected', 'acknowledged', 'mitigated', "
            "'resolved', 'closed', 'cancelled')",
            name=op.f("incidents_status_check"),
        ),
        sa.ForeignKeyConstraint(
            ["duplicate_incident_id"],
            ["incidents.id"],
            name=op.f("incidents_duplicate_incident_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["severity_id"], ["severities.id"], name=op.f("incidents_severity_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("incidents_pkey")),
    )
    op.create_index(
        "incidents_duplicate_idx",
        "incidents",
        ["duplicate_incident_id"],
        unique=False,
        postgresql_where=sa.text("duplicate_incident_id IS NOT NULL"),
    )
    op.create_index("incidents_labels_idx", "incidents", ["labels"], postgresql_using="gin")
    op.create_index("incidents_number_key", "incidents", ["number"], unique=True)
    op.create_index("incidents_search_idx", "incidents", ["search"], postgresql_using="gin")
    op.create_index("incidents_severity_idx", "incidents", ["severity_id", "id"], unique=False)
    op.create_index(
        "incidents_source_alert_key",
        "incidents",
        ["source_alert_id"],
        unique=True,
        postgresql_where=sa.text("source_alert_id IS NOT NULL"),
    )
    op.create_index("incidents_status_idx", "incidents", ["status", "id"], unique=False)
    op.create_table(
        "incident_alerts",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("attached_by", sa.Text(), nullable=False),
        sa.Column(
            "attached_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["alert_id", "integration_id"],
            ["alerts.id", "alerts.integration_id"],
            name=op.f("incident_alerts_alert_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
            name=op.f("incident_alerts_incident_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("incident_id", "alert_id", name=op.f("incident_alerts_pkey")),
    )
    op.create_index("incident_alerts_alert_idx", "incident_alerts", ["alert_id"], unique=False)
    op.create_table(
        "incident_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="internal", nullable=False),
        sa.Column("user_display_name", sa.Text(), nullable=True),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("page_id", sa.Uuid(), nullable=True),
        sa.Column("workflow_run_id", sa.Uuid(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
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
        sa.CheckConstraint("kind IN ('event', 'trail')", name=op.f("incident_events_kind_check")),
        sa.CheckConstraint(
            "visibility IN ('internal', 'external')", name=op.f("incident_events_visibility_check")
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
            name=op.f("incident_events_incident_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("incident_events_pkey")),
    )
    op.create_index(
        "incident_events_dedupe_key",
        "incident_events",
        ["incident_id", "dedupe_key"],
        unique=True,
        postgresql_where=sa.text("dedupe_key IS NOT NULL"),
    )
    op.create_index(
        "incident_events_timeline_idx",
        "incident_events",
        ["incident_id", "occurred_at", "id"],
    )
    op.execute("INSERT INTO incident_numbers (id, last) VALUES (1, 0)")
    op.execute(SEVERITIES)


def downgrade() -> None:
    for table in (
        "incident_events",
        "incident_alerts",
        "incidents",
        "incident_numbers",
        "severities",
    ):
        op.drop_table(table)
