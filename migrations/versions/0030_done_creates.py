"""an index over the pages of an account that PagerTree has."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "operations_done_create_idx",
        "operations",
        ["integration_id", "id"],
        postgresql_where=sa.text("kind = 'create_alert' AND state = 'done'"),
    )


def downgrade() -> None:
    op.drop_index("operations_done_create_idx", table_name="operations")
