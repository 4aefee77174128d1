"""the directory of teams, users and routers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "directory_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("pagertree_id", sa.Text(), nullable=False),
        sa.Column("prefix_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column(
            "emails", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
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
        sa.PrimaryKeyConstraint("id", "integration_id", name=op.f("directory_entries_pkey")),
        sa.UniqueConstraint(
            "integration_id",
            "kind",
            "pagertree_id",
            name=op.f("directory_entries_integration_id_kind_pagertree_id_key"),
        ),
    )
    op.create_index(
        "directory_entries_emails_idx",
        "directory_entries",
        ["emails"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_index(
        "directory_entries_name_idx",
        "directory_entries",
        ["integration_id", "kind", "name_key"],
        unique=False,
    )
    op.create_index(
        "directory_entries_pagertree_id_idx", "directory_entries", ["pagertree_id"], unique=False
    )
    op.create_index(
        "directory_entries_prefix_id_idx", "directory_entries", ["prefix_id"], unique=False
    )
    op.add_column(
        "integrations",
        sa.Column(
            "directory_sync_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.add_column(
        "integrations", sa.Column("directory_synced_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("integrations", sa.Column("directory_error", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("integrations", "directory_error")
    op.drop_column("integrations", "directory_synced_at")
    op.drop_column("integrations", "directory_sync_at")
    op.drop_table("directory_entries")
