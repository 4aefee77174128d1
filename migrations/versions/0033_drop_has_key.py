"""Drop last_backup.has_key: nothing read it. Whether a backup holds the key, its files say."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the migration."""
    op.drop_column("last_backup", "has_key")


def downgrade() -> None:
    """Undo the migration; of a backup made before, it is not known whether it holds the key."""
    op.add_column(
        "last_backup",
        sa.Column("has_key", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.alter_column("last_backup", "has_key", server_default=None)
