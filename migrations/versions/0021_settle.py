"""how far PagerTree's search lags behind."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
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


def downgrade() -> None:
    op.drop_table("search_lags")
