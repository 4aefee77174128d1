"""Operations are claimed account by account, and expired pages are found by their time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

QUEUED = sa.text("state = 'queued'")
EXPIRES = sa.text("status = 'queued' AND expires_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "operations_account_idx", "operations", ["integration_id", "id"], postgresql_where=QUEUED
    )
    op.drop_index("operations_oldest_idx", "operations")
    op.create_index("pages_expires_idx", "pages", ["expires_at"], postgresql_where=EXPIRES)


def downgrade() -> None:
    op.drop_index("pages_expires_idx", "pages")
    op.create_index("operations_oldest_idx", "operations", ["id"], postgresql_where=QUEUED)
    op.drop_index("operations_account_idx", "operations")
