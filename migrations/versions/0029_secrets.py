"""named secrets, and masks for those that people write into calls."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TASKS = ("workflow_tasks", "workflow_task_runs")
UNSEALED = "NOT is_sealed AND task_params ->> 'task_type' = 'http_client'"

SHOWN = """
CREATE OR REPLACE FUNCTION pagersync_audit_shown(key text, value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
SELECT CASE
    WHEN value = 'null' THEN value
    WHEN key ~ '(_encrypted|sha256|secret|token|password)$' THEN '"(hidden)"'
    WHEN key = 'task_params' AND value ->> 'task_type' = 'http_client' THEN (
        SELECT jsonb_object_agg(p.key, CASE
            WHEN p.value = 'null' THEN p.value
            WHEN p.key IN ('headers', 'params', 'body') THEN '"(hidden)"'
            WHEN p.key = 'event_url' THEN pagersync_audit_shown('url', p.value)
            ELSE pagersync_audit_shown(p.key, p.value) END)
        FROM jsonb_each(value) AS p)
    WHEN key = 'url' THEN to_jsonb(regexp_replace(regexp_replace(regexp_replace(
        value #>> '{}', '[?#].*$', '?(hidden)'), '//[^/@]*@', '//'),
        '/[A-Za-z0-9_-]{24,}(?=[/?]|$)', '/(hidden)', 'g'))
    WHEN key = 'external_url' THEN to_jsonb(regexp_replace(
        regexp_replace(value #>> '{}', '[?#].*$', '?(hidden)'), '//[^/@]*@', '//'))
    ELSE value END
$$
"""
"""Of addresses that are called, a word of the path may be a secret, too."""


def _time(name: str) -> "sa.Column[datetime]":
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column(
            "integration_ids",
            postgresql.ARRAY(sa.Uuid()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("secrets_pkey")),
        sa.UniqueConstraint("name", name=op.f("secrets_name_key")),
    )
    op.create_table(
        "sealed_values",
        sa.Column("mask", sa.Text(), nullable=False),
        sa.Column("value_encrypted", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("mask", name=op.f("sealed_values_pkey")),
    )
    for table in (*TASKS, "webhook_endpoints"):
        op.add_column(
            table,
            sa.Column("is_sealed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        )
    for table in TASKS:
        op.create_index(f"{table}_unsealed_idx", table, ["id"], postgresql_where=sa.text(UNSEALED))
    op.execute(SHOWN)
    op.execute("SELECT pagersync_audit('secrets', '{last_used_at}')")


def downgrade() -> None:
    """Take it all away; what masks stood for has to be entered again."""
    for table in TASKS:
        op.drop_index(f"{table}_unsealed_idx", table)
    for table in (*TASKS, "webhook_endpoints"):
        op.drop_column(table, "is_sealed")
    op.drop_table("sealed_values")
    op.drop_table("secrets")
