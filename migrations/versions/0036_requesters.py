"""who causes what waits, so that requesters take turns."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0036"
down_revision: str | None = "0035"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TABLES = ("pages", "operations", "workflow_runs", "domain_events")
LANE = "(\nCASE\n    WHEN {first} THEN ''\n    ELSE 'later '\nEND || requester)"
QUEUED = "state = 'queued'"


def upgrade() -> None:
    requester = sa.text("coalesce(current_setting('pagersync.requester', true), '')")
    for table in TABLES:
        op.add_column(
            table,
            sa.Column("requester", sa.Text(), server_default=requester, nullable=False),
        )
    op.add_column(
        "workflow_runs",
        sa.Column("pages", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )
    _index("operations", ["integration_id"], "kind = 'create_alert'", ["id"])
    _index("workflow_runs", [], "pages", ["run_at", "id"])
    _index("domain_events", [], "true", ["run_at", "id"])
    op.drop_index("operations_account_idx", table_name="operations")
    op.create_table(
        "requester_minutes",
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("over_limit", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "workflow_id", "minute", "requester", name=op.f("requester_minutes_pkey")
        ),
    )


def downgrade() -> None:
    op.drop_table("requester_minutes")
    op.create_index(
        "operations_account_idx",
        "operations",
        ["integration_id", "id"],
        postgresql_where=sa.text(QUEUED),
    )
    for table in ("operations", "workflow_runs", "domain_events"):
        op.drop_index(f"{table}_lanes_idx", table_name=table)
    op.drop_column("workflow_runs", "pages")
    for table in TABLES:
        op.drop_column(table, "requester")


def _index(table: str, before: list[str], first: str, behind: list[str]) -> None:
    lane = sa.text(LANE.format(first=first))
    op.create_index(
        f"{table}_lanes_idx", table, [*before, lane, *behind], postgresql_where=sa.text(QUEUED)
    )
