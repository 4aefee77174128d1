"""alerts that clients make: whose they are, and their keys; notes; pages that wait for a snooze."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("client_id", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("deduplication_key", sa.Text(), nullable=True))
    op.create_index(
        "alerts_deduplication_key",
        "alerts",
        ["integration_id", "deduplication_key"],
        unique=True,
        postgresql_where=sa.text("deduplication_key IS NOT NULL AND status <> 'resolved'"),
    )
    op.add_column(
        "alert_events", sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("pages", sa.Column("send_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("pages", "send_at")
    op.drop_column("alert_events", "updated_at")
    op.drop_index("alerts_deduplication_key", table_name="alerts")
    op.drop_column("alerts", "deduplication_key")
    op.drop_column("alerts", "client_id")
