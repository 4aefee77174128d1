"""incidents can be removed; entries of timelines and severities count their changes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MADE_OF_ALERT = "source_alert_id IS NOT NULL"


def upgrade() -> None:
    op.add_column("incidents", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    for table in ("incident_events", "severities"):
        version = sa.Column("version", sa.BigInteger(), server_default="1", nullable=False)
        op.add_column(table, version)
    _index_alerts(f"{MADE_OF_ALERT} AND removed_at IS NULL")


def downgrade() -> None:
    op.execute("UPDATE incidents SET source_alert_id = NULL WHERE removed_at IS NOT NULL")
    _index_alerts(MADE_OF_ALERT)
    for table in ("severities", "incident_events"):
        op.drop_column(table, "version")
    op.drop_column("incidents", "removed_at")


def _index_alerts(where: str) -> None:
    """Make the index anew by which an alert becomes one incident."""
    op.drop_index("incidents_source_alert_key", table_name="incidents")
    op.create_index(
        "incidents_source_alert_key",
        "incidents",
        ["source_alert_id"],
        unique=True,
        postgresql_where=sa.text(where),
    )
