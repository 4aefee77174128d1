"""what to do about a page that stays unknown, and which page may repeat which."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

IS_CHOICE = "when_unknown IN ('keep_looking', 'page_again')"


def upgrade() -> None:
    choice = sa.Column("when_unknown", sa.Text(), server_default="keep_looking", nullable=False)
    after = sa.Column("page_again_after_s", sa.BigInteger(), server_default="120", nullable=False)
    op.add_column("integrations", choice)
    op.add_column("integrations", after)
    op.create_check_constraint("when_unknown", "integrations", IS_CHOICE)
    op.add_column("pages", sa.Column("repeat_of", sa.Uuid(), nullable=True))
    elsewhere: sa.Column[bool] = sa.Column(
        "is_elsewhere", sa.Boolean(), server_default=sa.text("false"), nullable=False
    )
    op.add_column("pages", elsewhere)
    op.create_index(
        "pages_repeat_key",
        "pages",
        ["repeat_of", "is_elsewhere"],
        unique=True,
        postgresql_where=sa.text("repeat_of IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_column("pages", "is_elsewhere")
    op.drop_column("pages", "repeat_of")
    op.drop_column("integrations", "page_again_after_s")
    op.drop_column("integrations", "when_unknown")
