"""a cheaper index of deliveries by alert."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.drop_index("deliveries_alert_idx", table_name="deliveries")
    op.create_index(
        "deliveries_alert_idx",
        "deliveries",
        ["pagertree_alert_id", "id"],
        postgresql_where=sa.text("pagertree_alert_id IS NOT NULL"),
        postgresql_with={"deduplicate_items": False},
    )


def downgrade() -> None:
    op.drop_index("deliveries_alert_idx", table_name="deliveries")
    op.create_index(
        "deliveries_alert_idx",
        "deliveries",
        ["integration_id", "pagertree_alert_id"],
        postgresql_where=sa.text("pagertree_alert_id IS NOT NULL"),
    )
