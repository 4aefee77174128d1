"""pages know the run that asked for them, their fallback, and whether they are to be resolved."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "integrations",
        sa.Column(
            "default_targets",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column("operations", sa.Column("workflow_run_id", sa.Uuid(), nullable=True))
    op.add_column("pages", sa.Column("workflow_run_id", sa.Uuid(), nullable=True))
    op.add_column("pages", sa.Column("depth", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column(
        "pages",
        sa.Column("is_incident", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "pages",
        sa.Column("fallback_targets", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )
    op.add_column("pages", sa.Column("fallback_of", sa.Uuid(), nullable=True))
    op.add_column("pages", sa.Column("resolve_wanted_by", sa.Text(), nullable=True))
    op.create_index(
        "pages_fallback_key",
        "pages",
        ["fallback_of"],
        unique=True,
        postgresql_where=sa.text("fallback_of IS NOT NULL"),
    )
    op.create_index(
        "operations_workflow_run_idx",
        "operations",
        ["workflow_run_id"],
        postgresql_where=sa.text("workflow_run_id IS NOT NULL"),
    )
    op.create_index(
        "pages_workflow_run_idx",
        "pages",
        ["workflow_run_id"],
        postgresql_where=sa.text("workflow_run_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("operations_workflow_run_idx", table_name="operations")
    op.drop_index("pages_workflow_run_idx", table_name="pages")
    op.drop_index("pages_fallback_key", table_name="pages")
    for column in (
        *("workflow_run_id", "depth", "is_incident", "fallback_targets", "fallback_of"),
        "resolve_wanted_by",
    ):
        op.drop_column("pages", column)
    op.drop_column("operations", "workflow_run_id")
    op.drop_column("integrations", "default_targets")
