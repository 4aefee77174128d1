"""incidents and alerts that nobody was paged for."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    now = sa.text("now()")
    op.create_table(
        "unpaged",
        sa.Column("subject_id", sa.Uuid(), primary_key=True),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.Text()),
        sa.CheckConstraint(
            "subject_type IN ('incident', 'alert')", name=op.f("unpaged_subject_type_check")
        ),
    )
    op.create_index(
        "unpaged_open_idx",
        "unpaged",
        ["subject_type", "noticed_at"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("unpaged")
