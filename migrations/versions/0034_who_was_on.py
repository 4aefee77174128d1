"""When workflows were switched off, and incidents started again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0034"
down_revision: str | None = "0033"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OFF_AT = """
CREATE FUNCTION pagersync_note_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.off_at := now();
    RETURN NEW;
END
$$
"""

TRIGGER = """
CREATE TRIGGER workflows_off_at BEFORE UPDATE OF enabled ON workflows
FOR EACH ROW WHEN (OLD.enabled AND NOT NEW.enabled) EXECUTE FUNCTION pagersync_note_off()
"""

RESTARTED_AT = """
UPDATE incidents i SET restarted_at = e.created_at
FROM (SELECT subject_id, max(created_at) AS created_at FROM domain_events
      WHERE type = 'incident.updated' AND 'incident_restarted' = ANY (triggers)
      GROUP BY subject_id) AS e
WHERE i.id = e.subject_id
"""


def upgrade() -> None:
    """Apply the migration."""
    op.add_column("workflows", sa.Column("off_at", sa.DateTime(timezone=True)))
    op.add_column("incidents", sa.Column("restarted_at", sa.DateTime(timezone=True)))
    op.execute(OFF_AT)
    op.execute(TRIGGER)
    op.execute(RESTARTED_AT)


def downgrade() -> None:
    """Undo the migration."""
    op.execute("DROP TRIGGER workflows_off_at ON workflows")
    op.execute("DROP FUNCTION pagersync_note_off()")
    op.drop_column("incidents", "restarted_at")
    op.drop_column("workflows", "off_at")
