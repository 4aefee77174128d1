"""how far PagerTree's search lags behind, and since when PagerTree fails."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "search_lags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("missing_ms", sa.BigInteger(), nullable=True),
        sa.Column("found_ms", sa.BigInteger(), nullable=True),
        sa.Column("was_overtaken", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("search_lags_pkey")),
    )
    op.create_index("search_lags_newest_idx", "search_lags", ["integration_id", "id"])
    op.add_column("integration_gates", sa.Column("failing_since", moment, nullable=True))


def downgrade() -> None:
    op.drop_column("integration_gates", "failing_since")
    op.drop_table("search_lags")
