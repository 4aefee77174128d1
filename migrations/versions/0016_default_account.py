"""one connected account is the default: used by what names no account."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    column: sa.Column[bool] = sa.Column(
        "is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False
    )
    op.add_column("integrations", column)
    op.execute(
        "UPDATE integrations SET is_default = true WHERE id = (SELECT id FROM integrations "
        "WHERE removed_at IS NULL ORDER BY enabled DESC, id LIMIT 1)"
    )
    op.create_index(
        "integrations_default_key",
        "integrations",
        ["is_default"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )


def downgrade() -> None:
    op.drop_index("integrations_default_key", table_name="integrations")
    op.drop_column("integrations", "is_default")
