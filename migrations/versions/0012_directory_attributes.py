"""teams and users have attributes of Rootly's, versions, and members; they can be removed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TEXTS = ("time_zone", "slug", "description", "color", "external_id", "first_name", "last_name")

# The next sync sets them as `access.names.slug_of` has them, which knows accents too.
SLUGS = r"""
UPDATE directory_entries SET slug = coalesce(
    nullif(trim(BOTH '-' FROM regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g')), ''),
    lower(coalesce(prefix_id, pagertree_id))
) WHERE kind = 'team'
"""


def upgrade() -> None:
    for name in TEXTS:
        op.add_column("directory_entries", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("directory_entries", sa.Column("position", sa.BigInteger(), nullable=True))
    op.add_column(
        "directory_entries",
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.add_column(
        "directory_entries",
        sa.Column(
            "member_ids",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "directory_entries",
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
    )
    op.create_index("directory_entries_slug_idx", "directory_entries", ["slug"])
    op.execute(SLUGS)


def downgrade() -> None:
    op.drop_index("directory_entries_slug_idx", table_name="directory_entries")
    for name in (*TEXTS, "position", "removed_at", "member_ids", "version"):
        op.drop_column("directory_entries", name)
