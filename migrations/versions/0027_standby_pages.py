"""pages that stand by for an alert that pages already."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("pages", sa.Column("standby_for", sa.Uuid(), nullable=True))
    op.create_index(
        "pages_standby_idx",
        "pages",
        ["standby_for"],
        postgresql_where=sa.text("standby_for IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("pages_standby_idx", table_name="pages")
    op.drop_column("pages", "standby_for")
