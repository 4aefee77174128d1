"""doubted listings and broken references of an account's directory are kept."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "directory_watches",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("doubt", JSONB(), nullable=True),
        sa.Column("broken", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("checked_as_of", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("integration_id", name="directory_watches_pkey"),
    )


def downgrade() -> None:
    op.drop_table("directory_watches")
