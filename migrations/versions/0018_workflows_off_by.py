"""workflows keep what made pagersync switch them off."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    column: sa.Column[str] = sa.Column("off_by", sa.Text(), nullable=True)
    op.add_column("workflows", column)


def downgrade() -> None:
    op.drop_column("workflows", "off_by")
