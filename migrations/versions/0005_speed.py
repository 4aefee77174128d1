"""a cheaper index of deliveries by alert, and folds that name each snapshot once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


GROUP_FIELDS_BY_SNAPSHOT = """
UPDATE alerts SET fold = jsonb_build_object(
    'snapshots', (
        SELECT coalesce(jsonb_agg(jsonb_build_array(ms, rank, digest, fields)), '[]')
        FROM (SELECT value -> 0, value -> 1, value -> 2, jsonb_object_agg(key, value -> 3)
              FROM jsonb_each(fold -> 'fields') GROUP BY 1, 2, 3) AS s (ms, rank, digest, fields)),
    'times', fold -> 'times', 'is_resolved', fold -> 'is_resolved')
"""

FIELDS_ONE_BY_ONE = """
UPDATE alerts SET fold = jsonb_build_object(
    'fields', (
        SELECT coalesce(jsonb_object_agg(f.key, (s.one - 3) || jsonb_build_array(f.value)), '{}')
        FROM jsonb_array_elements(fold -> 'snapshots') AS s (one), jsonb_each(s.one -> 3) AS f),
    'times', fold -> 'times', 'is_resolved', fold -> 'is_resolved')
"""


def upgrade() -> None:
    op.execute(GROUP_FIELDS_BY_SNAPSHOT)
    op.drop_index("deliveries_alert_idx", table_name="deliveries")
    op.create_index(
        "deliveries_alert_idx",
        "deliveries",
        ["pagertree_alert_id", "id"],
        postgresql_where=sa.text("pagertree_alert_id IS NOT NULL"),
        postgresql_with={"deduplicate_items": False},
    )


def downgrade() -> None:
    op.execute(FIELDS_ONE_BY_ONE)
    op.drop_index("deliveries_alert_idx", table_name="deliveries")
    op.create_index(
        "deliveries_alert_idx",
        "deliveries",
        ["integration_id", "pagertree_alert_id"],
        postgresql_where=sa.text("pagertree_alert_id IS NOT NULL"),
    )
