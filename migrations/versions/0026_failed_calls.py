"""operations count their failures, and failed resolves are made again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    failures: sa.Column[int] = sa.Column(
        "failures", sa.BigInteger(), server_default="0", nullable=False
    )
    op.add_column("operations", failures)
    op.add_column("operations", sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "operations_retry_idx",
        "operations",
        ["retry_at"],
        postgresql_where=sa.text("retry_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("operations_retry_idx", table_name="operations")
    op.drop_column("operations", "retry_at")
    op.drop_column("operations", "failures")
