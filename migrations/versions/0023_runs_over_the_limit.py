"""workflow runs over their workflow's limit wait instead of being canceled."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "workflow_runs",
        sa.Column("is_over_limit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "workflow_minutes",
        sa.Column("over_limit", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.create_index(
        "workflow_runs_over_limit_idx",
        "workflow_runs",
        ["workflow_id", "id"],
        postgresql_where=sa.text("is_over_limit AND state = 'queued'"),
    )


def downgrade() -> None:
    op.drop_index("workflow_runs_over_limit_idx", table_name="workflow_runs")
    op.drop_column("workflow_minutes", "over_limit")
    op.drop_column("workflow_runs", "is_over_limit")
