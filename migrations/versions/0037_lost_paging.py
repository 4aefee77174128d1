"""When workflows lost their tasks that page; what only the database notes is not audited."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0037"
down_revision: str | None = "0036"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOST = """
CREATE FUNCTION pagersync_note_lost_paging() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text := OLD.task_params ->> 'task_type';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.enabled AND NEW.task_params ->> 'task_type' = kind THEN
            RETURN NULL;
        END IF;
    END IF;
    UPDATE workflows SET lost_paging_at = now() WHERE id = OLD.workflow_id;
    RETURN NULL;
END
$$
"""

TRIGGER = """
CREATE TRIGGER workflow_tasks_lost_paging AFTER UPDATE OR DELETE ON workflow_tasks
FOR EACH ROW WHEN (OLD.enabled AND OLD.task_params ->> 'task_type' IN (
    'create_pagertree_alert', 'page_pagertree', 'create_incident'))
EXECUTE FUNCTION pagersync_note_lost_paging()
"""

NOT_AUDITED = """
SELECT pagersync_audit('workflows', '{off_at,lost_paging_at}'::text[])
"""


def upgrade() -> None:
    """Apply the migration."""
    op.add_column("workflows", sa.Column("lost_paging_at", sa.DateTime(timezone=True)))
    op.execute(LOST)
    op.execute(TRIGGER)
    op.execute("DROP TRIGGER workflows_audit ON workflows")
    op.execute(NOT_AUDITED)


def downgrade() -> None:
    """Undo the migration."""
    op.execute("DROP TRIGGER workflows_audit ON workflows")
    op.execute("SELECT pagersync_audit('workflows')")
    op.execute("DROP TRIGGER workflow_tasks_lost_paging ON workflow_tasks")
    op.execute("DROP FUNCTION pagersync_note_lost_paging()")
    op.drop_column("workflows", "lost_paging_at")
