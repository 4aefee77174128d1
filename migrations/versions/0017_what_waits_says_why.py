"""The rate limiter keeps since when an account fails, and pages whether their wait was told."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

UNTOLD = sa.text("status = 'queued' AND incident_id IS NOT NULL AND wait_told_at IS NULL")


def upgrade() -> None:
    since = sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True)
    op.add_column("integration_gates", since)
    op.add_column("pages", sa.Column("wait_told_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "pages_untold_idx", "pages", ["integration_id", "created_at"], postgresql_where=UNTOLD
    )


def downgrade() -> None:
    op.drop_index("pages_untold_idx", "pages")
    op.drop_column("pages", "wait_told_at")
    op.drop_column("integration_gates", "failing_since")
