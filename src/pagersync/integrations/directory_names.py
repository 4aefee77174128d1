"""What people, teams and routers are called that PagerTree's webhooks name by their ids."""

from collections.abc import Collection
from typing import Final, NamedTuple
from uuid import UUID

from pagersync.database.engine import Connection


class Named(NamedTuple):
    """A user, team or router of an account, by PagerTree's prefix id."""

    integration_id: UUID
    id: str


async def load_names(connection: Connection, named: Collection[Named]) -> dict[Named, str]:
    """Return the names of those that the directory has."""
    rows = await connection.fetch(
        _NAMES, [each.integration_id for each in named], [each.id for each in named]
    )
    return {Named(row["integration_id"], row["prefix_id"]): row["name"] for row in rows}


_NAMES: Final = """
SELECT d.integration_id, d.prefix_id, d.name
FROM directory_entries d
JOIN unnest($1::uuid[], $2::text[]) AS k (integration_id, prefix_id)
  USING (integration_id, prefix_id)
"""
