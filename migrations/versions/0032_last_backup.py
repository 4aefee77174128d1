"""when the last backup was made."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "last_backup",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("has_key", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("last_backup_pkey")),
        sa.CheckConstraint("id = 1", name=op.f("last_backup_one_row_check")),
    )


def downgrade() -> None:
    op.drop_table("last_backup")
