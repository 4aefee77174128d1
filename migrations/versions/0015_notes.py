"""pages and tasks of runs keep notes: what was cut, dropped or replaced."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TABLES = ("pages", "workflow_task_runs")


def upgrade() -> None:
    for table in TABLES:
        column: sa.Column[list[str]] = sa.Column(
            "notes", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        )
        op.add_column(table, column)


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "notes")
