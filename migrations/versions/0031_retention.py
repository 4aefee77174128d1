"""what retention did, and one audit entry for an incident that it removes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

QUIET = """
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME IN ('incident_events', 'incident_alerts')
        AND current_setting('pagersync.retention', true) = 'yes' THEN
        RETURN NULL;
    END IF;
"""

ROW = """
CREATE OR REPLACE FUNCTION pagersync_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - TG_ARGV END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - TG_ARGV END;
    row_id text := coalesce(new_row ->> 'id', old_row ->> 'id',
                            new_row ->> 'incident_id', old_row ->> 'incident_id');
    before jsonb;
    after jsonb;
BEGIN{quiet}
    SELECT jsonb_object_agg(key, pagersync_audit_shown(key, value)) INTO before
    FROM jsonb_each(old_row) WHERE value IS DISTINCT FROM new_row -> key;
    SELECT jsonb_object_agg(key, pagersync_audit_shown(key, value)) INTO after
    FROM jsonb_each(new_row) WHERE value IS DISTINCT FROM old_row -> key;
    IF before IS NULL AND after IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pagersync_audit_note(
        CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
        TG_TABLE_NAME::text, row_id, before, after);
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "retention_runs",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("removed_total", sa.BigInteger(), nullable=False),
    )
    op.execute(ROW.format(quiet=QUIET))


def downgrade() -> None:
    op.execute(ROW.format(quiet=""))
    op.drop_table("retention_runs")
