"""a fingerprint of the secret key, so that another key is noticed before it is used."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _time(name: str) -> "sa.Column[datetime]":
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "secret_key_fingerprint",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("encrypted", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("id = 1", name=op.f("secret_key_fingerprint_one_row_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("secret_key_fingerprint_pkey")),
    )


def downgrade() -> None:
    op.drop_table("secret_key_fingerprint")
