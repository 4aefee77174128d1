"""an index over pages that ended without having been sent."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "operations_ended_create_idx",
        "operations",
        ["finished_at"],
        postgresql_where=sa.text(
            "kind = 'create_alert' AND state IN ('failed', 'dead', 'canceled')"
        ),
    )


def downgrade() -> None:
    op.drop_index("operations_ended_create_idx", table_name="operations")
